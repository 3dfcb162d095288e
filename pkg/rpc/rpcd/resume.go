// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/printable"
)

// This file owns how a process takes up the connections that the one before
// has parked, keep.go.

// parked is a connection that is taken up.
type parked struct {
	slot  int
	entry parking.Entry
	fd    int
}

// resume takes up all connections in these slots, before anything is served.
func (l *loop) resume(slots [][2]int) error {
	var all []parked
	for _, s := range slots {
		err := l.lot.Adopt(s[0], s[1], func(slot int, e parking.Entry, fd int, _ []byte) {
			all = append(all, parked{slot, e, fd})
		})
		if err != nil {
			return err
		}
	}
	slices.SortFunc(all, func(a, b parked) int { return cmp.Compare(a.entry.Accepted, b.entry.Accepted) })
	inCall := l.serving.Swap(0)
	var conns []*conn
	handles := map[*group]saved{} // the newest of each group
	for _, p := range all {
		c, s, err := l.resumeOne(p, inCall)
		if err != nil {
			l.causes.Log(l.log, slog.LevelWarn, "resume "+err.Error(), journal.IDNotKept,
				"a parked connection is closed: "+err.Error(), journal.Binding, p.entry.Binding, journal.Error, err.Error())
			l.lot.Remove(p.slot, p.entry.ID)
			sys.Close(p.fd)
			continue
		}
		conns = append(conns, c)
		if g := c.state.group; g != nil && s.flags&savedHandles != 0 && (g.keeper == nil || s.generation > g.generation) {
			g.keeper, g.generation = c, s.generation
			handles[g] = s
		}
	}
	for g, s := range handles {
		l.resumeHandles(g, s)
	}
	if l.line != nil {
		l.line.Resumed(uint64(l.open))
	}
	for _, c := range conns {
		if c.fd >= 0 && !c.keepable() {
			l.unpark(c) // what is written down of it is right no longer than until its next call
		}
	}
	for _, c := range conns {
		switch g := c.state.group; {
		case c.fd < 0: // it made room for one of the same source
		case g != nil && g.lost:
			c.shut(l)
		case c.kept != nil && c.kept.marked && !c.kept.stale:
			// It was in a call, and how far that came is not known. Now that
			// all are here, another one keeps the handles of its group.
			c.close(l)
		case len(c.out) > 0:
			c.watch(l)
		default:
			c.proceed(l, nil)
		}
	}
	if len(conns) > 0 {
		l.log.Log(context.Background(), journal.Notice, printable.Count(l.open, "connection")+" of the process before taken up", journal.MessageID, journal.IDParkingTaken)
	}
	return nil
}

var (
	errGone     = errors.New("what it is bound to is not served any more")
	errNotGroup = errors.New("its association group is not one of this worker")
)

// resumeOne makes a conn of a parked connection.
func (l *loop) resumeOne(p parked, inCall uint64) (*conn, saved, error) {
	k := &kept{slot: p.slot, fd: l.lot.File(p.slot, p.entry.ID)}
	f, s, err := readSaved(k.fd)
	if err != nil {
		return nil, s, err
	}
	e, ok := endpoint.Parse(p.entry.Binding)
	if !ok {
		return nil, s, errSaved
	}
	c := &conn{fd: p.fd, endpoint: l.endpointIndex(e), npaLevel: f.level, id: p.entry.ID, kept: k}
	if err := l.resumeState(c, &s); err != nil {
		return nil, s, err
	}
	k.npa, k.at, k.n, k.marked = f.npa, f.at, f.n, f.mark || p.entry.ID == inCall
	if s.flags&savedWantNPA != 0 {
		if !e.Transport.Relayed() {
			return nil, s, errSaved
		}
		c.phase = wantNPA
		c.npa = c.npaInfo()
	}
	var g *group
	if c.state.bound {
		if g = l.groups.resume(s.group, e.Transport); g == nil {
			return nil, s, errNotGroup
		}
		g.kept++
		c.state.group, c.state.groupID = g, g.id
	}
	l.enter(c)
	if g != nil && g.owner == nil {
		g.owner = l.ledger.Again(c.from)
	}
	for _, s := range c.state.securities {
		l.vouch(c, s)
	}
	l.ledger.Force(c.from, source.Securities, len(c.state.securities))
	l.ledger.Force(c.from, source.Partial, c.held)
	c.since = p.entry.Accepted // without a bind it gets no more time
	c.in, c.out = append([]byte(nil), s.in...), append([]byte(nil), s.out...)
	l.ledger.Force(c.from, source.Partial, len(c.in))
	l.ledger.Force(c.from, source.Unsent, len(c.out))
	if len(s.in) > 0 || len(s.out) > 0 || s.flags&savedCall != 0 {
		if k.stale = true; !k.marked {
			c.mark(l)
		}
	}
	return c, s, nil
}

// resumeState fills in what a bind and the fragments of a call made.
func (l *loop) resumeState(c *conn, s *saved) error {
	c.calls.MaxStub = l.srv.Limits.Stub
	c.calls.Multiplex = s.flags&savedMultiplex != 0
	c.state.signHeader, c.state.keepOrphan = s.flags&savedSignHeader != 0, s.flags&savedKeepOrphan != 0
	c.state.bound, c.state.maxFrag = s.flags&savedBound != 0, s.maxFrag
	if c.state.bound && s.maxFrag < dcerpc.MustRecvFragSize {
		return errSaved
	}
	if len(s.contexts) > l.srv.Limits.Contexts {
		return errSaved
	}
	for _, x := range s.contexts {
		i := l.find(x.iface, &l.endpoints[c.endpoint])
		if i == nil {
			return errGone
		}
		c.state.contexts = append(c.state.contexts, presentation{id: x.id, ndr64: x.ndr64, both: x.both, iface: i})
	}
	if err := l.resumeSecurities(c, s); err != nil {
		return err
	}
	if s.flags&savedCall == 0 {
		return nil
	}
	if _, done, rej := c.calls.Add(s.call.Header, s.call.Request); done || rej != nil {
		return errSaved
	}
	c.held = len(s.call.Stub)
	return nil
}

// readSaved reads the file of a connection.
func readSaved(fd int) (f savedFile, s saved, err error) {
	var head [fileHeader]byte
	var st unix.Stat_t
	if fd < 0 || unix.Fstat(fd, &st) != nil {
		return f, s, errSaved
	}
	if n, err := unix.Pread(fd, head[:], 0); err != nil || n != len(head) {
		return f, s, errSaved
	}
	if f, err = parseFile(head[:], st.Size); err != nil {
		return f, s, err
	}
	b := make([]byte, f.n)
	if n, err := unix.Pread(fd, b, int64(f.at)); err != nil || n != len(b) {
		return f, s, errSaved
	}
	s, err = parseSaved(b)
	return f, s, err
}

// resumeHandles makes the handles of a group again; one that cannot be makes
// it a lost one.
func (l *loop) resumeHandles(g *group, s saved) {
	g.lost = s.flags&savedLost != 0
	for _, h := range s.handles {
		value, i, err := l.resumeHandle(h, g)
		if err != nil {
			g.lost = true
			l.causes.Log(l.log, slog.LevelWarn, "resume handle", journal.IDNotKept,
				"a context handle cannot be made again, the connections of its client are closed", journal.Error, err.Error())
			return
		}
		if g.handles == nil {
			g.handles = map[[16]byte]handle{}
		}
		g.handles[h.id] = handle{i, value}
		l.ledger.Force(g.owner, source.Handles, 1)
	}
}

func (l *loop) resumeHandle(h savedHandle, g *group) (value any, i *Interface, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("restore failed: %v", r)
		}
	}()
	for _, i := range l.srv.Interfaces {
		if i.UUID == h.iface.UUID && i.Major == h.iface.Major() && i.Restore != nil {
			value, err = i.Restore(h.state)
			return value, i, err
		}
	}
	return nil, nil, errGone
}
