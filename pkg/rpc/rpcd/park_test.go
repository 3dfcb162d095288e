// SPDX-License-Identifier: Apache-2.0

package rpcd

// What a loop parks, and what it needs descriptors for.

import (
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/layout"
	"msrpcd/tests/tools/check"
)

// parkedHere is a parked connection of a loop that does not run.
func parkedHere(t *testing.T) (*loop, *conn) {
	t.Helper()
	s, _ := newTestServer()
	l, err := newLoop(s, setting.Values{IndexBits: 16}, slog.New(slog.DiscardHandler))
	must(t, err)
	l.lot = parking.New(func(int, int, int) bool { return true })
	p := check.Pair(t, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	t.Cleanup(func() { unix.Close(p[1]) })
	c := l.add(p[0], l.endpointIndex(endpoint.Endpoint{Transport: layout.Ncalrpc, Name: "TEST"}))
	if errno := l.park(c); errno != 0 || c.kept == nil || l.lot.Len() != 1 {
		t.Fatalf("%v, %d parked", errno, l.lot.Len())
	}
	return l, c
}

// Who authenticates himself after he was parked would else be anonymous after a
// crash.
func TestSecurityContextIsNotKept(t *testing.T) {
	l, c := parkedHere(t)
	c.addSecurity(&security{Context: &toyContext{}})
	c.settle(l)
	if c.kept != nil || l.lot.Len() != 0 {
		t.Error("it is still parked")
	}
}

func TestParkingLeavesDescriptorsToNewcomers(t *testing.T) {
	l, c := parkedHere(t)
	l.unpark(c)
	l.fdLimit = spareFDs + 2
	for _, tt := range []struct {
		open  int
		final bool
		want  unix.Errno
	}{{25, false, unix.EMFILE}, {24, false, unix.EMFILE}, {23, false, 0}, {2, true, unix.EMFILE}, {1, true, 0}} {
		l.open, l.final = tt.open, tt.final
		if errno := l.park(c); errno != tt.want {
			t.Errorf("%d of %d open, final %t: %v, want %v", tt.open, l.fdLimit, tt.final, errno, tt.want)
		}
		l.unpark(c)
	}
	l.open = 1
}

// TestInboxWaitsForDescriptors: what is received without room for its descriptor
// is lost, so that it stays in the inbox.
func TestInboxWaitsForDescriptors(t *testing.T) {
	l, c := parkedHere(t)
	c.close(l) // no connection is left that could make room
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	l.inbox = inbox.New(fd, inbox.Directories{})
	l.door.Also(fd, event.Token(kindInbox, 0, 0))
	l.fdLimit = l.descriptors() + spareFDs
	l.takeInbox() // without a line: it would fail if it read
	if !l.door.Paused() || l.Delete(fd) == 0 {
		t.Error("the inbox is still looked at")
	}
	l.Now = l.door.Due()
	l.fdLimit++
	l.door.Resume()
	if l.door.Paused() || l.Delete(fd) != 0 {
		t.Error("the inbox is not looked at again")
	}
}

func TestNewestStateIsRead(t *testing.T) {
	l, c := parkedHere(t)
	for n := range uint16(100) {
		c.state.contexts = append(c.state.contexts, presentation{id: n, iface: l.srv.Interfaces[0]})
		if n%7 == 0 {
			c.state.contexts = c.state.contexts[:1]
		}
		if !l.save(c) {
			t.Fatal("not saved")
		}
		_, s, err := readSaved(c.kept.fd)
		if err != nil || len(s.contexts) != len(c.state.contexts) {
			t.Fatalf("%d contexts, %v; want %d", len(s.contexts), err, len(c.state.contexts))
		}
	}
	if c.kept.at > 3*maxSaved/1024 {
		t.Errorf("the file grows to %d bytes", c.kept.at)
	}
}
