// SPDX-License-Identifier: Apache-2.0

package dcerpc

// What real clients and Samba 4.17.12 send: see tests/vectors/README.md.

import (
	"bytes"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

var (
	epm  = SyntaxID{uuid.MustParse("e1af8308-5d1f-11c9-91a4-08002b14a0fa"), 3}
	mgmt = SyntaxID{uuid.MustParse("afa8bd80-7d8a-11c9-bef4-08002b102989"), 1}
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	return vectors.Read(t, "pdu/"+name)
}

// captured are all PDUs of the vectors, alone and one after the other.
func captured(t testing.TB) map[string][]byte {
	t.Helper()
	m := map[string][]byte{}
	for p, b := range vectors.Match(t, "pdu/*") {
		m[path.Base(p)] = b
	}
	return m
}

// TestWritesWhatSambaWrites decodes every captured PDU and encodes it again.
func TestWritesWhatSambaWrites(t *testing.T) {
	for name, b := range captured(t) {
		if name == "bind_nak.minor.sent" || name == "bind_nak.no_context.sent" {
			continue // see TestAnswersAsSamba
		}
		for len(b) > 0 {
			p, need, rej := Parse(b, 0)
			if need != 0 || rej != nil {
				t.Fatalf("%s: need %d, %v", name, need, rej)
			}
			b = b[p.FragLength:]
			if again, rej := reencode(p); rej != nil || !bytes.Equal(again, p.Raw) {
				t.Errorf("%s: %v\n%x\n%x", name, rej, p.Raw, again)
			}
		}
	}
	for name, pdu := range capturedBinds(t) {
		if again, rej := reencode(parse(t, pdu)); rej != nil || !bytes.Equal(again, pdu) {
			t.Errorf("%s: %v\n%x\n%x", name, rej, pdu, again)
		}
	}
}

// TestAnswersAsSamba refuses what Samba refused, and answers in its words.
func TestAnswersAsSamba(t *testing.T) {
	for name, want := range map[string]*Reject{
		"fault.unknown_context":      ErrUnknownContext,
		"fault.op_range":             ErrOpnum,
		"fault.stub":                 ErrStub,
		"fault.proto_error":          ErrNotFirst,
		"fault.second_first":         ErrSecondFirst,
		"fault.stub_long":            ErrStubLong,
		"fault.cancel_first":         ErrCancelFirst,
		"fault.frag_long":            ErrFragLong,
		"fault.drep":                 ErrDrepChanged,
		"fault.response_from_client": ErrUnexpected,
		"bind_nak.minor":             ErrMinorVersion,
		"bind_nak.auth_type":         ErrAuthType,
		"bind_nak.second":            ErrSecondBind,
		"bind_nak.no_context":        ErrNoContext,
		"bind_nak.no_transfer":       ErrNoTransfer,
		"bind_nak.feature_twice":     ErrFeatureTwice,
	} {
		t.Run(name, func(t *testing.T) {
			rej, h, contextID := refuse(read(t, name+".sent"))
			if rej != want && !forTheServer[want] || rej != nil && forTheServer[want] {
				t.Fatalf("%v, want %v", rej, want)
			}
			check.Same(t, read(t, name+".answer"), want.AppendAnswer(nil, h, contextID))
		})
	}
}

// forTheServer are those that need more than the PDU to be found.
var forTheServer = map[*Reject]bool{ErrUnknownContext: true, ErrOpnum: true, ErrStub: true, ErrAuthType: true, ErrSecondBind: true, ErrNoTransfer: true, ErrFeatureTwice: true}

// refuse is a server that has no context but 0.
func refuse(b []byte) (*Reject, Header, uint16) {
	var r Reassembler
	for {
		p, _, rej := Parse(b, FragSizeTCP)
		if rej != nil {
			return rej, p.Header, 0
		}
		b = b[p.FragLength:]
		switch p.Type {
		case PTypeBind:
			_, _, rej = ParseBind(p)
			return rej, p.Header, 0
		case PTypeRequest:
			q, rej := ParseRequest(p)
			if rej != nil {
				return rej, p.Header, 0
			}
			if call, done, rej := r.Add(p.Header, q); rej != nil || done {
				return rej, call.Header, 0
			}
		default:
			return ErrUnexpected, p.Header, 0
		}
	}
}

func TestCapturedBinds(t *testing.T) {
	p := parse(t, read(t, "bind_ack.features.sent"))
	o, l, rej := ParseBind(p)
	if rej != nil || o != (Offer{MaxXmit: 2048, MaxRecv: 2048}) || l.Len() != 3 || p.Flags != 3|FlagMultiplex {
		t.Fatalf("%+v, %v", o, rej)
	}
	want := []Presentation{{0, epm, []SyntaxID{NDR}}, {1, epm, []SyntaxID{NDR64}}, {2, epm, []SyntaxID{FeatureSyntax(3)}}}
	check.Same(t, want, presentations(l))
	a, rl, rej := ParseBindAck(parse(t, read(t, "bind_ack.features.answer")))
	if rej != nil || a.MaxXmit != 2048 || a.AssocGroup != 0xe397 || string(a.SecondaryAddr) != "135" {
		t.Errorf("%+v, %v", a, rej)
	}
	check.Same(t, []Result{Accept(NDR), Refuse(WhyTransfer), FeatureResult(3)}, results(rl))
	check.Is(t, "fragments bytes", a.MaxXmit, ServerFragSize(FragSizeTCP, o))

	p = parse(t, read(t, "seal.bind.sent"))
	if p.Flags&FlagSignHeader == 0 || p.Auth.Type != AuthNTLM || p.Auth.Level != LevelPrivacy || len(p.Auth.Value) != 40 {
		t.Errorf("%+v", p.Auth)
	}
	if b, err := mgmt.String(), NDR.String(); b != "afa8bd80-7d8a-11c9-bef4-08002b102989/0x00000001" || err != "8a885d04-1ceb-11c9-9fe8-08002b104860/0x00000002" {
		t.Error(b, err)
	}
	p = parse(t, read(t, "bind_ack.big_endian.sent"))
	if _, l, rej = ParseBind(p); rej != nil || !p.BigEndian() {
		t.Fatal(rej)
	}
	if c, ok := l.Next(); !ok || c.Abstract != epm || !c.Transfers.Contains(NDR) || c.Transfers.Contains(NDR64) {
		t.Errorf("%+v", c)
	}
}

func TestCapturedCalls(t *testing.T) {
	f, rej := ParseFault(parse(t, read(t, "fault.op_range.answer")))
	if d := cmp.Diff(Fault{AllocHint: 24, Status: NcaOpRange, Stub: []byte{}}, f); d != "" || rej != nil {
		t.Error(d, rej)
	}
	q, rej := ParseRequest(parse(t, read(t, "response.object.sent")))
	if rej != nil || q.Object.String() != "01234567-89ab-cdef-0123-456789abcdef" || q.Opnum != 2 || len(q.Stub) != 40 {
		t.Errorf("%+v, %v", q, rej)
	}
	r, rej := ParseResponse(parse(t, read(t, "sign.request.answer")))
	if rej != nil || len(r.Stub) != 24 || int(r.AllocHint) != len(r.Stub) {
		t.Errorf("%+v, %v", r, rej)
	}
	// Fragments, cut as Samba cuts them.
	all := read(t, "response.fragments.answer")
	var re Reassembler
	n := 0
	for b := all; len(b) > 0; n++ {
		p, _, _ := Parse(b, 2048)
		if r, rej = ParseResponse(p); rej != nil {
			t.Fatal(rej)
		}
		var done bool
		if r, done, rej = re.AddResponse(p.Header, r); rej != nil || done != (len(b) == int(p.FragLength)) {
			t.Fatal(done, rej)
		}
		b = b[p.FragLength:]
	}
	if n != 3 || int(r.AllocHint) != len(r.Stub) {
		t.Errorf("%d fragments, %d bytes", n, len(r.Stub))
	}
	if again := AppendFragments(nil, Header{Drep: LittleEndian, CallID: 5}, 0, r.Stub, 2048); !bytes.Equal(all, again) {
		t.Errorf("%d bytes, want %d", len(again), len(all))
	}
}
