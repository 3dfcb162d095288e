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

// warmPath is a broker that does nothing but take connections from accept to a
// worker's inbox, with raw system calls on the other side too.
func warmPath(t testing.TB) (connection func()) {
	r := newRig(t)
	r.openInbox(0)
	fd := dupFD(t, r.tcp.(interface{ File() (*os.File, error) }))
	b, err := New(r.cfg, slog.New(slog.DiscardHandler), []sys.PassedFD{{FD: fd, Name: string(layout.TCP)}})
	must(t, err)
	t.Cleanup(func() { b.status.Close() })
	sa, err := unix.Getsockname(fd)
	must(t, err)
	pdu, buf := bindPDU(0), make([]byte, 4096)
	worker := b.status.Worker(0)
	return func() {
		c, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		must(t, unix.Connect(c, sa))
		sys.Send(c, pdu)
		n, _ := b.loop.Wait(b.loop.Now + time.Second)
		b.turn(n)
		_, nfds, errno := r.received.Recv(r.inboxes[0], buf, 0)
		if errno != 0 || nfds != 1 {
			t.Fatalf("no hand-over: %v", errno)
		}
		r.received.CloseFDs(nfds)
		sys.Close(c)
		worker.Received.Add(1)
		worker.Closed.Add(1)
	}
}

func TestWarmPathDoesNotAllocate(t *testing.T) {
	if allocs := testing.AllocsPerRun(200, warmPath(t)); allocs > 0 {
		t.Errorf("%v allocations for a connection", allocs)
	}
}

func BenchmarkConnection(b *testing.B) {
	connection := warmPath(b)
	b.ReportAllocs()
	for b.Loop() {
		connection()
	}
}
