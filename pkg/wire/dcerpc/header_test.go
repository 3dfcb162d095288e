// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/tests/tools/check"
)

func TestParseHeader(t *testing.T) {
	little := []byte{5, 0, 14, 0x93, 0x10, 0, 0, 0, 0x34, 0x12, 0x10, 0, 4, 3, 2, 1}
	big := []byte{5, 0, 14, 0x93, 0, 0, 0, 0, 0x12, 0x34, 0, 0x10, 1, 2, 3, 4}
	want := Header{Type: PTypeAlterContext, Flags: 0x93, Drep: LittleEndian, FragLength: 0x1234, AuthLength: 16, CallID: 0x01020304}
	for _, b := range [][]byte{little, big} {
		got, need, rej := ParseHeader(b, 5840)
		want.Drep = Drep(b[4:8])
		if d := cmp.Diff(want, got); d != "" || need != 0 || rej != nil {
			t.Errorf("need %d, %v, %s", need, rej, d)
		}
		for i := range b {
			if _, need, rej := ParseHeader(b[:i], 0); need != HeaderSize || rej != nil {
				t.Errorf("%d bytes: need %d, %v", i, need, rej)
			}
		}
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	good := AppendRequest(nil, Header{Drep: LittleEndian, Flags: FlagFirst | FlagLast}, Request{Stub: make([]byte, 100)})
	for _, c := range []struct {
		name string
		b    []byte
		want *Reject
		at   int // bytes that show it
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), ErrVersion, 16},
		{"version 4", with(good, 0, 4), ErrVersion, 16},
		{"connectionless type", with(good, 2, 1), ErrUnexpected, 16},
		{"type 21", with(good, 2, 21), RejectType, 3},
		{"minor version 1", with(good, 1, 1), ErrMinorVersion, 16},
		{"integers of no kind", with(good, 4, 0x20), ErrDrep, 16},
		{"characters of no kind", with(good, 4, 0x12), ErrDrep, 16},
		{"floats of no kind", with(good, 5, 4), ErrDrep, 16},
		{"first reserved byte", with(good, 6, 1), ErrDrep, 16},
		{"second reserved byte", with(good, 7, 1), ErrDrep, 16},
		{"frag_length 15", with(good, 8, 15, 0), ErrFragShort, 16},
		{"frag_length 0", with(good, 8, 0, 0), ErrFragShort, 16},
		{"longer than taken", with(good, 8, 0xd1, 0x16), ErrFragLong, 16},
		{"auth_length without trailer", with(good, 10, 124-16-7, 0), ErrAuthLength, 16},
		{"auth_length 65535", with(good, 10, 0xff, 0xff), ErrAuthLength, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.b {
				_, need, rej := Parse(c.b[:i], FragSizeTCP)
				if i < c.at && (rej != nil || need <= i) || i >= c.at && (rej != c.want || need != 0) {
					t.Fatalf("%d bytes: need %d, %v", i, need, rej)
				}
			}
		})
	}
	for _, d := range []Drep{{0x01}, {0x11}, {0x10, 1}, {0x10, 2}, {0, 3}} {
		if _, _, rej := Parse(with(good, 4, d[0], d[1]), 0); rej != nil && !d.BigEndian() || !d.Valid() {
			t.Errorf("%x is refused: %v", d, rej)
		}
	}
	if _, need, rej := Parse(with(with(good, 2, PTypeBind), 8, 0xff, 0xff), FragSizeTCP); need != MaxPDU || rej != nil {
		t.Errorf("a long bind: need %d, %v", need, rej)
	}
}

func TestParseTakesThePDUApart(t *testing.T) {
	for _, d := range []Drep{LittleEndian, BigEndian} {
		h := Header{Flags: FlagFirst | FlagLast | FlagObject, Drep: d, CallID: 7}
		b := AppendRequest([]byte("before"), h, Request{Stub: []byte("a stub of 21 bytes...")})
		b, value := AppendAuth(b, 6, Auth{Type: AuthNTLM, Level: LevelPrivacy, ContextID: 0x01020304}, 16)
		copy(value, "sixteen octets..")
		b = append(b, "after"...)
		p, need, rej := Parse(b[6:], 0)
		if need != 0 || rej != nil {
			t.Fatalf("need %d, %v", need, rej)
		}
		want := Auth{Type: AuthNTLM, Level: LevelPrivacy, Pad: 11, ContextID: 0x01020304, Value: []byte("sixteen octets..")}
		check.Same(t, want, p.Auth)
		if len(p.Raw) != 40+32+8+16 || len(p.Body) != len(p.Raw)-16-8-16 || cap(p.Raw) != len(p.Raw) {
			t.Errorf("%d, %d bytes", len(p.Raw), len(p.Body))
		}
		q, rej := ParseRequest(p)
		if rej != nil || string(q.Stub) != "a stub of 21 bytes..." {
			t.Errorf("%q, %v", q.Stub, rej)
		}
		for i := range len(p.Raw) - 1 {
			if _, need, rej := Parse(p.Raw[:i], 0); rej != nil || need != max(HeaderSize, len(p.Raw)) && i >= HeaderSize {
				t.Fatalf("%d bytes: need %d, %v", i, need, rej)
			}
		}
		pad := len(p.Raw) - 16 - 8 + 2
		if q, _, _ := Parse(with(p.Raw, pad, 32), 0); len(q.Body) == 0 {
			t.Error("padding as long as the stub is refused")
		}
		p, _, rej = Parse(with(p.Raw, pad, 33), 0)
		if _, late := ParseRequest(p); rej == nil && late != ErrAuthPad {
			t.Errorf("padding longer than the stub: %v, %v", rej, late)
		}
		if _, _, rej := Parse(with(p.Raw, pad, 49), 0); rej != ErrAuthPad {
			t.Errorf("padding longer than the body: %v", rej)
		}
	}
}

func TestAuthPadding(t *testing.T) {
	h := Header{Drep: LittleEndian}
	for n := range 40 {
		stub := make([]byte, n)
		for name, pdu := range map[string][]byte{
			"request":  AppendRequest(nil, h, Request{Stub: stub}),
			"response": AppendResponse(nil, h, Response{Stub: stub}),
			"fault":    AppendFault(nil, h, Fault{Stub: stub}),
		} {
			out, _ := AppendAuth(pdu, 0, Auth{}, 16)
			if pad := int(out[len(out)-16-6]); (n+pad)%16 != 0 || pad > 15 || len(out) != len(pdu)+pad+24 {
				t.Errorf("%s, stub of %d: %d bytes of padding", name, n, pad)
			}
		}
		ack := AppendBindAck(nil, h, Ack{SecondaryAddr: stub}, []Result{{}})
		if out, _ := AppendAuth(ack, 0, Auth{}, 1); (len(out)-9)%4 != 0 {
			t.Errorf("trailer of a bind_ack at %d", len(out)-9)
		}
	}
}

func TestAppendAuthWithoutRoom(t *testing.T) {
	h := Header{Drep: LittleEndian}
	pdu := AppendRequest(nil, h, Request{})
	for _, c := range []struct{ start, n int }{{0, -1}, {-1, 16}, {9, 16}, {0, MaxPDU}} {
		if out, value := AppendAuth(pdu, c.start, Auth{}, c.n); value != nil || !bytes.Equal(out, pdu) {
			t.Errorf("start %d, %d bytes: %d bytes", c.start, c.n, len(out))
		}
	}
	out, value := AppendAuth(AppendAuth3(nil, h), 0, Auth{Value: []byte("token")}, 9)
	if string(value) != "token\x00\x00\x00\x00" || binary.LittleEndian.Uint16(out[10:]) != 9 {
		t.Errorf("%q", value)
	}
	empty, _ := AppendAuth(pdu, 0, Auth{Type: AuthNTLM, Level: LevelConnect}, 0)
	if h, _, rej := ParseHeader(empty, 0); rej != nil || h.AuthLength != 0 || int(h.FragLength) != len(pdu)+8 || len(empty) != int(h.FragLength) {
		t.Errorf("empty token: %+v, %v", h, rej)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		rej   *Reject
		ptype byte
		want  byte // type of the answer, 0xff = none
		flags byte
	}{
		{ErrVersion, PTypeBind, PTypeBindNak, 3},
		{ErrVersion, PTypeRequest, PTypeFault, 0x23},
		{RejectType, PTypeRequest, 0xff, 0},
		{RejectNotBind, PTypeRequest, PTypeBindNak, 3},
		{ErrContexts, PTypeBind, PTypeBindNak, 3},
		{ErrContexts, PTypeAlterContext, PTypeFault, 0x23},
		{ErrDrep, PTypeAuth3, PTypeFault, 0x23},
		{ErrDrep, PTypeCancel, 0xff, 0},
		{ErrAuthLength, PTypeOrphaned, 0xff, 0},
		{ErrSecondFirst, PTypeRequest, PTypeFault, 3},
		{ErrOpnum, PTypeRequest, PTypeFault, 0x23},
		{ErrSecondBind, PTypeBind, PTypeBindNak, 3},
	} {
		b := c.rej.AppendAnswer(nil, Header{Type: c.ptype, Drep: Drep{0x11, 3}, CallID: 9}, 5)
		if len(b) == 0 {
			if c.want != 0xff {
				t.Errorf("%v, %s: no answer", c.rej, TypeName(c.ptype))
			}
			continue
		}
		p, _, rej := Parse(b, 0)
		if rej != nil || p.Type != c.want || p.Flags != c.flags || p.CallID != 9 || p.Drep != LittleEndian {
			t.Errorf("%v, %s: %+v", c.rej, TypeName(c.ptype), p.Header)
		}
	}
}

func TestFirstAnswersAreBindNaks(t *testing.T) {
	for _, rej := range []*Reject{ErrVersion, ErrMinorVersion, ErrUnexpected, ErrFragLong, ErrNotFirst, ErrNoContext} {
		for ptype := range byte(lastPType + 1) {
			p, _, bad := Parse(rej.AppendFirst(nil, Header{Type: ptype, CallID: 9}), 0)
			if bad != nil || p.Type != PTypeBindNak || p.CallID != 9 || !p.BigEndian() {
				t.Errorf("%v, type %d: %+v, %v", rej, ptype, p.Header, bad)
			}
		}
	}
	if b := RejectType.AppendFirst(nil, Header{}); b != nil {
		t.Errorf("an unknown type is answered: %x", b)
	}
}

func TestNames(t *testing.T) {
	check.Is(t, "text", "nca_s_op_rng_error", NcaOpRange.String())
	check.Is(t, "text", "rpc fault 0x00000abc", Status(0xabc).Error())
	check.Is(t, "text", "rpc fault error_access_denied", FaultAccessDenied.Error())
	if a, b := ReasonName(8), ReasonName(77); a != "authentication type not recognized" || b != "reason 77" {
		t.Error(a, b)
	}
	if a, b := TypeName(PTypeBindAck), TypeName(200); a != "bind_ack" || b != "unknown" {
		t.Error(a, b)
	}
	for want, r := range map[string]Result{
		"accepted":     Accept(NDR),
		"features 0x3": FeatureResult(3),
		"refused by the server: interface not supported":         Refuse(WhyAbstract),
		"refused by the server: transfer syntaxes not supported": Refuse(WhyTransfer),
		"refused by the server: reason 9":                        Refuse(9),
		"refused by the server's program: local limit exceeded":  {Result: ResultUserRejection, Reason: WhyLimit},
		"result 7: reason not specified":                         {Result: 7},
	} {
		check.Is(t, "text", want, r.String())
	}
}
