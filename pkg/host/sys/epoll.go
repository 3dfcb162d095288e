// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Epoll is an epoll instance whose events carry a 64-bit token of the caller.
//
// Go's monitor thread looks after each goroutine that it thinks may be stuck in a
// system call: every 20 µs at first, for milliseconds, and for an event loop that
// is woken now and then this takes more time than all else. So Wait sleeps as
// goroutines do that wait for the network, in Go's own epoll instance, which has
// this one in it, and the monitor thread sleeps too. Only while events come in
// short intervals it sleeps in the kernel at once.
type Epoll struct {
	fd     int
	conn   syscall.RawConn    // of fd, for Go's poller
	look   func(uintptr) bool // looks for events
	n      int                // events it found
	errno  Errno
	timer  int           // timerfd, ends a sleep; edge-triggered, so it is never read
	armed  time.Duration // when it ends, 0: it is off
	timed  bool          // the goroutine sleeps no longer than until then
	brief  bool          // short sleeps may be kept from Go's scheduler
	busy   bool          // the last sleep was shorter than briefTime
	spin   time.Duration
	hot    bool // the last sleep was shorter than spin
	base   time.Time
	events [128]unix.EpollEvent
}

const (
	briefTime  = time.Millisecond
	timerToken = ^uint64(0)
)

// files are those of all instances, none of which is closed before the process ends.
var files sync.Map

// NewEpoll makes an epoll instance.
func NewEpoll() (*Epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	p := &Epoll{fd: fd, base: time.Now()}
	p.brief = runtime.GOMAXPROCS(0) > 1 // else other goroutines run only while this one sleeps
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	files.Store(file, nil)
	if p.conn, err = file.SyscallConn(); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p.look = func(uintptr) bool {
		p.n, p.errno = p.wait(0)
		return p.n > 0 || p.errno != 0 || p.armed == 0 && p.timed
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	if errno := p.Add(p.timer, unix.EPOLLIN|unix.EPOLLET, timerToken); errno != 0 {
		return nil, fmt.Errorf("watch timerfd: %w", errno)
	}
	return p, nil
}

// Spin has Wait look for events that long before it sleeps, as long as the last
// sleep would have been shorter: a client that calls again and again, each time
// it has its answer, waits for no wake-up. With a single processor, where
// spinning would keep the client from it, nothing changes.
func (p *Epoll) Spin(limit time.Duration) {
	if runtime.GOMAXPROCS(0) > 1 {
		p.spin = limit
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
// events there are. It may return 0 before that.
func (p *Epoll) Wait(msec int) (n int, errno Errno) {
	if msec == 0 {
		return p.wait(0)
	}
	start := time.Since(p.base)
	for p.hot {
		if n, errno = p.wait(0); n > 0 || errno != 0 {
			return n, errno
		}
		p.hot = time.Since(p.base)-start < p.spin
	}
	if p.busy {
		n, errno = p.wait(1)
	}
	if n == 0 && errno == 0 {
		n, errno = p.sleep(start, msec)
	}
	slept := time.Since(p.base) - start
	p.hot, p.busy = n > 0 && slept < p.spin, p.brief && n > 0 && slept < briefTime
	return n, errno
}

// sleep lets the goroutine sleep until there are events or it is time. The timer
// is left alone where it ends before that: an early end costs less than setting it
// for each sleep.
func (p *Epoll) sleep(now time.Duration, msec int) (int, Errno) {
	if end := now + time.Duration(msec)*time.Millisecond; msec > 0 && (p.armed == 0 || end < p.armed) {
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(end - now))}
		if _, _, e := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(p.timer), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0); e != 0 {
			return 0, e
		}
		p.armed = end
	}
	p.timed = msec > 0
	if err := p.conn.Read(p.look); err != nil {
		return 0, unix.EBADF
	}
	return p.n, p.errno
}

// wait is epoll_wait(2), up to msec milliseconds, unknown to Go's scheduler.
func (p *Epoll) wait(msec int) (int, Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
		uintptr(len(p.events)), uintptr(msec), 0, 0)
	if e == unix.EINTR {
		return 0, 0
	}
	if e != 0 {
		return 0, e
	}
	for i := range int(n) {
		if token, _ := p.Event(i); token == timerToken {
			n--
			p.events[i], p.armed = p.events[n], 0
			break
		}
	}
	return int(n), 0
}

// Event returns token and events of the i-th event of the last Wait.
func (p *Epoll) Event(i int) (token uint64, events uint32) {
	ev := &p.events[i]
	return uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32, ev.Events
}
