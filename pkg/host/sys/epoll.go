// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Epoll is an epoll instance whose events carry a 64-bit token of the caller.
type Epoll struct {
	fd     int
	brief  int // how long a sleep is kept from Go's scheduler, in milliseconds
	spin   time.Duration
	hot    bool // the last sleep was shorter than spin
	base   time.Time
	events [128]unix.EpollEvent
}

// brief: a sleep that the scheduler knows of wakes its monitor thread at both
// ends, which for an event loop is a third thread that runs for each event. As
// long as events come in such intervals it is not woken.
const brief = 5

// NewEpoll makes an epoll instance.
func NewEpoll() (*Epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	p := &Epoll{fd: fd, brief: brief}
	if runtime.GOMAXPROCS(0) == 1 {
		p.brief = 0 // other goroutines run only while this one sleeps
	}
	return p, nil
}

// Spin has Wait look for events that long before it sleeps, as long as the last
// sleep would have been shorter: a client that calls again and again, each time
// it has its answer, waits for no wake-up. With a single processor, where
// spinning would keep the client from it, nothing changes.
func (p *Epoll) Spin(limit time.Duration) {
	if runtime.GOMAXPROCS(0) > 1 {
		p.spin, p.base = limit, time.Now()
	}
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
	if p.spin == 0 || msec == 0 {
		return p.sleep(msec)
	}
	start := time.Since(p.base)
	for p.hot {
		n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
			uintptr(len(p.events)), 0, 0, 0)
		if e == 0 && n > 0 {
			return int(n), 0
		}
		p.hot = time.Since(p.base)-start < p.spin
	}
	n, e := p.sleep(msec)
	p.hot = n > 0 && time.Since(p.base)-start < p.spin
	return n, e
}

// sleep is epoll_wait(2).
func (p *Epoll) sleep(msec int) (int, Errno) {
	short := p.brief
	if msec >= 0 && msec < short {
		short = msec
	}
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), uintptr(short), 0, 0)
	if e == 0 && n == 0 && short != msec {
		if msec > 0 {
			msec -= short
		}
		n, _, e = unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
			uintptr(len(p.events)), uintptr(msec), 0, 0)
	}
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
