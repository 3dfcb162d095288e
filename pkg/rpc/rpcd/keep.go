// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"crypto/rand"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
)

// This file owns how connections outlive the process: those older than keepAge
// are parked (package parking) with a file of what the next incarnation has to
// know, saved.go. Its rules:
//
//   - What changed is written before the answer that says so to the client.
//   - While a connection is in a call (bytes are read that are not answered),
//     it is marked: in its file, or in the status file while the loop serves
//     it. A process that finds it so after a crash closes it, since it cannot know how
//     far the call came. A graceful stop writes those bytes down instead.
//   - The handles of an association group are in the file of one of its kept
//     connections, the keeper. Its next keeper has them before it goes.
//   - A connection with a security context is kept at a graceful stop only, unless
//     it is the local system's, secured.go.

const (
	keepAge   = time.Second
	keepBatch = 64 // connections parked in one turn of the loop
)

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

func (l *loop) initKeep() {
	l.lot = parking.New(parking.Store(l.manager.Notifier))
	l.lot.Limit = l.env.MaxParked
	l.keeps = l.manager.Connected()
	var seed [8]byte
	rand.Read(seed[:])
	l.lastID = le.Uint64(seed[:])
}

// nextYoung is the connection to be parked next, nil for none.
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
		if y == nil || l.Now < max(y.due, l.keepAt) {
			return
		}
		c := l.conns[y.fd]
		l.young = l.young[1:]
		if c.phase == ending || !c.keepable() {
			continue
		}
		if errno := l.park(c); errno != 0 {
			if errno != unix.EAGAIN {
				l.causes.Log(l.log, slog.LevelWarn, "parking", journal.IDLimit,
					"a connection cannot be parked, it would not outlive a crash: look at LimitNOFILE= and FileDescriptorStoreMax= of this unit", journal.Error, errno.Error())
			}
			l.keepAt = l.Now + keepAge // the manager or the kernel needs time
			l.young = append(l.young, young{c.fd, c.gen, l.keepAt})
			return
		}
	}
}

// descriptors is how many connections and files of kept ones take.
func (l *loop) descriptors() int { return l.open + l.lot.Len() }

// park gives a connection to the lot, which takes another descriptor. As long as
// somebody may come, enough are left for him: to be served is more than to be kept.
func (l *loop) park(c *conn) sys.Errno {
	limit := l.fdLimit / 4 * 3
	if l.final {
		limit = l.fdLimit - spareFDs
	}
	if l.descriptors() >= limit {
		return unix.EMFILE
	}
	g := c.state.group
	if g != nil && g.keeper == nil {
		g.keeper = c
		g.dirty.Store(false)
	}
	var npa []byte
	if l.endpoints[c.endpoint].Transport.Relayed() {
		npa = c.npa
	}
	state := l.encode(c)
	mark := !l.final && !c.rests()
	l.file = appendFile(l.file[:0], mark, c.npaLevel, npa, state)
	e := parking.Entry{ID: c.id, Accepted: c.since, Binding: l.endpoints[c.endpoint].String()}
	slot, errno := l.lot.PutFile(e, c.fd, l.file)
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
	l.lot.Remove(k.slot, c.id)
}

// parkLater takes a connection whose file cannot be written out of the lot,
// for now.
func (l *loop) parkLater(c *conn) {
	l.unpark(c)
	l.young = append(l.young, young{c.fd, c.gen, l.Now + keepAge})
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

// settle writes down what changed, before the client gets its answer.
func (c *conn) settle(l *loop) {
	if c.kept != nil && !c.keepable() { // the client was silent long before its bind
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
