// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Epoll is an epoll instance whose events carry a 64-bit token of the caller.
type Epoll struct {
	fd     int
	events [128]unix.EpollEvent
}

// NewEpoll makes an epoll instance.
func NewEpoll() (*Epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	return &Epoll{fd: fd}, nil
}

// Add watches fd for events (unix.EPOLLIN|unix.EPOLLET ...).
func (p *Epoll) Add(fd int, events uint32, token uint64) Errno {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, events, token)
}

// Modify changes what fd is watched for.
func (p *Epoll) Modify(fd int, events uint32, token uint64) Errno {
	return p.ctl(unix.EPOLL_CTL_MOD, fd, events, token)
}

// Delete ends the watch on fd, which close does too unless the open file
// lives on elsewhere.
func (p *Epoll) Delete(fd int) Errno { return p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0) }

func (p *Epoll) ctl(op, fd int, events uint32, token uint64) Errno {
	ev := unix.EpollEvent{Events: events, Fd: int32(token), Pad: int32(token >> 32)}
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&ev)), 0, 0)
	return e
}

// Wait waits up to msec milliseconds (-1: for ever) and returns how many
// events there are, 0 also after a signal.
func (p *Epoll) Wait(msec int) (int, Errno) {
	n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), uintptr(msec), 0, 0)
	if e == unix.EINTR {
		return 0, 0
	}
	if e != 0 {
		return 0, e
	}
	return int(n), 0
}

// Event returns token and events of the i-th event of the last Wait.
func (p *Epoll) Event(i int) (token uint64, events uint32) {
	ev := &p.events[i]
	return uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32, ev.Events
}
