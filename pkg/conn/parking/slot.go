// SPDX-License-Identifier: Apache-2.0

package parking

// A slot: one pair of sockets, the members that its newest message holds, and
// their memfds.

import (
	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
)

// slot is one pair.
type slot struct {
	out, in int // messages are read from out and written to in
	members []member
	fds     int // descriptors of the members
	inline  int // bytes of their states in the message
	queued  int // messages in the queue: 1; 0 without members or when it had to be dropped
}

type member struct {
	Entry
	fd, memfd int    // the owner's; memfd is the member's, -1 without
	state     []byte // the owner's too, without memfd
}

// memfdOf makes a memfd that holds state.
func memfdOf(state []byte) (int, sys.Errno) {
	fd, err := unix.MemfdCreate("state", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err.(sys.Errno)
	}
	if n, err := unix.Pwrite(fd, state, 0); err != nil || n != len(state) {
		unix.Close(fd)
		return -1, unix.ENOSPC
	}
	return fd, 0
}

func (s *slot) add(m member) {
	s.members = append(s.members, m)
	s.fds += m.descriptors()
	s.inline += len(m.state)
}

// remove takes the i-th member out of the list, not out of the queue.
func (s *slot) remove(i int) {
	m := s.members[i]
	s.fds -= m.descriptors()
	s.inline -= len(m.state)
	last := len(s.members) - 1
	s.members[i] = s.members[last]
	s.members[last] = member{}
	s.members = s.members[:last]
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

// drop takes the oldest message out of the queue. Without room for descriptors
// the kernel closes those of the message.
func (s *slot) drop() {
	var none [1]byte
	sys.Recv(s.out, none[:], 0)
	s.queued--
}
