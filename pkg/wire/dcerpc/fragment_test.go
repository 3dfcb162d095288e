// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"bytes"
	"testing"

	"msrpcd/tests/tools/check"
)

var fragmented = []struct {
	name       string
	f          Fragmenter
	n          int
	fragments  int
	firstStub  int
	firstTotal int
}{
	{"empty", Fragmenter{MaxXmit: 4280}, 0, 1, 0, 24},
	{"one byte", Fragmenter{MaxXmit: 4280}, 1, 1, 1, 25},
	{"just one", Fragmenter{MaxXmit: 4280}, 4256, 1, 4256, 4280},
	{"one byte more", Fragmenter{MaxXmit: 4280}, 4257, 2, 4256, 4280},
	{"TCP", Fragmenter{MaxXmit: 5840}, 20000, 4, 5808, 5832},
	{"less than there must be", Fragmenter{MaxXmit: 0}, 20000, 15, 1408, 1432},
	{"more than there can be", Fragmenter{MaxXmit: 1 << 20}, 20000, 1, 20000, 20024},
	{"with auth", Fragmenter{MaxXmit: 4280, AuthLen: 16}, 10000, 3, 4224, 4224 + 24 + 24},
	{"with a long token", Fragmenter{MaxXmit: 1432, AuthLen: 60000}, 33, 3, 16, 16 + 24 + 8 + 60000},
}

// asRequest is a fragment of a request, or of a response as if it were one.
func asRequest(p PDU) (Request, *Reject) {
	if p.Type == PTypeRequest {
		return ParseRequest(p)
	}
	a, rej := ParseResponse(p)
	return Request{AllocHint: a.AllocHint, ContextID: a.ContextID, Opnum: 4, Stub: a.Stub}, rej
}

func TestFragmenter(t *testing.T) {
	stub := make([]byte, 20000)
	for i := range stub {
		stub[i] = byte(i * 7 / 3)
	}
	for _, c := range fragmented {
		for _, h := range []Header{
			{Type: PTypeRequest, Drep: LittleEndian}, {Type: PTypeRequest, Drep: BigEndian},
			{Type: PTypeResponse, Drep: LittleEndian}, {Type: PTypeResponse, Drep: BigEndian},
		} {
			t.Run(c.name, func(t *testing.T) {
				f := c.f
				f.Header, f.Header.Flags, f.Header.CallID = h, FlagMultiplex, 9
				f.ContextID, f.Opnum, f.Stub = 3, 4, stub[:c.n]
				var r Reassembler
				n, sent := 0, 0
				for b := f.Append(nil); len(b) > 0; n++ {
					p, _, rej := Parse(b, 0)
					if rej != nil || p.Type != h.Type || p.Drep != h.Drep || p.CallID != 9 || p.Flags&FlagMultiplex == 0 {
						t.Fatalf("%+v, %v", p.Header, rej)
					}
					q, rej := asRequest(p)
					if rej != nil || int(q.AllocHint) != c.n-sent || q.ContextID != 3 || q.Opnum != 4 {
						t.Fatalf("%d bytes before: %+v, %v", sent, q, rej)
					}
					if n == 0 && (len(q.Stub) != c.firstStub || len(p.Raw) != c.firstTotal+int(p.Auth.Pad)) {
						t.Errorf("%d bytes of stub in %d bytes", len(q.Stub), len(p.Raw))
					}
					sent += len(q.Stub)
					call, done, rej := r.Add(p.Header, q)
					b = b[p.FragLength:]
					if rej != nil || done != (len(b) == 0) || done && !bytes.Equal(call.Stub, stub[:c.n]) {
						t.Fatalf("%v, %v", done, rej)
					}
				}
				check.Is(t, "fragments", c.fragments, n)
			})
		}
	}
}

func TestFragmentsOfObjects(t *testing.T) {
	f := Fragmenter{
		Header: Header{Type: PTypeRequest, Flags: FlagObject, Drep: LittleEndian}, Object: epm.UUID,
		Stub: make([]byte, 3000), MaxXmit: 1432, AuthLen: 16, Auth: Auth{Type: AuthSPNEGO, Level: LevelIntegrity},
	}
	for more := true; more; {
		var b, value []byte
		b, value, more = f.Next([]byte("before"))
		copy(value, "signed")
		p := parse(t, b[6:])
		q, rej := ParseRequest(p)
		if rej != nil || q.Object != epm.UUID || len(p.Raw) > 1432 || string(p.Auth.Value[:6]) != "signed" {
			t.Errorf("%+v, %v", p.Header, rej)
		}
	}
}

func TestFragSizes(t *testing.T) {
	for _, c := range []struct {
		own        int
		xmit, recv uint16
		want       uint16
	}{ // in Windows' words: its answers to these offers
		{5840, 0xffff, 0xffff, 5840},
		{5840, 0, 0xffff, 2048},
		{5840, 0xffff, 0, 2048},
		{5840, 0, 0, 2048},
		{5840, 3199, 0, 2048},
		{5840, 0, 3199, 2048},
		{5840, 3199, 0xffff, 3192},
		{5840, 0xffff, 3199, 3192},
		{4280, 5840, 5840, 4280},
		// Ours.
		{5840, 1432, 1432, 1432},
		{5840, 1431, 5840, 2048},
		{0, 5840, 5840, 1432},
		{1 << 20, 0xffff, 0xffff, 0xfff8},
	} {
		if got := ServerFragSize(c.own, Offer{MaxXmit: c.xmit, MaxRecv: c.recv}); got != c.want {
			t.Errorf("%d, %d, %d: %d, want %d", c.own, c.xmit, c.recv, got, c.want)
		}
	}
	xmit, recv := ClientFragSizes(Offer{MaxXmit: 5840, MaxRecv: 4280}, Ack{MaxXmit: 5840, MaxRecv: 2048})
	if xmit != 2048 || recv != 4280 {
		t.Error(xmit, recv)
	}
	if xmit, recv = ClientFragSizes(Offer{}, Ack{}); xmit != 1432 || recv != 1432 {
		t.Error(xmit, recv)
	}
}
