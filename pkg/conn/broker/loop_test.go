// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"msrpcd/pkg/conn/source"
	"msrpcd/tests/vectors"
)

func TestBindIsHandedOverUnread(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	r.openInbox(1)
	r.start()
	for i := range 2 { // the groups are there
		r.broker.status.Worker(i).Groups.Store(1)
	}
	for i, group := range []uint32{0, 0x00010005, 0x00000007} {
		c := r.dial()
		c.Write(bindPDU(group))
		m, f := r.take(i % 2)
		port := r.tcp.Addr().(*net.TCPAddr).Port
		if m.AssocGroup != group || m.FragLength != 72 || string(m.Binding) != fmt.Sprintf("ncacn_ip_tcp:[%d]", port) {
			t.Errorf("hand-over %+v", m)
		}
		got := make([]byte, 72)
		if _, err := io.ReadFull(f, got); err != nil || string(got) != string(bindPDU(group)) {
			t.Errorf("the worker reads %x, %v", got, err)
		}
	}
}

func TestBindInSingleBytes(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	r.start()
	c := r.dial()
	c.(*net.TCPConn).SetNoDelay(true)
	for _, x := range bindPDU(0) {
		c.Write([]byte{x})
	}
	if m, _ := r.take(0); m.FragLength != 72 {
		t.Errorf("frag_length %d", m.FragLength)
	}
}

func TestBadFirstPDU(t *testing.T) {
	mod := func(f func(b []byte)) []byte {
		b := bindPDU(0)
		f(b)
		return b
	}
	tests := []struct {
		name string
		send []byte
		nak  bool
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), true},
		{"version 4", mod(func(b []byte) { b[0] = 4 }), true},
		{"version 4, header alone", mod(func(b []byte) { b[0] = 4 })[:16], true},
		{"unknown ptype", mod(func(b []byte) { b[2] = 99 }), false},
		{"a request first", mod(func(b []byte) { b[2] = 0 }), true},
		{"frag_length shorter than the bind", mod(func(b []byte) { b[8] = 20 }), true},
		{"contexts beyond the PDU", mod(func(b []byte) { b[24] = 9 }), true},
		{"auth beyond the PDU", mod(func(b []byte) { b[10] = 70 }), true},
	}
	r := newRig(t)
	r.openInbox(0)
	r.start()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := r.dial()
			c.Write(tt.send)
			got, err := io.ReadAll(c)
			if err != nil || tt.nak != (len(got) == 24 && got[2] == 13) {
				t.Errorf("answer %x, %v; want a bind_nak: %v", got, err, tt.nak)
			}
		})
	}
	half := r.dial()
	half.Write(bindPDU(0)[:10])
	half.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(half); len(got) != 0 || os.IsTimeout(err) {
		t.Errorf("half a header and the end: answer %x, %v", got, err)
	}
	good := r.dial()
	good.Write(bindPDU(0))
	r.take(0) // nobody else was handed over before
}

func TestWaitingClientsOutliveTheBroker(t *testing.T) {
	r := newRig(t)
	r.openInbox(0)
	r.start()
	silent, half := r.dial(), r.dial()
	half.Write(bindPDU(0)[:30])
	eventually(t, func() bool { return r.broker.status.Broker().Parked.Load() == 2 })
	r.stop()
	r.start()
	silent.Write(bindPDU(0))
	r.take(0)
	half.Write(bindPDU(0)[30:])
	_, f := r.take(0)
	f.Close()
	// No copy of a served connection is left anywhere: its end arrives.
	if _, err := half.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the client does not see that the worker closed: %v", err)
	}
}

// npaRequest is what smbd sent for \pipe\winreg, with NEED_IDLE.
func npaRequest(t testing.TB) []byte {
	t.Helper()
	return vectors.Read(t, "samba/samba-4.22.npa_request.5.rpcd_winreg.bin")
}

func (r *rig) pipe() net.Conn {
	r.t.Helper()
	c, err := net.Dial("unix", r.np.Addr().String())
	must(r.t, err)
	c.SetDeadline(time.Now().Add(5 * time.Second))
	r.t.Cleanup(func() { c.Close() })
	return c
}

// Framed in two messages, as smbd may.
func framedBind() []byte {
	b := bindPDU(0)
	return slices.Concat([]byte{30, 0}, b[:30], []byte{42, 0}, b[30:])
}

func TestNamedPipe(t *testing.T) {
	r := newRig(t)
	r.openInbox(2) // the first spare: the request has NEED_IDLE
	r.start()
	req := npaRequest(t)
	for _, restartAt := range []string{"never", "half a request", "before the bind", "half a bind"} {
		t.Run(restartAt, func(t *testing.T) {
			c := r.pipe()
			restart := func(at string) {
				if at == restartAt {
					eventually(t, func() bool { return r.broker.status.Broker().Parked.Load() == 1 })
					r.stop()
					r.start()
				}
			}
			c.Write(req[:100])
			restart("half a request")
			c.Write(req[100:])
			reply := make([]byte, 36)
			if _, err := io.ReadFull(c, reply); err != nil || string(reply[4:8]) != "NPAM" || reply[32] != 0 {
				t.Fatalf("reply %x, %v", reply, err)
			}
			restart("before the bind")
			c.Write(framedBind()[:50])
			restart("half a bind")
			c.Write(framedBind()[50:])
			m, f := r.take(2)
			if string(m.Binding) != `ncacn_np:[\pipe\winreg]` || m.NPALevel != 8 || string(m.NPA) != string(req[16:]) || m.FragLength != 72 {
				t.Errorf("hand-over %+v", m)
			}
			got := make([]byte, 76-len(m.Head)) // a slow test is read for what it has sent
			if _, err := io.ReadFull(f, got); err != nil || string(m.Head)+string(got) != string(framedBind()) {
				t.Errorf("the worker has %x and reads %x, %v", m.Head, got, err)
			}
			// The spare is idle again.
			w := r.broker.status.Worker(2)
			w.Received.Add(1)
			w.Closed.Add(1)
		})
	}
}

func TestBadNamedPipeRequest(t *testing.T) {
	r := newRig(t)
	r.start()
	level := npaRequest(t)
	level[8], level[12] = 99, 99
	long := npaRequest(t)
	long[0], long[1] = 0, 0xff
	for _, tt := range []struct {
		name   string
		send   []byte
		answer int
	}{
		{"rubbish", []byte("GET / HTTP/1.1\r\n\r\n"), 0},
		{"unknown level", level, 20},
		{"too long", long[:100], 0},
	} {
		c := r.pipe()
		c.Write(tt.send)
		if got, err := io.ReadAll(c); len(got) != tt.answer || os.IsTimeout(err) {
			t.Errorf("%s: answer %x, %v; want %d bytes", tt.name, got, err, tt.answer)
		}
	}
}

func TestInboxThatOpensLater(t *testing.T) {
	r := newRig(t)
	r.start()
	c := r.dial()
	c.Write(bindPDU(0))
	eventually(t, func() bool { return r.broker.status.Broker().Pending.Load() == 1 })
	r.openInbox(1)
	r.take(1)
}

func TestFullInboxLosesNobody(t *testing.T) {
	r := newRig(t)
	r.cfg.Workers, r.cfg.Limits[source.Unbound].Total = 1, 10000
	r.openInbox(0)
	r.start()
	const n = 600
	for range n {
		c := r.dial()
		c.Write(bindPDU(0))
	}
	for range n {
		_, f := r.take(0)
		f.Close()
	}
}

func TestOldestSilentClientMakesRoom(t *testing.T) {
	r := newRig(t)
	r.cfg.Limits[source.Unbound].Total = 3
	r.openInbox(0)
	r.start()
	var silent []net.Conn
	for range 5 {
		silent = append(silent, r.dial())
	}
	if _, err := silent[0].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the oldest silent client reads %v, want EOF", err)
	}
	silent[4].Write(bindPDU(0))
	r.take(0)
}

func TestBindTimeout(t *testing.T) {
	r := newRig(t)
	r.cfg.BindTimeout = 50 * time.Millisecond
	r.start()
	c := r.dial()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the silent client reads %v, want EOF", err)
	}
}

func TestIdleExit(t *testing.T) {
	r := newRig(t)
	r.cfg.Idle = time.Millisecond
	r.start()
	r.dial().Close()
	select {
	case err := <-r.done:
		must(t, err)
		r.done <- nil
	case <-time.After(10 * time.Second):
		t.Error("the broker does not end")
	}
}
