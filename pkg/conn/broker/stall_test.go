// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

// singleBytes is the bind of framedBind with each byte in a message of its own.
func singleBytes() (b []byte) {
	for _, x := range bindPDU(0) {
		b = append(b, 1, 0, x)
	}
	return b
}

// TestStuckClientOnAUnixSocketIsRead: its pieces fill its buffer long before its
// bind is whole. What was read outlives the broker, and the worker gets all of it
// once.
func TestStuckClientOnAUnixSocketIsRead(t *testing.T) {
	for _, restart := range []bool{false, true} {
		r := newRig(t)
		r.openInbox(2)
		r.start()
		c := r.pipe().(*net.UnixConn)
		c.SetDeadline(time.Now().Add(20 * time.Second))
		c.Write(npaRequest(t))
		if _, err := io.ReadFull(c, make([]byte, 36)); err != nil {
			t.Fatal(err)
		}
		must(t, c.SetWriteBuffer(1)) // the kernel's least: some 6 pieces
		stream := singleBytes()
		for i, x := range stream {
			if restart && i == len(stream)/2 {
				eventually(t, func() bool { return r.broker.status.Broker().Parked.Load() == 1 })
				r.stop()
				r.start()
			}
			if _, err := c.Write([]byte{x}); err != nil {
				t.Fatalf("restart %v: byte %d: %v", restart, i, err)
			}
		}
		m, f := r.take(2)
		got := make([]byte, len(stream)-len(m.Head))
		if _, err := io.ReadFull(f, got); err != nil || string(m.Head)+string(got) != string(stream) || m.FragLength != 72 {
			t.Errorf("restart %v: %x was read, the worker reads %x, %v", restart, m.Head, got, err)
		}
		if len(m.Head) < 100 || string(m.NPA) != string(npaRequest(t)[16:]) {
			t.Errorf("restart %v: %d bytes were read, NPA %x", restart, len(m.Head), m.NPA)
		}
		r.stop()
	}
}

// TestNothingIsReadWithoutNeed: a client of TCP, and one whose pieces come without a pause.
func TestNothingIsReadWithoutNeed(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers = 1
	r.openInbox(0)
	r.openInbox(2)
	r.start()
	c := r.dial()
	c.Write(bindPDU(0)[:40])
	time.Sleep(2 * stallTime)
	c.Write(bindPDU(0)[40:])
	if m, _ := r.take(0); len(m.Head) != 0 {
		t.Errorf("TCP: %d bytes were read", len(m.Head))
	}
	p := r.pipe()
	p.Write(npaRequest(t))
	io.ReadFull(p, make([]byte, 36))
	for _, x := range framedBind() {
		p.Write([]byte{x})
	}
	if m, _ := r.take(2); len(m.Head) != 0 {
		t.Errorf("np: %d bytes were read", len(m.Head))
	}
}

// TestStuckClientThatLeaves is forgotten, with what was read of it.
func TestStuckClientThatLeaves(t *testing.T) {
	r := newRig(t)
	r.start()
	for _, how := range []int{unix.SHUT_WR, unix.SHUT_RDWR} {
		c := r.pipe().(*net.UnixConn)
		c.Write(npaRequest(t))
		io.ReadFull(c, make([]byte, 36))
		c.Write(framedBind()[:20])
		r.pending(1)
		time.Sleep(2 * stallTime)
		raw, err := c.SyscallConn()
		must(t, err)
		raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), how) })
		r.pending(0)
	}
	r.broker.loop.Raise(unix.SIGTERM)
	must(t, <-r.done)
	check.Is(t, "bytes of first PDUs", 0, r.broker.waiting.heads)
	r.done <- nil
}
