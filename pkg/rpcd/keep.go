// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"crypto/rand"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/dcerpc"
	"msrpcd/pkg/journal"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/parking"
	"msrpcd/pkg/sys"
)

// This file owns how connections outlive the process: those older than keepAge
// are parked (package parking) with a file of what the next incarnation has to
// know, saved.go. Its rules:
//
//   - What changed is written before the answer that tells the client of it.
//   - While a connection is in a call (bytes are read that are not answered),
//     it is marked: in its file, or in the status file while the loop serves
//     it. Whoever finds it so after a crash closes it, since nobody knows how
//     far the call came. A graceful stop writes those bytes down instead.
//   - The handles of an association group are in the file of one of its kept
//     connections, the keeper. Its next keeper has them before it goes.
//   - A connection with a security context is not kept.

const (
	keepAge   = time.Second
	keepBatch = 64 // connections parked in one turn of the loop
)

// Snapshotter is the value of a context handle that can outlive the process.
// Snapshot runs on the loop, perhaps while a blocking operation uses the value.
// The Restore of the interface that made the handle
// gets what it returns, in the next process.
//
// A group with a handle that is no Snapshotter, or fails to be one, is not kept
// at all: its connections end with the process.
type Snapshotter interface{ Snapshot() ([]byte, error) }

// kept is what a parked connection has of its file.
type kept struct {
	slot, fd int // of the lot; the memfd is the lot's
	npa      int // bytes of NPA info
	at, n    int // where the newest state is
	marked   bool
	stale    bool // the state has bytes in it that are served by now
}

// young is a connection that is not old enough yet.
type young struct {
	fd  int
	gen uint32
	due time.Duration
}

// HandleChanged says that the value of a handle is not what it was, so that
// the next incarnation gets it as it is now. NewHandle and DropHandle say so
// by themselves.
func (c *Call) HandleChanged() { c.group.dirty.Store(true) }

func (l *loop) initKeep() {
	l.lot = parking.New(parking.Store(l.notify))
	l.keeps = l.notify.Connected()
	var seed [8]byte
	rand.Read(seed[:])
	l.lastID = le.Uint64(seed[:])
}

// nextYoung is who is to be parked next, nil for nobody.
func (l *loop) nextYoung() *young {
	for len(l.young) > 0 {
		y := &l.young[0]
		if c := l.conns[y.fd]; c != nil && c.gen == y.gen && c.kept == nil {
			return y
		}
		l.young = l.young[1:]
	}
	l.young = nil
	return nil
}

// keepOld parks connections that are old enough.
func (l *loop) keepOld() {
	for range keepBatch {
		y := l.nextYoung()
		if y == nil || l.now < max(y.due, l.keepAt) {
			return
		}
		c := l.conns[y.fd]
		l.young = l.young[1:]
		if c.phase == ending || c.state.security != nil {
			continue
		}
		if errno := l.park(c); errno != 0 {
			if errno != unix.EAGAIN {
				l.causes.Log(l.log, slog.LevelWarn, "parking", journal.IDLimit,
					"a connection can not be parked, it would not outlive a crash: look at LimitNOFILE= and FileDescriptorStoreMax= of this unit", journal.Error, errno.Error())
			}
			l.keepAt = l.now + keepAge // the manager or the kernel needs time
			l.young = append(l.young, young{c.fd, c.gen, l.keepAt})
			return
		}
	}
}

// park gives a connection to the lot.
func (l *loop) park(c *conn) sys.Errno {
	g := c.state.group
	if g != nil && g.keeper == nil {
		g.keeper = c
		g.dirty.Store(false)
	}
	var npa []byte
	if l.endpoints[c.endpoint].Transport == layout.NP {
		npa = c.npa
	}
	state := l.encode(c)
	mark := !l.final && !c.rests()
	l.file = appendFile(l.file[:0], mark, c.npaLevel, npa, state)
	slot, errno := l.lot.Put(parking.Entry{ID: c.id, Binding: l.endpoints[c.endpoint].String()}, c.fd, l.file)
	if cap(l.file) > keepBuffer {
		l.file = nil
	}
	if errno != 0 {
		if g != nil && g.keeper == c {
			g.keeper = nil
			g.dirty.Store(true)
		}
		return errno
	}
	c.kept = &kept{slot: slot, fd: l.lot.File(slot, c.id), npa: len(npa), at: fileHeader + len(npa), n: len(state), marked: mark}
	c.changed = false
	if c.phase == serving {
		c.npa = nil // it is in the file
	}
	if g != nil {
		g.kept++
	}
	return 0
}

// unpark takes a connection out of the lot, and gives the handles of its group
// to another one.
func (l *loop) unpark(c *conn) {
	k := c.kept
	if k == nil {
		return
	}
	c.npa = c.npaInfo()
	c.kept = nil
	if g := c.state.group; g != nil {
		g.kept--
		if g.keeper == c {
			g.keeper = nil
			if len(g.handles) > 0 {
				l.saveGroup(g)
			}
		}
	}
	l.lot.Take(k.slot, c.id)
}

// parkLater takes a connection whose file can not be written out of the lot,
// for now.
func (l *loop) parkLater(c *conn) {
	l.unpark(c)
	l.young = append(l.young, young{c.fd, c.gen, l.now + keepAge})
}

// npaInfo is the NPA info, from memory or from the file.
func (c *conn) npaInfo() []byte {
	if c.npa != nil || c.kept == nil || c.kept.npa == 0 {
		return c.npa
	}
	b := make([]byte, c.kept.npa)
	if n, err := unix.Pread(c.kept.fd, b, fileHeader); err != nil || n != len(b) {
		return nil
	}
	return b
}

// rests reports whether nothing that was read is unanswered.
func (c *conn) rests() bool {
	if c.phase == wantNPA {
		return len(c.npa) == 0
	}
	_, collecting := c.calls.Collecting()
	return c.phase == serving && c.running == 0 && !collecting && len(c.in) == 0 && len(c.out) == 0
}

// mark keeps the mark in the file up to date.
func (c *conn) mark(l *loop) {
	k := c.kept
	mark := !c.rests()
	if k.marked == mark {
		return
	}
	if k.stale && !mark && !l.save(c) {
		return
	}
	if _, err := unix.Pwrite(k.fd, markBytes(mark), markAt); err != nil {
		l.parkLater(c)
		return
	}
	k.marked = mark
}

// settle writes down what changed, before the client is told.
func (c *conn) settle(l *loop) {
	if c.kept != nil && c.state.security != nil { // the client was silent long before its bind
		l.unpark(c)
	}
	if c.kept != nil && c.changed {
		l.save(c)
	}
	if g := c.state.group; g != nil && g.kept > 0 && g.dirty.Load() {
		l.saveGroup(g)
	}
}

// saveGroup writes the handles of a group into the file of its keeper.
func (l *loop) saveGroup(g *group) {
	for g.kept > 0 {
		g.dirty.Store(false)
		for i := 0; g.keeper == nil && i < len(l.conns); i++ {
			if c := l.conns[i]; c != nil && c.kept != nil && c.state.group == g {
				g.keeper = c
			}
		}
		if g.keeper == nil || l.save(g.keeper) {
			return
		}
	}
}

// save writes a connection's state beside the one before, and then makes it
// the newest. A connection that this fails for is not kept.
func (l *loop) save(c *conn) bool {
	k := c.kept
	state := l.encode(c)
	at := fileHeader + k.npa
	if at+len(state) > k.at {
		at = k.at + k.n
	}
	var place [8]byte
	le.PutUint32(place[:], uint32(at))
	le.PutUint32(place[4:], uint32(len(state)))
	if n, err := unix.Pwrite(k.fd, state, int64(at)); err != nil || n != len(state) || len(state) > maxSaved || at+len(state) > 4*maxSaved {
		l.parkLater(c)
		return false
	}
	if n, err := unix.Pwrite(k.fd, place[:], stateAt); err != nil || n != len(place) {
		l.parkLater(c)
		return false
	}
	k.at, k.n, k.stale = at, len(state), false
	c.changed = false
	return true
}

// encode is the state of a connection, valid until the next one. Bytes that it
// holds belong to it only at the end; before, whoever holds some is marked.
func (l *loop) encode(c *conn) []byte {
	s := saved{maxFrag: c.state.maxFrag}
	if c.state.bound {
		s.flags |= savedBound
	}
	if c.calls.Multiplex {
		s.flags |= savedMultiplex
	}
	if c.phase == wantNPA {
		s.flags |= savedWantNPA
	}
	for i := range c.state.contexts {
		x := &c.state.contexts[i]
		s.contexts = append(s.contexts, savedContext{iface: x.iface.id(), id: x.id, ndr64: x.ndr64})
	}
	if l.final {
		s.in, s.out = c.in, c.out
		if call, ok := c.calls.Collecting(); ok {
			s.flags |= savedCall
			s.call = *call
		}
	}
	if g := c.state.group; g != nil && c.state.bound {
		s.group = g.id
		if g.keeper == c {
			l.snapshot(g, &s)
		}
	}
	l.state = s.append(l.state[:0])
	b := l.state
	if cap(b) > keepBuffer {
		l.state = nil
	}
	return b
}

// snapshot puts the handles of a group into s.
func (l *loop) snapshot(g *group, s *saved) {
	l.handles.Lock()
	defer l.handles.Unlock()
	g.generation++
	s.flags |= savedHandles
	s.generation = g.generation
	g.lost = false
	size := 0
	for id, h := range g.handles {
		state, ok := l.snapshotOf(h)
		if size += len(state); !ok || size > maxHandles {
			g.lost = true
			s.flags |= savedLost
			s.handles = nil
			return
		}
		s.handles = append(s.handles, savedHandle{id: id, iface: h.iface.id(), state: state})
	}
}

func (l *loop) snapshotOf(h handle) (state []byte, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			l.causes.Log(l.log, slog.LevelError, "panic snapshot", journal.IDOperationFailed,
				"snapshot of a context handle failed: report this as a bug", journal.Error, r)
			ok = false
		}
	}()
	v, ok := h.value.(Snapshotter)
	if !ok || h.iface.Restore == nil {
		return nil, false
	}
	state, err := v.Snapshot()
	return state, err == nil
}

// shutdown is the end of a graceful stop. What can be kept is parked as it is;
// others are closed, and told that it was no accident (C706 12.6.4.11).
func (l *loop) shutdown() {
	l.final, l.keepUntil = true, time.Now().Add(2*time.Second)
	var keep, end []*conn
	for _, c := range l.conns {
		switch {
		case c == nil:
		case l.keepLast(c):
			keep = append(keep, c)
		default:
			end = append(end, c)
		}
	}
	for _, c := range keep {
		if g := c.state.group; g != nil && g.lost {
			end = append(end, c)
		}
	}
	for _, c := range end {
		c.shut(l)
	}
	for _, c := range keep {
		if c.fd >= 0 && c.kept == nil { // the handles of another one could not be written down
			c.shut(l)
		}
	}
	for _, c := range keep {
		if c.fd >= 0 {
			l.conns[c.fd] = nil
			sys.Close(c.fd)
			l.open--
			l.ended() // the next process, if there is one, counts it as its own
		}
	}
}

// shut closes a connection whose client is to know that the server ends it.
func (c *conn) shut(l *loop) {
	if c.state.bound && len(c.out) == 0 {
		l.out = dcerpc.AppendShutdown(l.out[:0], dcerpc.Header{Drep: dcerpc.LittleEndian})
		c.frame(l, 0)
		c.send(l)
	}
	c.close(l)
}

// keepLast parks a connection with all that it holds.
func (l *loop) keepLast(c *conn) bool {
	if !l.keeps || c.phase == ending || c.running > 0 || c.state.security != nil {
		return false
	}
	c.settle(l)
	if k := c.kept; k != nil && c.phase == serving {
		if c.rests() && !k.stale && !k.marked {
			return true // it is up to date
		}
		if !l.save(c) {
			return false
		}
		if _, err := unix.Pwrite(k.fd, markBytes(false), markAt); err != nil {
			l.unpark(c)
			return false
		}
		return true
	}
	l.unpark(c) // of an auth request more has come
	errno := l.park(c)
	if errno == unix.EAGAIN && l.notify.Wait(time.Until(l.keepUntil)) {
		errno = l.park(c)
	}
	return errno == 0
}
