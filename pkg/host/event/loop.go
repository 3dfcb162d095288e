// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"
	"math"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
)

// Never is later than any time.
const Never = time.Duration(math.MaxInt64)

// Loop waits for events. Times are those of CLOCK_MONOTONIC, which is the same
// for each process on the host until it boots again.
type Loop struct {
	*sys.Epoll
	Now time.Duration // when Wait returned last

	base    time.Time // the clock of Go, which costs no system call ...
	offset  time.Duration
	wake    int           // eventfd; edge-triggered, so it is never read
	signals atomic.Uint64 // those that came, a bit each
}

// KindWake is the kind of the event that Wake and signals cause.
const KindWake = 0

// New makes a loop. Signals are not caught yet.
func New() (*Loop, error) {
	l := &Loop{base: time.Now()}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	l.offset = time.Duration(ts.Nano())
	l.Tick()
	var err error
	if l.Epoll, err = sys.NewEpoll(); err != nil {
		return nil, err
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return l, l.Watch(l.wake, unix.EPOLLIN|unix.EPOLLET, Token(KindWake, 0, 0))
}

// Watch is Add, and its failure is an error.
func (l *Loop) Watch(fd int, events uint32, token uint64) error {
	if errno := l.Add(fd, events, token); errno != 0 {
		return fmt.Errorf("watch descriptor %d: %w", fd, errno)
	}
	return nil
}

// Tick reads the clock.
func (l *Loop) Tick() time.Duration {
	l.Now = l.offset + time.Since(l.base)
	return l.Now
}

// Advance lets the clock go ahead by d, for tests.
func (l *Loop) Advance(d time.Duration) { l.offset += d }

// Wait waits for events until due at the latest, and returns how many there are.
func (l *Loop) Wait(due time.Duration) (int, error) {
	before, msec := l.Tick(), -1
	if due != Never {
		msec = int(min(max(0, (due-before+time.Millisecond-1)/time.Millisecond), math.MaxInt32))
	}
	n, errno := l.Epoll.Wait(msec)
	l.Tick()
	if errno != 0 {
		return 0, fmt.Errorf("epoll_wait: %w", errno)
	}
	return n, nil
}

// once is what is written to an eventfd: one more. It is not on the stack, since the
// race detector has a written slice escape.
var once = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// Wake has Wait return with an event of KindWake; from any goroutine.
func (l *Loop) Wake() { unix.Write(l.wake, once) }

// Catch has the loop woken by these signals.
func (l *Loop) Catch(signals ...os.Signal) {
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, signals...)
	go func() {
		for s := range ch {
			l.Raise(s.(unix.Signal))
		}
	}()
}

// Raise does what the arrival of a signal does; from any goroutine.
func (l *Loop) Raise(s unix.Signal) {
	l.signals.Or(1 << s)
	l.Wake()
}

// Caught reports whether one of these signals came since it was asked last.
func (l *Loop) Caught(signals ...unix.Signal) bool {
	mask := uint64(0)
	for _, s := range signals {
		mask |= 1 << s
	}
	return l.signals.And(^mask)&mask != 0
}

// Token names what an event is of: a kind above KindWake, up to 15, an index, and
// a generation that distinguishes a descriptor from an earlier one of the same number.
func Token(kind int, gen uint32, index int) uint64 {
	return uint64(kind)<<60 | uint64(gen&GenMask)<<32 | uint64(uint32(index))
}

// GenMask has the bits of a generation that a token has room for.
const GenMask = 1<<28 - 1

// Event takes apart the token of the i-th event of the last Wait.
func (l *Loop) Event(i int) (kind int, gen uint32, index int, events uint32) {
	t, events := l.Epoll.Event(i)
	return int(t >> 60), uint32(t>>32) & GenMask, int(uint32(t)), events
}
