// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
)

// This file owns how the connections of an earlier incarnation come back.

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
			return nil // no connection
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
func (l *Lot) adoptMembers(s *slot, entries []parsed, keep func(slot int, e Entry, fd int, state []byte)) {
	fds := l.msg.FDs
	next := 0
	take := func() int {
		next++
		return int(fds[next-1])
	}
	for _, e := range entries {
		m := member{Entry: e.Entry, fd: take(), memfd: -1, state: bytes.Clone(e.state)}
		if e.Flags&flagFile != 0 {
			m.memfd = take()
		}
		s.inline += len(m.state)
		s.members = append(s.members, m)
	}
	s.fds = next
	l.n += len(entries)
	for _, m := range append([]member(nil), s.members...) {
		keep(len(l.slots)-1, m.Entry, m.fd, m.read())
	}
}

// read is the state of a member, nil when it cannot be read.
func (m *member) read() []byte {
	if m.memfd < 0 {
		return m.state
	}
	state := make([]byte, min(m.StateLen, maxState))
	if n, err := unix.Pread(m.memfd, state, 0); err != nil || n != int(m.StateLen) {
		return nil
	}
	return state
}

// maxState bounds the state that Adopt reads of one connection.
const maxState = 1<<20 + 3<<16
