// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

// TestClientsThatLeaveWhileTheyWaitAreLetGo: no inbox is there, so that all wait
// with a whole bind.
func TestClientsThatLeaveWhileTheyWaitAreLetGo(t *testing.T) {
	more := append(bindPDU(0), "a call"...)
	for _, tt := range []struct {
		name string
		send []byte
		end  func(*net.TCPConn) error
		left bool
	}{
		{"close", bindPDU(0), (*net.TCPConn).Close, true},
		{"close of the sending side", bindPDU(0), (*net.TCPConn).CloseWrite, true},
		{"the same after a call", more, (*net.TCPConn).CloseWrite, false},
		{"reset", bindPDU(0), func(c *net.TCPConn) error { c.SetLinger(0); return c.Close() }, true},
		{"reset after a call", more, func(c *net.TCPConn) error { c.SetLinger(0); return c.Close() }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.start()
			const n = 200
			for range n {
				c := r.dial().(*net.TCPConn)
				c.Write(tt.send)
				must(t, tt.end(c))
			}
			stays := r.dial()
			stays.Write(bindPDU(0))
			want := uint32(1)
			if !tt.left {
				want += n
			}
			line := r.broker.status.Broker()
			eventually(t, func() bool { return line.Accepted.Load() == n+1 && line.Pending.Load() == want })
			if !tt.left {
				time.Sleep(50 * time.Millisecond)
				r.pending(want)
			}
			// One that was reset before the broker looked at its bind did not wait.
			if got := line.Left.Load(); got > uint64(n+1-want) || got < uint64(n+1-want)/2 {
				t.Errorf("%d are counted, want %d", got, n+1-want)
			}
			r.openInbox(0)
			for range want {
				_, f := r.take(0)
				f.Close()
			}
			r.stop()
		})
	}
}

func TestWaitingHalfClosedClientIsLetGoInTheEnd(t *testing.T) {
	r := newRig(t)
	r.cfg.BindTimeout = 100 * time.Millisecond
	r.start()
	c := r.dial().(*net.TCPConn)
	c.Write(append(bindPDU(0), "a call"...))
	must(t, c.CloseWrite())
	io.ReadAll(c) // until its end or a reset
	r.pending(0)
	check.Is(t, "clients that left", 1, r.broker.status.Broker().Left.Load())
}

// TestQueueOfAnInboxForgetsThoseWhoLeft: else it grows for as long as the worker
// does not read.
func TestQueueOfAnInboxForgetsThoseWhoLeft(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers, r.cfg.Spares = 1, 0
	r.openInbox(0)
	r.start()
	line, sent := r.broker.status.Broker(), &r.broker.status.Sent(0).Sent
	const held = 600 // more than the inbox holds
	for range held {
		r.dial().Write(bindPDU(0))
	}
	eventually(t, func() bool {
		return line.Accepted.Load() == held && sent.Load()+uint64(line.Pending.Load()) == held && line.Pending.Load() > 0
	})
	before := line.Pending.Load()
	for range 3000 {
		c := r.dial()
		c.Write(bindPDU(0))
		c.Close()
	}
	eventually(t, func() bool { return line.Left.Load() == 3000 })
	stays := r.dial()
	stays.Write(bindPDU(0))
	r.pending(before + 1)
	for range held + 1 {
		_, f := r.take(0)
		f.Close()
	}
	r.broker.loop.Raise(unix.SIGTERM)
	must(t, <-r.done)
	if n := cap(r.broker.workers.inboxes[0].queue); n > 2*held {
		t.Errorf("the queue has room for %d", n)
	}
	r.done <- nil
}

// TestGroupOfAWorkerThatDoesNotRun gets its bind_nak from the broker, and the
// worker no datagram; unless the worker may have the group after all.
func TestGroupOfAWorkerThatDoesNotRun(t *testing.T) {
	for _, tt := range []struct {
		name string
		line func(*status.WorkerLine, *status.SentLine)
		nak  bool
	}{
		{"never started", func(*status.WorkerLine, *status.SentLine) {}, true},
		{"ended", func(w *status.WorkerLine, s *status.SentLine) {
			w.StartID.Store(7)
			w.Received.Store(9)
			w.Closed.Store(9)
			s.Sent.Store(9)
		}, true},
		{"connections passed on", func(w *status.WorkerLine, _ *status.SentLine) { w.Flags.Store(status.Kept) }, false},
		{"killed with a connection", func(w *status.WorkerLine, s *status.SentLine) { w.Received.Store(1); s.Sent.Store(1) }, false},
		{"killed with a group", func(w *status.WorkerLine, _ *status.SentLine) { w.Groups.Store(1) }, false},
		{"something is on its way", func(_ *status.WorkerLine, s *status.SentLine) { s.Sent.Store(1) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			for i := range 4 {
				r.openInbox(i)
			}
			r.start()
			for i := range 4 {
				tt.line(r.broker.status.Worker(i), r.broker.status.Sent(i))
			}
			for i := range 4 {
				c := r.dial()
				c.Write(bindPDU(uint32(i)<<16 | 5))
				if !tt.nak {
					m, f := r.take(i)
					f.Close()
					if m.AssocGroup != uint32(i)<<16|5 {
						t.Errorf("worker %d: %+v", i, m)
					}
					continue
				}
				b, err := io.ReadAll(c)
				p, _, rej := dcerpc.Parse(b, 0)
				if nak, _ := dcerpc.ParseBindNak(p); err != nil || rej != nil || p.Type != dcerpc.PTypeBindNak || nak.Reason != 0 || p.CallID != 7 {
					t.Errorf("worker %d: answer %x, %v", i, b, err)
				}
				if sent := r.broker.status.Sent(i).Sent.Load(); sent > 9 {
					t.Errorf("worker %d got a datagram", i)
				}
			}
		})
	}
}

// TestGroupOfALivingWorkerIsReached: also right after its start.
func TestGroupOfALivingWorkerIsReached(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	r.openInbox(1)
	r.start()
	f, err := status.Open(layout.StatusFile("test"), true)
	must(t, err)
	defer f.Close()
	must(t, f.LockWorker(1))
	f.Worker(1).StartID.Store(99)
	c := r.dial()
	c.Write(bindPDU(0x00010005))
	r.take(1)
}
