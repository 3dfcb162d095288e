// SPDX-License-Identifier: Apache-2.0

// Package parking keeps waiting connections (brokers) and open ones (native
// workers) where no restart and no crash loses them: in kernel queues of SEQPACKET pairs, both ends of which the
// service manager holds in its descriptor store.
//
// A lot has up to MaxSlots pairs, its slots. The queue of a slot has one
// message with all its connections, up to 253 descriptors; whoever comes or
// goes makes a new message, which is sent before the old one is dropped. The
// newest message of a slot is the truth, so that a crash at any point loses and
// doubles nobody. Slots are added as connections come, and each newcomer goes
// to the emptiest one: with few waiting, a message is small; with 10,000 it has
// 160 descriptors.
//
// The owner holds each parked connection too and goes on waiting for it; it
// takes it out before it hands it over or closes it, so that nobody is served
// twice and a peer sees its end.
package parking

import (
	"fmt"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/sys"
)

const (
	// MaxSlots bounds the slots; the store has twice as many descriptors.
	MaxSlots = 64
	// growAt is how many members each slot has before another one is made.
	growAt = 4
)

// Lot is the parking of one service. It belongs to one event loop.
type Lot struct {
	slots []*slot
	n     int
	store func(index, out, in int) bool
	msg   sys.Msg
	buf   []byte
}

// slot is one pair.
type slot struct {
	out, in int // messages are read from out and written to in
	members []member
	fds     int // descriptors of the members
	queued  int // messages in the queue: 1; 0 without members or when it had to be dropped
}

type member struct {
	Entry
	fd, memfd int // the owner's; memfd is the member's, -1 without
}

// New makes an empty lot. store gives both ends of a new slot to the service
// manager, under a name from which Adopt gets the index again; false: not now,
// it is tried again with the next newcomer.
func New(store func(index, out, in int) bool) *Lot { return &Lot{store: store} }

// Len is the number of parked connections.
func (l *Lot) Len() int { return l.n }

// Put adds a connection, with its state (none: no memfd), and returns its slot. An errno
// says why it can not be kept: EAGAIN when nothing can be stored right now or
// the lot is full, ETOOMANYREFS when too many descriptors are in flight.
func (l *Lot) Put(e Entry, fd int, state []byte) (slot int, errno sys.Errno) {
	slot = l.emptiest()
	if slot < 0 {
		return slot, unix.EAGAIN
	}
	s := l.slots[slot]
	m := member{Entry: e, fd: fd, memfd: -1}
	if m.StateLen = uint32(len(state)); len(state) > 0 {
		memfd, err := unix.MemfdCreate("state", unix.MFD_CLOEXEC)
		if err != nil {
			return -1, err.(sys.Errno)
		}
		if n, err := unix.Pwrite(memfd, state, 0); err != nil || n != len(state) {
			unix.Close(memfd)
			return -1, unix.ENOSPC
		}
		m.memfd = memfd
	}
	s.members = append(s.members, m)
	if errno := l.rewrite(s); errno != 0 {
		s.members = s.members[:len(s.members)-1]
		m.close()
		return -1, errno
	}
	l.n++
	return slot, 0
}

func (m *member) descriptors() int {
	if m.memfd >= 0 {
		return 2
	}
	return 1
}

func (m *member) close() {
	if m.memfd >= 0 {
		sys.Close(m.memfd)
	}
}

// emptiest is the slot for a newcomer, -1 when there is none.
func (l *Lot) emptiest() int {
	best := -1
	for i, s := range l.slots {
		if s.fds <= sys.MaxFDs-2 && (best < 0 || s.fds < l.slots[best].fds) {
			best = i
		}
	}
	if (best < 0 || len(l.slots[best].members) >= growAt) && len(l.slots) < MaxSlots && l.grow() {
		return len(l.slots) - 1
	}
	return best
}

// grow makes one more slot.
func (l *Lot) grow() bool {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	if !l.store(len(l.slots), p[0], p[1]) {
		unix.Close(p[0])
		unix.Close(p[1])
		return false
	}
	l.slots = append(l.slots, &slot{out: p[0], in: p[1]})
	return true
}

// rewrite replaces the message of a slot by one with its members of now.
func (l *Lot) rewrite(s *slot) sys.Errno {
	old := s.queued
	if len(s.members) > 0 {
		var all [sys.MaxFDs]int32
		fds := all[:0]
		entries := make([]Entry, len(s.members))
		for i, m := range s.members {
			entries[i] = m.Entry
			fds = append(fds, int32(m.fd))
			if m.memfd >= 0 {
				fds = append(fds, int32(m.memfd))
			}
		}
		l.buf = appendMessage(l.buf[:0], entries)
		if errno := l.msg.Send(s.in, l.buf, fds); errno != 0 {
			return errno
		}
		s.queued++
		s.fds = len(fds)
	} else {
		s.fds = 0
	}
	for range old {
		// Without room for descriptors the kernel closes those of the message.
		var none [1]byte
		sys.Recv(s.out, none[:], 0)
		s.queued--
	}
	return 0
}

// Take removes a connection from its slot and reports whether it was there. The
// owner's own descriptor stays.
func (l *Lot) Take(slot int, id uint64) bool {
	s := l.slots[slot]
	for i, m := range s.members {
		if m.ID != id {
			continue
		}
		last := len(s.members) - 1
		s.members[i] = s.members[last]
		s.members = s.members[:last]
		if errno := l.rewrite(s); errno != 0 {
			// Better nobody of this slot is kept until its next change or Mend
			// than this one is served twice after a crash.
			l.forget(s)
			s.fds -= m.descriptors()
		}
		m.close()
		l.n--
		return true
	}
	return false
}

// File is the memfd of a parked connection's state, -1 without. An owner whose
// state changes may write there at any time, in a way that a reader of half of
// it understands; it stays the Lot's.
func (l *Lot) File(slot int, id uint64) int {
	for _, m := range l.slots[slot].members {
		if m.ID == id {
			return m.memfd
		}
	}
	return -1
}

// forget drops the message of a slot, not its members.
func (l *Lot) forget(s *slot) {
	var none [1]byte
	for range s.queued {
		sys.Recv(s.out, none[:], 0)
	}
	s.queued = 0
}

// Full reports whether there is no room in any slot, and can be none in another.
func (l *Lot) Full() bool {
	for _, s := range l.slots {
		if s.fds <= sys.MaxFDs-2 {
			return false
		}
	}
	return len(l.slots) == MaxSlots
}

// Unkept reports whether there are slots whose message had to be dropped: their
// members would be lost with the owner, until Mend.
func (l *Lot) Unkept() bool {
	for _, s := range l.slots {
		if s.queued == 0 && len(s.members) > 0 {
			return true
		}
	}
	return false
}

// Shed drops the message of the fullest slot, for an owner that can not send
// others as too many descriptors are in flight (ETOOMANYREFS). It reports
// whether there was one.
func (l *Lot) Shed() bool {
	var most *slot
	for _, s := range l.slots {
		if s.queued > 0 && (most == nil || s.fds > most.fds) {
			most = s
		}
	}
	if most != nil {
		l.forget(most)
	}
	return most != nil
}

// Mend sends the messages that Shed and Take dropped, and reports whether all
// could be sent.
func (l *Lot) Mend() bool {
	for _, s := range l.slots {
		if s.queued == 0 && len(s.members) > 0 && l.rewrite(s) != 0 {
			return false
		}
	}
	return true
}

// Adopt takes up a slot of an earlier incarnation, from the two descriptors
// that the store kept, and gives each of its connections to keep, whose own the
// descriptor is from then on. They stay parked. An error says that the
// descriptors are no slot; they are the caller's then.
func (l *Lot) Adopt(out, in int, keep func(slot int, e Entry, fd int, state []byte)) error {
	for _, fd := range []int{out, in} {
		t, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil || t != unix.SOCK_SEQPACKET {
			return fmt.Errorf("stored descriptor %d is not an end of a parking pair", fd)
		}
	}
	s := &slot{out: out, in: in}
	l.slots = append(l.slots, s)
	buf := make([]byte, maxMessage)
	for {
		n, nfds, errno := l.msg.Recv(out, buf, unix.MSG_PEEK)
		if errno != 0 || n == 0 {
			return nil // nobody
		}
		waiting, errno := sys.Available(out)
		if errno == 0 && waiting > n { // a newer message is behind it
			l.msg.CloseFDs(nfds)
			var none [1]byte
			sys.Recv(out, none[:], 0)
			continue
		}
		s.queued = 1
		entries, want, err := parseMessage(buf[:n])
		if err != nil || want != nfds || l.msg.Truncated {
			l.msg.CloseFDs(nfds)
			l.forget(s)
			return nil
		}
		l.adoptMembers(s, entries, keep)
		return nil
	}
}

// adoptMembers makes members of the entries of the message just peeked at.
func (l *Lot) adoptMembers(s *slot, entries []Entry, keep func(slot int, e Entry, fd int, state []byte)) {
	fds := l.msg.FDs
	next := 0
	take := func() int {
		next++
		return int(fds[next-1])
	}
	var states [][]byte
	for _, e := range entries {
		m := member{Entry: e, fd: take(), memfd: -1}
		var state []byte
		if e.StateLen > 0 {
			m.memfd = take()
			state = make([]byte, min(e.StateLen, maxState))
			if n, err := unix.Pread(m.memfd, state, 0); err != nil || n != int(e.StateLen) {
				state = nil
			}
		}
		s.members = append(s.members, m)
		states = append(states, state)
	}
	s.fds = next
	l.n += len(entries)
	for i, m := range append([]member(nil), s.members...) {
		keep(len(l.slots)-1, m.Entry, m.fd, states[i])
	}
}

// maxState bounds the state that Adopt reads of one connection.
const maxState = 1 << 20
