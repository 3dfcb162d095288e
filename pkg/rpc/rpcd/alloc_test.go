// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

// openContext signs with zeros and enciphers nothing: what is measured is the loop.
type openContext struct{ toyContext }

func (*openContext) Unprotect(auth.Fragment) error { return nil }
func (*openContext) Protect(auth.Fragment) error   { return nil }

// warm is a connection that is bound, of a loop that does not run, and the other
// end of it. At a level above none its calls are in a security context.
func warm(t testing.TB, level byte) (l *loop, c *conn, fd int) {
	t.Helper()
	s, _ := newTestServer()
	l, err := newLoop(s, setting.Defaults(), slog.New(slog.DiscardHandler))
	must(t, err)
	p := check.Pair(t, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	t.Cleanup(func() { unix.Close(p[1]) })
	c = l.add(p[0], l.endpointIndex(endpoint.Endpoint{Transport: layout.Ncalrpc, Name: "TEST"}))
	cl := &client{t: t, h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian}}
	c.proceed(l, cl.bind(0, presentTest))
	if !c.admitted() {
		t.Fatal("it is not bound")
	}
	if level > dcerpc.LevelNone {
		s := &security{Context: &openContext{toyContext{level: level}}, trailer: dcerpc.Auth{Type: toyService, Level: level, ContextID: 1}, done: true}
		s.caller = c.callerOf(l, s)
		c.addSecurity(s)
	}
	drain(p[1])
	return l, c, p[1]
}

var drained [8192]byte

// drain reads what was answered.
func drain(fd int) (n int) {
	b := &drained
	for {
		got, err := unix.Read(fd, b[:])
		if err != nil || got == 0 {
			return n
		}
		n += got
	}
}

// warmCall is a call of Echo, which answers with its argument.
func warmCall(level byte) []byte {
	h := dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian, CallID: 9}
	pdu := dcerpc.AppendRequest(nil, h, dcerpc.Request{Opnum: opEcho, Stub: []byte("0123456789abcdef")})
	if auth.Protects(level) {
		pdu, _ = dcerpc.AppendAuth(pdu, 0, dcerpc.Auth{Type: toyService, Level: level, ContextID: 1}, 16)
	}
	return pdu
}

var warmLevels = map[string]byte{"none": dcerpc.LevelNone, "connect": dcerpc.LevelConnect, "sign": dcerpc.LevelIntegrity, "seal": dcerpc.LevelPrivacy}

func TestWarmCallsAllocateNothing(t *testing.T) {
	for name, level := range warmLevels {
		t.Run(name, func(t *testing.T) {
			l, c, fd := warm(t, level)
			pdu, n := warmCall(level), 0
			if allocs := testing.AllocsPerRun(200, func() {
				c.proceed(l, l.in[:copy(l.in[:], pdu)])
				n = drain(fd)
			}); allocs > 0 {
				t.Errorf("%v allocations", allocs)
			}
			if n != len(pdu) { // the answer is as long
				t.Errorf("answer of %d bytes, want %d", n, len(pdu))
			}
		})
	}
}

func BenchmarkWarmCall(b *testing.B) {
	for name, level := range warmLevels {
		b.Run(name, func(b *testing.B) {
			l, c, fd := warm(b, level)
			pdu := warmCall(level)
			b.ReportAllocs()
			for b.Loop() {
				c.proceed(l, l.in[:copy(l.in[:], pdu)])
				drain(fd)
			}
		})
	}
}
