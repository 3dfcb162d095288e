// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"bytes"
	"testing"
)

// frag is a request's fragment in short.
type frag struct {
	flags   byte
	call    uint32
	context uint16
	opnum   uint16
	stub    string
	hint    uint32
	drep    Drep
}

const (
	first = FlagFirst
	last  = FlagLast
	both  = FlagFirst | FlagLast
)

func (f frag) add(r *Reassembler) (Call, bool, *Reject) {
	return r.Add(Header{Type: PTypeRequest, Flags: f.flags, CallID: f.call, Drep: f.drep},
		Request{ContextID: f.context, Opnum: f.opnum, AllocHint: f.hint, Stub: []byte(f.stub)})
}

func TestReassembler(t *testing.T) {
	type set = Reassembler
	for _, c := range []struct {
		name  string
		r     set
		in    []frag
		want  *Reject // to the last one; nil = it ends a call
		call  uint32  // of the call or the refusal
		ctx   uint16
		stub  string
		opnum uint16
	}{
		{"one fragment", set{}, []frag{{both, 7, 1, 9, "all", 0, Drep{}}}, nil, 7, 1, "all", 9},
		{"any alloc_hint in a whole call", set{}, []frag{{both, 7, 1, 9, "all", 1<<32 - 1, Drep{}}}, nil, 7, 1, "all", 9},
		{"three fragments", set{}, []frag{{first, 7, 1, 9, "one,", 0, Drep{}}, {0, 7, 1, 9, "two,", 0, Drep{}}, {last, 7, 1, 9, "three", 0, Drep{}}}, nil, 7, 1, "one,two,three", 9},
		{"empty fragments", set{}, []frag{{first, 7, 1, 9, "", 0, Drep{}}, {0, 7, 1, 9, "", 0, Drep{}}, {last, 7, 1, 9, "", 0, Drep{}}}, nil, 7, 1, "", 9},
		{"later cancel", set{}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {FlagPendingCancel, 7, 1, 9, "b", 0, Drep{}}, {last | FlagPendingCancel, 7, 1, 9, "c", 0, Drep{}}}, nil, 7, 1, "abc", 9},
		{"context and opnum of the first count", set{}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {last, 7, 111, 222, "b", 0, Drep{}}}, nil, 7, 1, "ab", 9},
		{"stub of the greatest length", set{MaxStub: 4}, []frag{{first, 7, 1, 9, "ab", 4, Drep{}}, {last, 7, 1, 9, "cd", 2, Drep{}}}, nil, 7, 1, "abcd", 9},
		{"as many fragments as allowed", set{MaxFragments: 2}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {last, 7, 1, 9, "b", 0, Drep{}}}, nil, 7, 1, "ab", 9},

		{"last without first", set{}, []frag{{last, 7, 1, 9, "a", 0, Drep{}}}, ErrNotFirst, 7, 0, "", 9},
		{"middle without first", set{}, []frag{{0, 7, 1, 9, "a", 0, Drep{}}}, ErrNotFirst, 7, 0, "", 9},
		{"middle without first, multiplexing", set{Multiplex: true}, []frag{{0, 7, 1, 9, "a", 0, Drep{}}}, ErrNotFirst, 7, 1, "", 9},
		{"first twice", set{}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {first, 7, 1, 9, "a", 0, Drep{}}}, ErrSecondFirst, 7, 1, "a", 9},
		{"a call in a call", set{}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {both, 8, 2, 5, "b", 0, Drep{}}}, ErrSecondFirst, 7, 1, "a", 9},
		{"a call in a call, multiplexing", set{Multiplex: true}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {both, 8, 2, 5, "b", 0, Drep{}}}, ErrSecondFirst, 8, 0, "", 5},
		{"other call id", set{}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {last, 8, 1, 9, "b", 0, Drep{}}}, ErrCallID, 7, 1, "a", 9},
		{"other call id, multiplexing", set{Multiplex: true}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {last, 8, 1, 9, "b", 0, Drep{}}}, ErrCallID, 8, 0, "", 9},
		{"other byte order", set{}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {last, 7, 1, 9, "b", 0, LittleEndian}}, ErrDrepChanged, 7, 1, "a", 9},
		{"other context", set{Strict: true}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {last, 7, 2, 9, "b", 0, Drep{}}}, ErrContextChanged, 7, 1, "a", 9},
		{"other opnum", set{Strict: true}, []frag{{first, 7, 1, 9, "a", 0, Drep{}}, {last, 7, 1, 8, "b", 0, Drep{}}}, ErrOpnumChanged, 7, 1, "a", 9},
		{"cancelled before it is begun", set{}, []frag{{first | FlagPendingCancel, 7, 1, 9, "a", 0, Drep{}}}, ErrCancelFirst, 7, 0, "", 9},
		{"whole and cancelled", set{}, []frag{{both | FlagPendingCancel, 7, 1, 9, "a", 0, Drep{}}}, ErrCancelFirst, 7, 0, "", 9},
		{"long whole stub", set{MaxStub: 3}, []frag{{both, 7, 1, 9, "abcd", 0, Drep{}}}, ErrStubLong, 7, 1, "abcd", 9},
		{"long first stub", set{MaxStub: 3}, []frag{{first, 7, 1, 9, "abcd", 0, Drep{}}}, ErrStubLong, 7, 1, "abcd", 9},
		{"long stub in all", set{MaxStub: 3}, []frag{{first, 7, 1, 9, "ab", 0, Drep{}}, {0, 7, 1, 9, "cd", 0, Drep{}}}, ErrStubLong, 7, 1, "ab", 9},
		{"alloc_hint beyond the limit", set{}, []frag{{first, 7, 1, 9, "", 4<<20 + 1, Drep{}}}, ErrStubLong, 7, 1, "", 9},
		{"later alloc_hint beyond the limit", set{MaxStub: 4}, []frag{{first, 7, 1, 9, "ab", 0, Drep{}}, {0, 7, 1, 9, "", 3, Drep{}}}, ErrStubLong, 7, 1, "ab", 9},
		{"too many fragments", set{MaxFragments: 2}, []frag{{first, 7, 1, 9, "", 0, Drep{}}, {0, 7, 1, 9, "", 0, Drep{}}, {0, 7, 1, 9, "", 0, Drep{}}}, ErrFragments, 7, 1, "", 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // what went before leaves nothing behind
				for _, f := range c.in[:len(c.in)-1] {
					if _, done, rej := f.add(&c.r); done || rej != nil {
						t.Fatalf("%+v: %v, %v", f, done, rej)
					}
				}
				call, done, rej := c.in[len(c.in)-1].add(&c.r)
				if rej != c.want || done != (rej == nil) {
					t.Fatalf("%v, %v", done, rej)
				}
				if call.CallID != c.call || call.ContextID != c.ctx || call.Opnum != c.opnum || string(call.Stub) != c.stub {
					t.Errorf("%+v", call)
				}
				if _, busy := c.r.Collecting(); busy {
					t.Error("it still collects")
				}
			}
		})
	}
}

func TestAlterBetweenFragments(t *testing.T) {
	alter := Header{Type: PTypeAlterContext, CallID: 8}
	var r Reassembler
	if _, rej := r.Alter(alter); rej != nil {
		t.Error(rej)
	}
	frag{flags: first, call: 7, context: 1}.add(&r)
	if call, rej := r.Alter(alter); rej != ErrAlterInCall || call.CallID != 7 || call.ContextID != 1 {
		t.Errorf("%+v, %v", call, rej)
	}
	r.Multiplex = true
	frag{flags: first, call: 7}.add(&r)
	if _, rej := r.Alter(alter); rej != nil {
		t.Error(rej)
	}
	if call, busy := r.Collecting(); !busy || call.CallID != 7 {
		t.Errorf("%+v", call)
	}
	r.Drop()
	if _, _, rej := (frag{flags: last, call: 7}).add(&r); rej != ErrNotFirst {
		t.Error(rej)
	}
}

func TestStubsAreTheCallers(t *testing.T) {
	spare := make([]byte, 0, 100)
	r := Reassembler{Spare: spare}
	frag{flags: first, stub: "ab"}.add(&r)
	one, _, _ := frag{flags: last, stub: "cd"}.add(&r)
	if &one.Stub[0] != &spare[:1][0] || r.Spare != nil {
		t.Error("the spare room is not used")
	}
	frag{flags: first, stub: "xx"}.add(&r)
	two, _, _ := frag{flags: last, stub: "yy"}.add(&r)
	if string(one.Stub) != "abcd" || string(two.Stub) != "xxyy" {
		t.Errorf("%s, %s", one.Stub, two.Stub)
	}
}

func TestMemoryGrowsWithWhatArrives(t *testing.T) {
	var r Reassembler
	frag{flags: first, stub: "0123456789", hint: 4 << 20}.add(&r)
	if call, _ := r.Collecting(); cap(call.Stub) > 64 {
		t.Errorf("%d bytes for 10", cap(call.Stub))
	}
}

func TestFragmenter(t *testing.T) {
	stub := make([]byte, 20000)
	for i := range stub {
		stub[i] = byte(i * 7 / 3)
	}
	for _, c := range []struct {
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
	} {
		for _, ptype := range []byte{PTypeRequest, PTypeResponse} {
			for _, d := range []Drep{LittleEndian, BigEndian} {
				t.Run(c.name, func(t *testing.T) {
					f := c.f
					f.Header = Header{Type: ptype, Flags: FlagMultiplex, Drep: d, CallID: 9}
					f.ContextID, f.Opnum, f.Stub = 3, 4, stub[:c.n]
					var r Reassembler
					var all []byte
					n := 0
					for b := f.Append(nil); len(b) > 0; n++ {
						p, _, rej := Parse(b, 0)
						if rej != nil || p.Type != ptype || p.Drep != d || p.CallID != 9 || p.Flags&FlagMultiplex == 0 {
							t.Fatalf("%+v, %v", p.Header, rej)
						}
						q := Request{}
						if ptype == PTypeRequest {
							q, rej = ParseRequest(p)
						} else {
							var a Response
							a, rej = ParseResponse(p)
							q = Request{AllocHint: a.AllocHint, ContextID: a.ContextID, Opnum: 4, Stub: a.Stub}
						}
						if rej != nil || int(q.AllocHint) != c.n-len(all) || q.ContextID != 3 || q.Opnum != 4 {
							t.Fatalf("%d bytes before: %+v, %v", len(all), q, rej)
						}
						if n == 0 && (len(q.Stub) != c.firstStub || len(p.Raw) != c.firstTotal+int(p.Auth.Pad)) {
							t.Errorf("%d bytes of stub in %d bytes", len(q.Stub), len(p.Raw))
						}
						all = append(all, q.Stub...)
						call, done, rej := r.Add(p.Header, q)
						b = b[p.FragLength:]
						if rej != nil || done != (len(b) == 0) || done && !bytes.Equal(call.Stub, stub[:c.n]) {
							t.Fatalf("%v, %v", done, rej)
						}
					}
					if n != c.fragments {
						t.Errorf("%d fragments", n)
					}
				})
			}
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
