// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

// TestWarmPathDoesNotAllocate takes a connection from accept to a worker's
// inbox, over and over, with raw system calls on the other side too.
func TestWarmPathDoesNotAllocate(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	fd := dupFD(t, r.tcp.(interface{ File() (*os.File, error) }))
	b, err := New(r.cfg, slog.New(slog.DiscardHandler), []sys.PassedFD{{FD: fd, Name: string(layout.TCP)}})
	must(t, err)
	defer b.status.Close()
	sa, err := unix.Getsockname(fd)
	must(t, err)
	pdu, buf := bindPDU(0), make([]byte, 4096)
	worker := b.status.Worker(0)
	allocs := testing.AllocsPerRun(200, func() {
		c, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err := unix.Connect(c, sa); err != nil {
			t.Fatal(err)
		}
		sys.Send(c, pdu)
		b.loop.Tick()
		for events, _ := b.loop.Wait(b.loop.Now + time.Second); events > 0; events-- {
			b.dispatch(b.loop.Event(0))
		}
		_, nfds, errno := r.received.Recv(r.inboxes[0], buf, 0)
		if errno != 0 || nfds != 1 {
			t.Fatalf("no hand-over: %v", errno)
		}
		r.received.CloseFDs(nfds)
		sys.Close(c)
		worker.Received.Add(1)
		worker.Closed.Add(1)
	})
	if allocs > 0 {
		t.Errorf("%v allocations for a connection", allocs)
	}
}
