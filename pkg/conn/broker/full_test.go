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
