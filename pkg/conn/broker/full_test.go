// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
)

// TestInboxThatAnotherFilledIsTriedAgain: of room that comes because somebody
// else's messages were read, epoll does not tell.
func TestInboxThatAnotherFilledIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers = 1
	r.openInbox(0)
	other, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	defer unix.Close(other)
	to, n := &unix.SockaddrUnix{Name: layout.Inbox("test", 0)}, 0
	for ; err == nil; n++ {
		err = unix.Sendto(other, []byte("x"), 0, to)
	}
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	r.start()
	c := r.dial()
	defer c.Close()
	c.Write(bindPDU(0))
	eventually(t, func() bool { return r.broker.status.Broker().Pending.Load() == 1 })
	for range n - 1 {
		if _, _, err := unix.Recvfrom(r.inboxes[0], make([]byte, 8), 0); err != nil {
			t.Fatal(err)
		}
	}
	_, f := r.take(0)
	f.Close()
}

// TestInboxMadeAnewIsFound: whoever removed the node and made another one.
func TestInboxMadeAnewIsFound(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers = 1
	r.openInbox(0)
	r.start()
	for range 2 {
		c := r.dial()
		c.Write(bindPDU(0))
		_, f := r.take(0)
		f.Close()
		c.Close()
		must(t, unix.Unlink(layout.Inbox("test", 0)))
		r.openInbox(0)
	}
}

// TestTheLoopSleepsWhileAnotherFillsAnInbox: each try frees memory of the socket,
// which epoll tells like a worker that reads.
func TestTheLoopSleepsWhileAnotherFillsAnInbox(t *testing.T) {
	m := newModel(t, nil)
	m.openInbox(0)
	m.fill(0)
	m.b.status.Worker(0).Groups.Store(1)
	for range 3 {
		m.connect(false)
		m.peers[len(m.peers)-1].send(1 << 20)
		m.rest()
	}
	if n := m.b.waiting.deciding(); n == 0 {
		t.Fatal("nothing waits for the inbox")
	}
	m.read(0)
	m.pass(inboxRetry)
	m.turn()
	m.read(0)
	for _, p := range m.peers {
		if !p.handed {
			t.Errorf("client %s is not handed over when there is room", p.name)
		}
	}
}
