// SPDX-License-Identifier: Apache-2.0

package event

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

// service is a Manager and the socket that it talks to.
type service struct {
	*Manager
	t      *testing.T
	socket int
	status string
}

func newService(t *testing.T) *service {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	check.OK(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	check.OK(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	t.Setenv("NOTIFY_SOCKET", path)
	s := &service{t: t, socket: fd}
	if s.Manager, err = NewManager(func() string { return s.status }); err != nil || os.Getenv("NOTIFY_SOCKET") != "" {
		t.Fatalf("%v; NOTIFY_SOCKET=%s", err, os.Getenv("NOTIFY_SOCKET"))
	}
	return s
}

// told asserts what the manager reads now, "" for nothing.
func (s *service) told(want string) {
	s.t.Helper()
	var b [256]byte
	n, _ := unix.Read(s.socket, b[:])
	check.Is(s.t, "the manager reads", want, string(b[:max(n, 0)]))
}

func TestReadyIsSaidUntilTheManagerTakesIt(t *testing.T) {
	s := newService(t)
	s.status = "waiting"
	s.Tell(time.Hour)
	s.told("") // it is not ready yet
	queued := 0
	for s.Send(nil, "full") == 0 {
		queued++
	}
	now := 2 * time.Hour
	check.OK(t, s.Ready(now))
	check.Is(t, "the next try is at", now+readyRetry, s.Due())
	for range queued {
		s.told("full")
	}
	s.status = "serving"
	s.Tell(now + readyRetry/2)
	s.told("")
	s.Tell(now + readyRetry)
	s.told("READY=1\nSTATUS=serving")
	s.Tell(now + 2*readyRetry)
	s.told("")
}

func TestStatusIsToldASecondAfterAChangeThatStays(t *testing.T) {
	s := newService(t)
	now := time.Hour
	s.status = "1"
	s.Ready(now)
	s.told("READY=1\nSTATUS=1")
	if s.Due() != Never {
		t.Error("the loop is woken though nothing happened")
	}
	s.status = "2"
	now += time.Minute
	s.Tell(now)
	s.Tell(now + statusAfter/2)
	s.told("")
	if s.Due() != now+statusAfter {
		t.Errorf("the change is sent at %v", s.Due())
	}
	s.Tell(now + statusAfter)
	s.told("STATUS=2")
	if s.Due() != Never {
		t.Error("the loop is woken though nothing has changed")
	}
	now += time.Minute
	s.status = "3"
	s.Tell(now)
	s.status = "2"
	s.Tell(now + statusAfter)
	s.told("")
	if s.Due() != Never {
		t.Error("the loop is woken though nothing is to be sent")
	}
	now += time.Minute
	s.status = "4"
	s.Tell(now)
	for queued := s.Send(nil, "full"); queued == 0; queued = s.Send(nil, "full") {
	}
	s.Tell(now + statusAfter)
	for n, _ := unix.Read(s.socket, make([]byte, 256)); n > 0; n, _ = unix.Read(s.socket, make([]byte, 256)) {
	}
	s.Tell(s.Due())
	s.told("STATUS=4")
	s.status = "end"
	s.Stopping()
	s.told("STOPPING=1\nSTATUS=end")
}

func TestAManagerThatCannotBeReachedIsAnError(t *testing.T) {
	s := newService(t)
	unix.Close(s.socket)
	if err := s.Ready(0); err == nil {
		t.Error("no error")
	}
	t.Setenv("NOTIFY_SOCKET", "")
	m, err := NewManager(func() string { return "" })
	if err != nil || m.Ready(0) != nil || m.Connected() {
		t.Errorf("without a manager: %v", err)
	}
}
