// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzParse decodes anything. What is accepted is encoded again and decoded to
// the same; more bytes never change what was refused or accepted.
func FuzzParse(f *testing.F) {
	for _, seeds := range []map[string][]byte{captured(f), capturedBinds(f)} {
		for _, b := range seeds {
			f.Add(b, 0)
			f.Add(b, FragSizeTCP)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, maxFrag int) {
		p, need, rej := Parse(b, maxFrag)
		if need != 0 && (rej != nil || need <= len(b)) {
			t.Fatalf("%d bytes are needed of %d, %v", need, len(b), rej)
		}
		if rej != nil {
			if answer := rej.AppendAnswer(nil, p.Header, 0); len(answer) > 0 {
				parse(t, answer)
			}
		}
		if len(b) > 0 {
			if _, _, before := Parse(b[:len(b)-1], maxFrag); before != nil && before != rej {
				t.Fatalf("one byte more turns %v into %v", before, rej)
			}
		}
		if need != 0 || rej != nil {
			return
		}
		again, rej := reencode(p)
		if rej != nil {
			return
		}
		// What was left out or means nothing is not written again.
		if len(again) == 0 {
			t.Fatalf("nothing is written for %+v", p.Header)
		}
		p2 := parse(t, again)
		twice, rej := reencode(p2)
		if rej != nil || !bytes.Equal(again, twice) {
			t.Fatalf("%v\n%x\n%x", rej, again, twice)
		}
		if p2.CallID != p.CallID || p2.Type != p.Type || p2.BigEndian() != p.BigEndian() {
			t.Fatalf("%+v, %+v", p.Header, p2.Header)
		}
		compare(t, p, p2)
	})
}

// compare decodes both, which have to say the same. What follows a fault's
// status or a bind_nak's reason need not be there, and is not always written.
func compare(t *testing.T, p, p2 PDU) {
	t.Helper()
	a, _ := decode(p)
	b, _ := decode(p2)
	ignore := cmp.Options{cmpopts.EquateEmpty(), cmp.AllowUnexported(bind{}, ack{}),
		cmpopts.IgnoreFields(Fault{}, "AllocHint", "ContextID", "CancelCount", "Flags", "Stub"), cmpopts.IgnoreFields(BindNak{}, "Versions", "Extended")}
	if d := cmp.Diff(a, b, ignore); d != "" {
		t.Fatal(d)
	}
}

// FuzzReassembler plays fragments, three bytes each (flags, call, length of
// stub), and keeps the books itself.
func FuzzReassembler(f *testing.F) {
	f.Add([]byte{first, 1, 3, 0, 1, 4, last, 1, 5, both, 2, 9}, false, false)
	f.Add([]byte{first, 1, 3, first, 2, 4}, true, false)
	f.Add([]byte{last, 1, 3, first, 2, 4, last, 3, 1}, true, true)
	f.Fuzz(func(t *testing.T, in []byte, multiplex, strict bool) {
		r := Reassembler{MaxStub: 1000, MaxFragments: 10, Multiplex: multiplex, Strict: strict}
		var want []byte
		var open bool
		var callID uint32
		n := 0
		for ; len(in) >= 3; in = in[3:] {
			flags, id := in[0], uint32(in[1]%4)
			stub := bytes.Repeat([]byte{in[1]}, int(in[2]))
			if !open {
				want, n = nil, 0
			}
			ok := open != (flags&FlagFirst != 0) && (open && id == callID || !open && flags&FlagPendingCancel == 0) &&
				len(want)+len(stub) <= 1000 && (n < 10 || !open)
			call, done, rej := r.Add(Header{Type: PTypeRequest, Flags: flags, CallID: id}, Request{Stub: stub})
			if ok != (rej == nil) || done != (ok && flags&FlagLast != 0) {
				t.Fatalf("flags %x, call %d, open %v: %v, %v", flags, id, open, done, rej)
			}
			if rej != nil {
				answer := parse(t, rej.AppendAnswer(nil, call.Header, call.ContextID))
				if answer.CallID != id && answer.CallID != callID {
					t.Fatalf("an answer to call %d", answer.CallID)
				}
				open = false
				continue
			}
			want, callID, n = append(want, stub...), id, n+1
			if open = !done; done && !bytes.Equal(call.Stub, want) {
				t.Fatalf("%x, want %x", call.Stub, want)
			}
		}
	})
}

// FuzzFragmenter cuts stubs and puts them together again.
func FuzzFragmenter(f *testing.F) {
	f.Add([]byte("stub"), 5840, 16, byte(0), true)
	f.Add(make([]byte, 10000), 0, 0, byte(FlagObject), false)
	f.Fuzz(func(t *testing.T, stub []byte, maxXmit, authLen int, flags byte, big bool) {
		h := Header{Type: PTypeRequest, Flags: flags &^ FlagPendingCancel, Drep: LittleEndian, CallID: 3}
		if big {
			h.Drep = BigEndian
		}
		authLen = max(0, min(authLen, 1000))
		fr := Fragmenter{Header: h, ContextID: 5, Opnum: 6, Stub: stub, MaxXmit: maxXmit, AuthLen: authLen}
		r := Reassembler{Strict: true, MaxStub: len(stub) + 1}
		for more := true; more; {
			var b, value []byte
			b, value, more = fr.Next(nil)
			p := parse(t, b)
			q, rej := ParseRequest(p)
			if rej != nil || len(value) != authLen || len(b) > max(maxXmit, MustRecvFragSize) || more && p.Auth.Pad != 0 {
				t.Fatalf("%+v, %v", p.Header, rej)
			}
			call, done, rej := r.Add(p.Header, q)
			if rej != nil || done == more || done && !bytes.Equal(call.Stub, stub) {
				t.Fatalf("%v, %v", done, rej)
			}
		}
	})
}
