// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/tests/tools/check"
)

// doorRig is a Door with one listener, whose connections are kept.
type doorRig struct {
	*Door
	t     *testing.T
	path  string
	taken []int
	limit int // a descriptor from here on is one of the last
}

func newDoor(t *testing.T) *doorRig {
	t.Helper()
	r := &doorRig{t: t, limit: 1 << 20, path: filepath.Join(t.TempDir(), "pipe")}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: r.path})
	}
	if err == nil {
		err = unix.Listen(fd, 100)
	}
	check.OK(t, err)
	l, err := event.New()
	check.OK(t, err)
	r.Door = &Door{Listeners: []Listener{{FD: fd}}, Loop: l, Log: slog.New(slog.DiscardHandler), Causes: new(journal.Limiter)}
	r.Few = func(fd int) bool { return fd >= r.limit }
	r.Take = func(fd, _ int) bool {
		r.taken = append(r.taken, fd)
		return true
	}
	r.MakeRoom = func(keep int) bool {
		if len(r.taken) == 0 || r.taken[0] == keep {
			return false
		}
		sys.Close(r.taken[0])
		r.taken = r.taken[1:]
		return true
	}
	r.Open(event.KindWake + 1)
	t.Cleanup(func() {
		for _, fd := range append(r.taken, fd) {
			unix.Close(fd)
		}
	})
	return r
}

func (r *doorRig) dial() {
	r.t.Helper()
	check.Dial(r.t, "unix", r.path)
}

// turn is one of the loop. It reports whether the listener has an event.
func (r *doorRig) turn() bool {
	r.t.Helper()
	n, err := r.Loop.Wait(0)
	check.OK(r.t, err)
	for i := range n {
		_, _, listener, _ := r.Loop.Event(i)
		r.Accept(listener)
	}
	return n > 0
}

func TestClientsAreTakenInBatches(t *testing.T) {
	r := newDoor(t)
	for range acceptBatch + 1 {
		r.dial()
	}
	for _, want := range []int{acceptBatch, acceptBatch + 1, acceptBatch + 1} {
		if r.turn(); len(r.taken) != want {
			t.Errorf("%d clients are taken, want %d", len(r.taken), want)
		}
	}
}

func TestTheOldestSilentClientMakesRoomForTheNext(t *testing.T) {
	r := newDoor(t)
	r.dial()
	r.turn()
	first := r.taken[0]
	r.limit = first + 1 // the next one is beyond it
	r.dial()
	r.dial()
	if r.turn(); len(r.taken) != 2 || r.taken[0] == first || r.Paused() {
		t.Errorf("%d are there after %d, paused: %v; want that the first made room", r.taken, first, r.Paused())
	}
}

func TestClientsWaitWhileThereIsNoRoom(t *testing.T) {
	r := newDoor(t)
	r.MakeRoom = func(int) bool { return false }
	r.limit = 0
	r.dial()
	r.dial()
	if !r.turn() || len(r.taken) != 1 || !r.Paused() || r.Due() != r.Loop.Now+acceptPause {
		t.Fatalf("%d are taken, paused: %v until %v", len(r.taken), r.Paused(), r.Due())
	}
	if r.turn() {
		t.Error("the listener wakes the loop while the door pauses")
	}
	r.Loop.Now = r.Due()
	if r.Resume() {
		t.Error("the door opens though there is no room")
	}
	r.limit = 1 << 20
	if r.Loop.Now = r.Due() - 1; r.Resume() {
		t.Error("the door opens before the pause is over")
	}
	if r.Loop.Now = r.Due(); !r.Resume() || !r.turn() || len(r.taken) != 2 {
		t.Errorf("%d are taken after the pause", len(r.taken))
	}
	if r.Due() != event.Never {
		t.Error("there is something to do without a pause")
	}
}

func TestADoorThatIsHeldLeavesTheInboxOpen(t *testing.T) {
	r := newDoor(t)
	var p [2]int
	check.OK(t, unix.Pipe2(p[:], unix.O_CLOEXEC))
	inbox := event.Token(event.KindWake+2, 0, 0)
	r.Also(p[0], inbox)
	unix.Write(p[1], []byte("x"))
	events := func() (kinds []int) {
		n, _ := r.Loop.Wait(0)
		for i := range n {
			kind, _, _, _ := r.Loop.Event(i)
			kinds = append(kinds, kind)
		}
		return kinds
	}
	r.dial()
	r.Hold(time.Minute)
	if k := events(); len(k) != 1 || k[0] != event.KindWake+2 {
		t.Errorf("events of kinds %d while the door is held", k)
	}
	r.Loop.Now = r.Due()
	r.Resume()
	if k := events(); len(k) != 2 {
		t.Errorf("events of kinds %d after that", k)
	}
	r.Pause(unix.ENFILE)
	if k := events(); len(k) != 0 {
		t.Errorf("events of kinds %d while descriptors are short", k)
	}
	r.Close(true)
	if r.Due() != event.Never {
		t.Error("a closed door opens again")
	}
}
