// SPDX-License-Identifier: Apache-2.0

package dcerpc

import "testing"

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

// f is a fragment of operation 9 in context 1, as nearly all here are.
func f(flags byte, stub string) frag {
	return frag{flags: flags, call: 7, context: 1, opnum: 9, stub: stub}
}

type set = Reassembler

var reassembled = []struct {
	name  string
	r     set
	in    []frag
	want  *Reject // to the last one; nil = it ends a call
	call  uint32  // of the call or the refusal
	ctx   uint16
	stub  string
	opnum uint16
}{
	{"one fragment", set{}, []frag{f(both, "all")}, nil, 7, 1, "all", 9},
	{"any alloc_hint in a whole call", set{}, []frag{{both, 7, 1, 9, "all", 1<<32 - 1, Drep{}}}, nil, 7, 1, "all", 9},
	{"three fragments", set{}, []frag{f(first, "one,"), f(0, "two,"), f(last, "three")}, nil, 7, 1, "one,two,three", 9},
	{"empty fragments", set{}, []frag{f(first, ""), f(0, ""), f(last, "")}, nil, 7, 1, "", 9},
	{"later cancel", set{}, []frag{f(first, "a"), f(FlagPendingCancel, "b"), f(last|FlagPendingCancel, "c")}, nil, 7, 1, "abc", 9},
	{"context and opnum of the first count", set{}, []frag{f(first, "a"), {last, 7, 111, 222, "b", 0, Drep{}}}, nil, 7, 1, "ab", 9},
	{"stub of the greatest length", set{MaxStub: 4}, []frag{{first, 7, 1, 9, "ab", 4, Drep{}}, {last, 7, 1, 9, "cd", 2, Drep{}}}, nil, 7, 1, "abcd", 9},
	{"as many fragments as allowed", set{MaxFragments: 2}, []frag{f(first, "a"), f(last, "b")}, nil, 7, 1, "ab", 9},

	{"last without first", set{}, []frag{f(last, "a")}, ErrNotFirst, 7, 0, "", 9},
	{"middle without first", set{}, []frag{f(0, "a")}, ErrNotFirst, 7, 0, "", 9},
	{"middle without first, multiplexing", set{Multiplex: true}, []frag{f(0, "a")}, ErrNotFirst, 7, 1, "", 9},
	{"first twice", set{}, []frag{f(first, "a"), f(first, "a")}, ErrSecondFirst, 7, 1, "a", 9},
	{"a call in a call", set{}, []frag{f(first, "a"), {both, 8, 2, 5, "b", 0, Drep{}}}, ErrSecondFirst, 7, 1, "a", 9},
	{"a call in a call, multiplexing", set{Multiplex: true}, []frag{f(first, "a"), {both, 8, 2, 5, "b", 0, Drep{}}}, ErrSecondFirst, 8, 0, "", 5},
	{"other call id", set{}, []frag{f(first, "a"), {last, 8, 1, 9, "b", 0, Drep{}}}, ErrCallID, 7, 1, "a", 9},
	{"other call id, multiplexing", set{Multiplex: true}, []frag{f(first, "a"), {last, 8, 1, 9, "b", 0, Drep{}}}, ErrCallID, 8, 0, "", 9},
	{"other byte order", set{}, []frag{f(first, "a"), {last, 7, 1, 9, "b", 0, LittleEndian}}, ErrDrepChanged, 7, 1, "a", 9},
	{"other context", set{Strict: true}, []frag{f(first, "a"), {last, 7, 2, 9, "b", 0, Drep{}}}, ErrContextChanged, 7, 1, "a", 9},
	{"other opnum", set{Strict: true}, []frag{f(first, "a"), {last, 7, 1, 8, "b", 0, Drep{}}}, ErrOpnumChanged, 7, 1, "a", 9},
	{"cancelled before it is begun", set{}, []frag{f(first|FlagPendingCancel, "a")}, ErrCancelFirst, 7, 0, "", 9},
	{"whole and cancelled", set{}, []frag{f(both|FlagPendingCancel, "a")}, ErrCancelFirst, 7, 0, "", 9},
	{"long whole stub", set{MaxStub: 3}, []frag{f(both, "abcd")}, ErrStubLong, 7, 1, "abcd", 9},
	{"long first stub", set{MaxStub: 3}, []frag{f(first, "abcd")}, ErrStubLong, 7, 1, "abcd", 9},
	{"long stub in all", set{MaxStub: 3}, []frag{f(first, "ab"), f(0, "cd")}, ErrStubLong, 7, 1, "ab", 9},
	{"alloc_hint beyond the limit", set{}, []frag{{first, 7, 1, 9, "", 4<<20 + 1, Drep{}}}, ErrStubLong, 7, 1, "", 9},
	{"later alloc_hint beyond the limit", set{MaxStub: 4}, []frag{f(first, "ab"), {0, 7, 1, 9, "", 3, Drep{}}}, ErrStubLong, 7, 1, "ab", 9},
	{"too many fragments", set{MaxFragments: 2}, []frag{f(first, ""), f(0, ""), f(0, "")}, ErrFragments, 7, 1, "", 9},
}

func TestReassembler(t *testing.T) {
	for _, c := range reassembled {
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
