// SPDX-License-Identifier: Apache-2.0

package event

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

func newLoop(t *testing.T) *Loop {
	t.Helper()
	l, err := New()
	check.OK(t, err)
	return l
}

// wait asserts that the loop is woken, and for nothing else.
func (l *Loop) woken(t *testing.T) {
	t.Helper()
	n, err := 0, error(nil)
	for limit := l.Now + 10*time.Second; n == 0 && err == nil && l.Now < limit; { // a signal ends a sleep, too
		n, err = l.Wait(limit)
	}
	if err != nil || n != 1 {
		t.Fatalf("%d events, %v; want the wake-up", n, err)
	}
	if kind, _, _, _ := l.Event(0); kind != KindWake {
		t.Fatalf("an event of kind %d", kind)
	}
}

func TestASignalWakesTheLoopOnce(t *testing.T) {
	l := newLoop(t)
	l.Catch(unix.SIGUSR1)
	unix.Kill(os.Getpid(), unix.SIGUSR1)
	l.woken(t)
	if l.Caught(unix.SIGUSR2) || !l.Caught(unix.SIGUSR2, unix.SIGUSR1) || l.Caught(unix.SIGUSR1) {
		t.Error("SIGUSR1 is not caught exactly once")
	}
	if n, err := l.Wait(l.Now); n != 0 || err != nil {
		t.Errorf("%d events are left, %v", n, err)
	}
	go l.Wake()
	l.woken(t)
}

func TestTheLoopSleepsUntilSomethingIsDue(t *testing.T) {
	l := newLoop(t)
	for _, due := range []time.Duration{0, l.Now - time.Hour, l.Now + 20*time.Millisecond} {
		slept := time.Duration(0)
		for ok := true; ok; ok = l.Now < due { // a signal ends a sleep, too
			before := l.Tick()
			if n, err := l.Wait(due); n != 0 || err != nil {
				t.Errorf("%d events, %v", n, err)
			}
			slept += l.Now - before
		}
		if due > l.Now-time.Second && slept < 10*time.Millisecond || slept > 10*time.Second {
			t.Errorf("slept for %v until %v; due was %v", slept, l.Now, due)
		}
	}
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	if d := time.Duration(ts.Nano()) - l.Tick(); d > time.Minute || d < -time.Minute {
		t.Errorf("the clock differs from CLOCK_MONOTONIC by %v", d)
	}
}

func TestATokenNamesWhatItWasMadeOf(t *testing.T) {
	l := newLoop(t)
	var p [2]int
	check.OK(t, unix.Pipe2(p[:], unix.O_CLOEXEC))
	check.OK(t, l.Watch(p[1], unix.EPOLLOUT, Token(15, 1<<28|7, 1<<31-1)))
	l.Wait(Never)
	if kind, gen, index, events := l.Event(0); kind != 15 || gen != 7 || index != 1<<31-1 || events != unix.EPOLLOUT {
		t.Errorf("kind %d, generation %d, index %d, events %x", kind, gen, index, events)
	}
	if l.Watch(-1, unix.EPOLLIN, 0) == nil {
		t.Error("a descriptor that is none is watched")
	}
}

func TestATurnDoesNotAllocate(t *testing.T) {
	l := newLoop(t)
	m := &Manager{began: true, ready: true, last: Never - time.Hour, text: func() string { return "" }}
	allocs := testing.AllocsPerRun(100, func() {
		l.Raise(unix.SIGTERM)
		l.Wait(min(Never, m.Due()))
		l.Event(0)
		if !l.Caught(unix.SIGTERM, unix.SIGINT) {
			t.Error("no signal")
		}
		m.Tell(l.Now)
	})
	check.Is(t, "allocations", 0, allocs)
}
