// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
)

const (
	// MaxSlots bounds the slots.
	MaxSlots = 128
	// MaxStored is how many descriptors a service stores at most: both ends of
	// the slots, and some that the manager has not dropped yet.
	MaxStored = 2*MaxSlots + 32
	// growAt is how many members each slot has before another one is made.
	growAt = 2
)

// Lot is the parking of one service. It belongs to one event loop.
type Lot struct {
	Limit int // connections beyond it are not put in, 0: as many as fit
	slots []*slot
	n     int
	store func(index, out, in int) bool
	msg   sys.Msg
	buf   []byte
}

// New makes an empty lot. store gives both ends of a new slot to the service
// manager, under a name from which Adopt gets the index again; false: not now,
// it is tried again with the next newcomer.
func New(store func(index, out, in int) bool) *Lot { return &Lot{store: store} }

// Len is the number of parked connections.
func (l *Lot) Len() int { return l.n }

// Ready makes the first slot, so that the manager has it before anybody comes.
// It reports whether there is one.
func (l *Lot) Ready() bool { return len(l.slots) > 0 || l.grow() }

// Put adds a connection with its state and returns its slot. Neither the state
// nor the binding may change until Remove. An errno says why it cannot be kept:
// EAGAIN when nothing can be stored right now or the lot is full, ETOOMANYREFS
// when too many descriptors are in flight.
func (l *Lot) Put(e Entry, fd int, state []byte) (slot int, errno sys.Errno) {
	return l.put(e, fd, state, false)
}

// PutFile is Put with the state in a memfd, see File.
func (l *Lot) PutFile(e Entry, fd int, state []byte) (slot int, errno sys.Errno) {
	return l.put(e, fd, state, true)
}

func (l *Lot) put(e Entry, fd int, state []byte, file bool) (slot int, errno sys.Errno) {
	if len(e.Binding) > maxBinding {
		return -1, unix.EINVAL
	}
	if l.limited() {
		return -1, unix.EAGAIN
	}
	slot = l.emptiest()
	if slot < 0 {
		return slot, unix.EAGAIN
	}
	s := l.slots[slot]
	m := member{Entry: e, fd: fd, memfd: -1, state: state}
	m.StateLen = uint32(len(state))
	m.Flags &^= flagFile
	if file || s.inline+len(state) > maxInline {
		if m.memfd, errno = memfdOf(state); errno != 0 {
			return -1, errno
		}
		m.state = nil
		m.Flags |= flagFile
	}
	s.add(m)
	if errno := l.rewrite(s); errno != 0 {
		s.remove(len(s.members) - 1)
		m.close()
		return -1, errno
	}
	l.n++
	return slot, 0
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
		l.buf = appendHeader(l.buf[:0], len(s.members))
		for i := range s.members {
			m := &s.members[i]
			l.buf = appendEntry(l.buf, &m.Entry, m.state)
			fds = append(fds, int32(m.fd))
			if m.memfd >= 0 {
				fds = append(fds, int32(m.memfd))
			}
		}
		if errno := l.msg.Send(s.in, l.buf, fds); errno != 0 {
			return errno
		}
		s.queued++
	}
	for range old {
		s.drop()
	}
	return 0
}

// Remove takes a connection from its slot and reports whether it was there. The
// owner's own descriptor stays.
func (l *Lot) Remove(slot int, id uint64) bool {
	s := l.slots[slot]
	for i := range s.members {
		if s.members[i].ID != id {
			continue
		}
		m := s.members[i]
		s.remove(i)
		if l.rewrite(s) != 0 {
			// Better none of this slot is kept until its next change or Mend
			// than this one is served twice after a crash.
			l.forget(s)
		}
		m.close()
		l.n--
		return true
	}
	return false
}

// File is the memfd of the state of a connection that PutFile added. An owner
// whose state changes may write there at any time, in a way that a reader of
// half of it understands; it stays the Lot's.
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
	for s.queued > 0 {
		s.drop()
	}
}

func (l *Lot) limited() bool { return l.Limit > 0 && l.n >= l.Limit }

// Full reports whether there is no room in any slot, and can be none in another,
// or the limit is reached.
func (l *Lot) Full() bool {
	if l.limited() {
		return true
	}
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

// Shed drops the message of the fullest slot, for an owner that cannot send
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

// Mend sends the messages that Shed and Remove dropped, and reports whether all
// could be sent.
func (l *Lot) Mend() bool {
	for _, s := range l.slots {
		if s.queued == 0 && len(s.members) > 0 && l.rewrite(s) != 0 {
			return false
		}
	}
	return true
}
