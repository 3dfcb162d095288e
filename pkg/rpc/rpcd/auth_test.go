// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

var toyInterface = &Interface{
	UUID: uuid.MustParse("11111111-2222-3333-4444-555555555555"), Major: 1, Name: "toy",
	Bindings: []binding.Binding{{Protseq: binding.TCP}},
	Ops: []Op{{Name: "Echo", Run: func(c *Call) dcerpc.Status {
		text := c.In.Octets(c.In.Left())
		c.Out.Octets(text)
		c.Out.Octets(fmt.Appendf(nil, " from %v", c.Caller()))
		return 0
	}}},
}

// serveToy serves one end of a connection and returns the other.
func serveToy(t *testing.T, mechanisms ...auth.Mechanism) net.Conn {
	t.Helper()
	p := check.Pair(t, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	s := &Server{Name: "toy", Interfaces: []*Interface{toyInterface}, Auth: mechanisms}
	l, err := newLoop(s, setting.Values{IndexBits: 16}, slog.New(slog.DiscardHandler))
	must(t, err)
	l.endpoints = []endpoint.Endpoint{{Transport: layout.TCP, Name: "49152"}}
	l.add(p[0], 0).watch(l)
	done := make(chan error, 1)
	go func() { done <- l.run() }()
	f := os.NewFile(uintptr(p[1]), "client")
	c, err := net.FileConn(f)
	f.Close()
	must(t, err)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() {
		c.Close()
		l.Raise(unix.SIGTERM)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

// exchange sends a PDU and reads one.
func exchange(t *testing.T, c net.Conn, pdu []byte) dcerpc.PDU {
	t.Helper()
	if _, err := c.Write(pdu); err != nil {
		t.Fatal(err)
	}
	return receive(t, c)
}

func receive(t *testing.T, c net.Conn) dcerpc.PDU {
	t.Helper()
	b := make([]byte, dcerpc.HeaderSize)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	h, _, rej := dcerpc.ParseHeader(b, 0)
	if rej != nil {
		t.Fatal(rej)
	}
	b = append(b, make([]byte, int(h.FragLength)-len(b))...)
	if _, err := io.ReadFull(c, b[dcerpc.HeaderSize:]); err != nil {
		t.Fatal(err)
	}
	p, _, rej := dcerpc.Parse(b, 0)
	if rej != nil {
		t.Fatal(rej)
	}
	return p
}

func toyBind(level byte, flags byte, token string) []byte {
	h := dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast | flags, Drep: dcerpc.LittleEndian, CallID: 1}
	b := dcerpc.AppendBind(nil, h, dcerpc.Offer{MaxXmit: 4280, MaxRecv: 4280}, []dcerpc.Presentation{
		{Abstract: dcerpc.SyntaxID{UUID: toyInterface.UUID, Version: 1}, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}},
	})
	if token != "" {
		b, _ = dcerpc.AppendAuth(b, 0, dcerpc.Auth{Type: toyService, Level: level, ContextID: 3, Value: []byte(token)}, len(token))
	}
	return b
}

func toyRequest(s *toyContext, stub []byte, all bool) []byte {
	h := dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian, CallID: 2}
	b := dcerpc.AppendRequest(nil, h, dcerpc.Request{Stub: append([]byte(nil), stub...)})
	if s == nil {
		return b
	}
	b, _ = dcerpc.AppendAuth(b, 0, dcerpc.Auth{Type: toyService, Level: s.level, ContextID: 3}, 16)
	s.Protect(auth.Fragment{PDU: b, From: dcerpc.StubOffset(dcerpc.PTypeRequest, 0), To: len(b) - 16 - auth.TrailerSize, SignHeader: all})
	return b
}

// authenticate binds and gives both tokens, the second one in an auth3.
func authenticate(t *testing.T, c net.Conn, level, flags byte) {
	t.Helper()
	ack := exchange(t, c, toyBind(level, flags, "token1"))
	if ack.Type != dcerpc.PTypeBindAck || string(ack.Auth.Value) != "answer" || ack.Flags&dcerpc.FlagSignHeader != flags {
		t.Fatalf("answer to the bind: %+v", ack)
	}
	h := dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian, CallID: 1}
	auth3, _ := dcerpc.AppendAuth(dcerpc.AppendAuth3(nil, h), 0,
		dcerpc.Auth{Type: toyService, Level: level, ContextID: 3, Value: []byte("token2")}, 6)
	if _, err := c.Write(auth3); err != nil {
		t.Fatal(err)
	}
}

func TestCallsAreProtectedAsAgreed(t *testing.T) {
	stub := bytes.Repeat([]byte("sixteen bytes..."), 1000) // several fragments back
	for _, level := range []byte{dcerpc.LevelConnect, dcerpc.LevelPacket, dcerpc.LevelIntegrity, dcerpc.LevelPrivacy} {
		for _, flags := range []byte{0, dcerpc.FlagSignHeader} {
			t.Run(fmt.Sprintf("level %d flags %x", level, flags), func(t *testing.T) {
				c := serveToy(t, toyAuth{})
				authenticate(t, c, level, flags)
				client := &toyContext{level: level}
				if level == dcerpc.LevelConnect {
					client = nil
				}
				text := stub[:4000]
				if _, err := c.Write(toyRequest(client, text, flags != 0)); err != nil {
					t.Fatal(err)
				}
				var got []byte
				for last := false; !last; {
					p := receive(t, c)
					if p.Type != dcerpc.PTypeResponse {
						t.Fatalf("answer %+v", p)
					}
					from, to := dcerpc.StubOffset(p.Type, p.Flags), dcerpc.HeaderSize+len(p.Body)
					if client != nil {
						if level == dcerpc.LevelPrivacy && bytes.Contains(p.Raw, []byte("sixteen")) {
							t.Error("the stub is not enciphered")
						}
						must(t, client.Unprotect(auth.Fragment{PDU: p.Raw, From: from, To: to, SignHeader: flags != 0}))
					}
					r, rej := dcerpc.ParseResponse(p)
					if rej != nil {
						t.Fatal(rej)
					}
					got = append(got, r.Stub...)
					last = p.Flags&dcerpc.FlagLast != 0
				}
				if string(got) != string(text)+" from TOY\\somebody" {
					t.Errorf("answer of %d bytes, end %q", len(got), got[max(0, len(got)-40):])
				}
			})
		}
	}
}

func TestWhoIsNotAuthenticatedIsRefused(t *testing.T) {
	request := toyRequest(&toyContext{level: dcerpc.LevelPrivacy}, []byte("hello"), false)
	forged := bytes.Clone(request)
	forged[len(forged)-1] ^= 1
	other := bytes.Clone(request)
	other[len(other)-20] ^= 1 // auth_context_id
	toys := []auth.Mechanism{toyAuth{}}
	for _, tt := range []struct {
		name   string
		auth   []auth.Mechanism
		bind   []byte
		second bool // the handshake is finished
		send   []byte
		ptype  byte
		status dcerpc.Status
		reason uint16
	}{
		{name: "no mechanism", bind: toyBind(6, 0, "token1"), ptype: dcerpc.PTypeBindNak, reason: dcerpc.ReasonAuthType},
		{name: "level none", auth: toys, bind: toyBind(1, 0, "token1"), ptype: dcerpc.PTypeBindNak, reason: dcerpc.ReasonNotSpecified},
		{name: "wrong token", auth: toys, bind: toyBind(6, 0, "token9"), ptype: dcerpc.PTypeBindNak, reason: dcerpc.ReasonChecksum},
		{name: "call before the last token", auth: toys, bind: toyBind(6, 0, "token1"), send: request, ptype: dcerpc.PTypeFault, status: dcerpc.NcaProtoError},
		{name: "call in another context", auth: toys, bind: toyBind(6, 0, "token1"), second: true, send: other, ptype: dcerpc.PTypeFault, status: dcerpc.FaultAccessDenied},
		{name: "forged signature", auth: toys, bind: toyBind(6, 0, "token1"), second: true, send: forged, ptype: dcerpc.PTypeFault, status: dcerpc.FaultSecurityPackage},
		{name: "signature nobody agreed on", auth: toys, bind: toyBind(0, 0, ""), send: request, ptype: dcerpc.PTypeFault, status: dcerpc.FaultAccessDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serveToy(t, tt.auth...)
			var p dcerpc.PDU
			if tt.second {
				authenticate(t, c, 6, 0)
			} else {
				p = exchange(t, c, tt.bind)
			}
			if tt.send != nil {
				p = exchange(t, c, tt.send)
			}
			if p.Type != tt.ptype {
				t.Fatalf("answer of type %d, want %d", p.Type, tt.ptype)
			}
			if f, rej := dcerpc.ParseFault(p); tt.status != 0 && (rej != nil || f.Status != tt.status) {
				t.Errorf("fault %v, want %v", f.Status, tt.status)
			}
			if n, _ := dcerpc.ParseBindNak(p); tt.reason != 0 && n.Reason != tt.reason {
				t.Errorf("reason %d, want %d", n.Reason, tt.reason)
			}
			if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
				t.Errorf("the connection goes on: %v", err)
			}
		})
	}
}

// TestTokensAreAsLongAsAPDU is about tickets of users in many groups: binds are not
// split, and longer than fragments of calls may be.
func TestTokensAreAsLongAsAPDU(t *testing.T) {
	for _, n := range []int{6000, 48000, 65000} {
		c := serveToy(t, toyAuth{})
		p := exchange(t, c, toyBind(dcerpc.LevelConnect, 0, "token1"+strings.Repeat("\x00", n)))
		if p.Type != dcerpc.PTypeBindAck || string(p.Auth.Value) != "answer" {
			t.Errorf("%d bytes: %s", n, dcerpc.TypeName(p.Type))
		}
	}
}
