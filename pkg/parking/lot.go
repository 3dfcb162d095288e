// SPDX-License-Identifier: Apache-2.0

// Package parking keeps waiting connections where no restart and no crash
// loses them: in the kernel queue of a SEQPACKET pair, both ends of which the
// service manager holds in its descriptor store.
//
// A connection that is in the lot is also held by its owner, who goes on
// waiting for it; it is taken out before it is handed over or closed, so that
// nobody is served twice and a peer sees its end. While the order of the queue
// is turned around, an entry is there twice for a moment, never not at all;
// Restore drops the second one.
package parking

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/sys"
)

// Lot is the parking of one service. It belongs to one event loop.
type Lot struct {
	out, in int // entries are read from out and written to in
	n       int // entries in the queue
	msg     sys.Msg
	buf     [maxMessage]byte
}

// New makes an empty lot.
func New() (*Lot, error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make parking pair: %w", err)
	}
	return adopt(p[0], p[1]), nil
}

// Adopt takes the two ends that the descriptor store kept. An error says that
// they are not ends of a SEQPACKET socket.
func Adopt(out, in int) (*Lot, error) {
	for _, fd := range []int{out, in} {
		t, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil || t != unix.SOCK_SEQPACKET {
			return nil, fmt.Errorf("stored descriptor %d is not an end of a parking pair", fd)
		}
	}
	return adopt(out, in), nil
}

func adopt(out, in int) *Lot {
	// The kernel cuts this to net.core.wmem_max; each entry takes about 1 KiB of it.
	unix.SetsockoptInt(in, unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<20)
	return &Lot{out: out, in: in}
}

// Ends returns the descriptors to store: the one read from, the one written to.
func (l *Lot) Ends() (out, in int) { return l.out, l.in }

// Len is the number of entries.
func (l *Lot) Len() int { return l.n }

// Put adds an entry with its connection, and memfd when e.Flags says so.
// EAGAIN: the lot is full; ETOOMANYREFS: too many descriptors are in flight.
func (l *Lot) Put(e *Entry, fd, memfd int) sys.Errno {
	fds := [2]int32{int32(fd), int32(memfd)}
	n := 1
	if e.Flags&FlagMemfd != 0 {
		n = 2
	}
	errno := l.msg.Send(l.in, e.Append(l.buf[:0]), fds[:n])
	if errno == 0 {
		l.n++
	}
	return errno
}

// Take removes the entry of a connection and reports whether it was there. The
// owner's own descriptor stays.
func (l *Lot) Take(id uint64) bool {
	for range l.n {
		var e Entry
		n, nfds, errno := l.msg.Recv(l.out, l.buf[:], unix.MSG_PEEK)
		if errno != 0 {
			l.n = 0
			return false
		}
		if e.Parse(l.buf[:n]) == nil && e.ID == id {
			l.msg.CloseFDs(nfds)
			l.drop()
			l.n--
			return true
		}
		l.rotate(n, nfds)
		l.msg.CloseFDs(nfds)
	}
	return false
}

// drop removes the message at the head.
func (l *Lot) drop() {
	_, nfds, _ := l.msg.Recv(l.out, l.buf[:], 0)
	l.msg.CloseFDs(nfds)
}

// rotate moves the message at the head, whose n bytes and descriptors were just
// peeked, to the end. The peeked descriptors stay the caller's. It reports
// whether the message is still there.
func (l *Lot) rotate(n, nfds int) bool {
	fds := l.msg.FDs // what is received next would overwrite them
	kept := l.msg.Send(l.in, l.buf[:n], fds[:nfds]) == 0
	l.drop()
	if !kept { // it was full; now there is room
		kept = l.msg.Send(l.in, l.buf[:n], fds[:nfds]) == 0
	}
	l.msg.FDs = fds
	return kept
}

// Restore goes once through a lot of an earlier incarnation. keep is given each
// entry and its descriptors (memfd is -1 without one), which are its own from
// then on; they stay in the lot too. keep is called once for each id; what is
// no entry is dropped.
func (l *Lot) Restore(keep func(e *Entry, fd, memfd int)) error {
	var nonce [8]byte
	rand.Read(nonce[:])
	marker := Entry{Accepted: int64(binary.LittleEndian.Uint64(nonce[:]))}
	errno := l.msg.Send(l.in, marker.Append(l.buf[:0]), nil)
	var first []byte // taken out to make room for the marker
	var firstFDs []int32
	if errno == unix.EAGAIN {
		n, nfds, e := l.msg.Recv(l.out, l.buf[:], 0)
		if e != 0 {
			return fmt.Errorf("read from parking: %w", e)
		}
		first = append(first, l.buf[:n]...)
		firstFDs = append(firstFDs, l.msg.FDs[:nfds]...)
		errno = l.msg.Send(l.in, marker.Append(l.buf[:0]), nil)
	}
	if errno != 0 {
		return fmt.Errorf("write to parking: %w", errno)
	}
	l.n = 0
	seen := map[uint64]bool{}
	for {
		n, nfds, errno := l.msg.Recv(l.out, l.buf[:], unix.MSG_PEEK)
		if errno != 0 {
			return fmt.Errorf("read from parking: %w", errno)
		}
		var e Entry
		if e.Parse(l.buf[:n]) == nil && e.ID == 0 && e.Accepted == marker.Accepted && nfds == 0 {
			l.drop()
			break
		}
		l.restoreOne(n, nfds, seen, keep)
	}
	if first != nil {
		if l.msg.Send(l.in, first, firstFDs) == 0 {
			l.n++
		}
		var e Entry
		n, nfds := copy(l.buf[:], first), copy(l.msg.FDs[:], firstFDs)
		if fd, memfd, ok := l.descriptors(&e, n, nfds); ok && !seen[e.ID] {
			keep(&e, fd, memfd)
		}
	}
	return nil
}

// restoreOne handles the entry at the head, which was just peeked.
func (l *Lot) restoreOne(n, nfds int, seen map[uint64]bool, keep func(e *Entry, fd, memfd int)) {
	var e Entry
	fd, memfd, ok := l.descriptors(&e, n, nfds)
	if !ok || seen[e.ID] {
		if ok {
			closeBoth(fd, memfd)
		}
		l.drop()
		return
	}
	seen[e.ID] = true
	if l.rotate(n, nfds) {
		l.n++
	}
	e.Parse(l.buf[:n])
	keep(&e, fd, memfd)
}

// descriptors decodes the n bytes of the message just received and takes its
// descriptors; when it is no entry, they are closed.
func (l *Lot) descriptors(e *Entry, n, nfds int) (fd, memfd int, ok bool) {
	want := 1
	err := e.Parse(l.buf[:n])
	if err == nil && e.Flags&FlagMemfd != 0 {
		want = 2
	}
	if err != nil || e.ID == 0 || nfds != want || l.msg.Truncated {
		l.msg.CloseFDs(nfds)
		return -1, -1, false
	}
	memfd = -1
	if want == 2 {
		memfd = int(l.msg.FDs[1])
	}
	return int(l.msg.FDs[0]), memfd, true
}

func closeBoth(fd, memfd int) {
	sys.Close(fd)
	if memfd >= 0 {
		sys.Close(memfd)
	}
}
