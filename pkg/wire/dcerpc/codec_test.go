// SPDX-License-Identifier: Apache-2.0

package dcerpc

// Encoders against decoders, and what decoders refuse.

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

// gen makes values of all kinds, the same in each run.
type gen struct{ *rand.Rand }

func (g gen) bytes(max int) []byte {
	b := make([]byte, g.IntN(max+1))
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

func (g gen) uuid() uuid.UUID {
	var u uuid.UUID
	for i := range u {
		u[i] = byte(g.Uint32())
	}
	return u
}

func (g gen) syntax() SyntaxID { return SyntaxID{g.uuid(), g.Uint32()} }

func (g gen) header() Header {
	d := Drep{byte(g.IntN(2)) << 4, byte(g.IntN(4))}
	d[0] |= byte(g.IntN(2))
	return Header{Flags: byte(g.Uint32()), Drep: d, CallID: g.Uint32()}
}

func (g gen) presentations() (out []Presentation) {
	for range 1 + g.IntN(5) {
		p := Presentation{ID: uint16(g.Uint32()), Abstract: g.syntax()}
		for range g.IntN(4) {
			p.Transfers = append(p.Transfers, g.syntax())
		}
		out = append(out, p)
	}
	return out
}

// contents has a value for each type, bind_nak apart: it has no auth trailer.
func (g gen) contents(object bool) map[byte]any {
	q := Request{g.Uint32(), uint16(g.Uint32()), uint16(g.Uint32()), uuid.UUID{}, g.bytes(100)}
	if object {
		q.Object = g.uuid()
	}
	a := ack{Ack{uint16(g.Uint32()), uint16(g.Uint32()), g.Uint32(), append(bytes.Trim(g.bytes(20), "\x00"), 'x')}, nil}
	for range g.IntN(6) {
		a.results = append(a.results, Result{uint16(g.Uint32()), uint16(g.Uint32()), g.syntax()})
	}
	b := bind{Offer{uint16(g.Uint32()), uint16(g.Uint32()), g.Uint32()}, g.presentations()}
	return map[byte]any{
		PTypeBind: b, PTypeAlterContext: b, PTypeBindAck: a, PTypeAlterContextResp: a, PTypeRequest: q,
		PTypeResponse: Response{g.Uint32(), uint16(g.Uint32()), byte(g.Uint32()), g.bytes(100)},
		PTypeFault:    Fault{1 + g.Uint32()>>1, uint16(g.Uint32()), byte(g.Uint32()), byte(g.Uint32()), Status(g.Uint32()), g.bytes(30)},
		PTypeShutdown: nil, PTypeCancel: nil, PTypeOrphaned: nil, PTypeAuth3: nil,
	}
}

// TestDecodesWhatItEncodes encodes values, and an auth trailer behind each
// second one, and decodes them to the same values.
func TestDecodesWhatItEncodes(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(1, 2))}
	same := func(want, got any, rej *Reject) {
		t.Helper()
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.AllowUnexported(bind{}, ack{})); d != "" || rej != nil {
			t.Fatalf("%v\n%s", rej, d)
		}
	}
	for range 200 {
		h := g.header()
		contents := g.contents(h.Flags&FlagObject != 0)
		for _, h.Type = range slices.Sorted(maps.Keys(contents)) {
			b, a := encode(h, contents[h.Type]), Auth{}
			if g.IntN(2) == 0 {
				a = Auth{Type: byte(g.Uint32()), Level: byte(g.Uint32()), ContextID: g.Uint32(), Value: append(g.bytes(40), 1)}
				b, _ = AppendAuth(b, 0, a, len(a.Value))
			}
			p := parse(t, b)
			a.Pad = p.Auth.Pad
			same(a, p.Auth, nil)
			flags := h.Flags
			switch h.Type {
			case PTypeBind, PTypeAlterContext, PTypeBindAck, PTypeAlterContextResp, PTypeFault:
				flags |= FlagFirst | FlagLast
			}
			same(Header{h.Type, flags, h.Drep, uint16(len(b)), uint16(len(a.Value)), h.CallID}, p.Header, nil)
			got, rej := decode(p)
			if h.Type == PTypeAuth3 && len(a.Value) == 0 {
				same(ErrNoAuth, rej, nil)
				continue
			}
			same(contents[h.Type], got, rej)
		}
		n := BindNak{Reason: uint16(g.Uint32()), Versions: []byte{5, 0}}
		got, rej := decode(parse(t, encode(h, n)))
		same(n, got, rej)
	}
}

// body makes a PDU of ptype out of the bytes after the header.
func body(ptype, flags byte, b ...byte) PDU {
	h := Header{Flags: flags, Drep: LittleEndian}
	p, _, _ := Parse(finish(append(h.append(nil, ptype), b...), 0), 0)
	return p
}

func TestDecodersRefuse(t *testing.T) {
	bind := parse(t, read(t, "bind_ack.features.sent")).Body
	ack := parse(t, read(t, "bind_ack.features.answer")).Body
	other := body(PTypeShutdown, 3)
	_, _, aBind := ParseBind(other)
	_, _, anAck := ParseBindAck(other)
	_, aNak := ParseBindNak(other)
	_, aRequest := ParseRequest(other)
	_, aResponse := ParseResponse(other)
	_, aFault := ParseFault(other)
	for i, rej := range []*Reject{aBind, anAck, aNak, aRequest, aResponse, aFault, ParseAuth3(other)} {
		if rej != ErrUnexpected {
			t.Errorf("decoder %d of another type: %v", i, rej)
		}
	}
	for _, c := range []struct {
		name string
		p    PDU
		want *Reject
	}{
		{"bind without all fixed fields", body(PTypeBind, 3, bind[:8]...), ErrTruncated},
		{"bind of 25 bytes", body(PTypeBind, 3, with(bind, 8, 0)[:9]...), ErrNoContext},
		{"bind without context", body(PTypeBind, 3, with(bind, 8, 0)...), ErrNoContext},
		{"context missing", body(PTypeBind, 3, bind[:9]...), ErrContexts},
		{"context missing after padding", body(PTypeBind, 3, bind[:12]...), ErrContexts},
		{"context cut", body(PTypeBind, 3, bind[:len(bind)-1]...), ErrContexts},
		{"a context too many", body(PTypeBind, 3, with(bind, 8, 4)...), ErrContexts},
		{"255 transfer syntaxes", body(PTypeBind, 3, with(bind, 14, 255)...), ErrContexts},
		{"bytes after the contexts", body(PTypeBind, 3, append(bytes.Clone(bind), 1, 2, 3)...), nil},
		{"alter_context", body(PTypeAlterContext, 3, bind...), nil},

		{"bind_ack without all fixed fields", body(PTypeBindAck, 3, ack[:9]...), ErrTruncated},
		{"address beyond the PDU", body(PTypeBindAck, 3, with(ack, 8, 0xff, 0xff)...), ErrTruncated},
		{"no result list", body(PTypeBindAck, 3, ack[:16]...), ErrTruncated},
		{"result cut", body(PTypeBindAck, 3, ack[:len(ack)-1]...), ErrTruncated},
		{"255 results", body(PTypeBindAck, 3, with(ack, 16, 255)...), ErrTruncated},
		{"alter_context_resp", body(PTypeAlterContextResp, 3, ack...), nil},

		{"bind_nak without reason", body(PTypeBindNak, 3, 1), ErrTruncated},
		{"bind_nak without versions", body(PTypeBindNak, 3, 1, 0), nil},
		{"bind_nak with versions cut", body(PTypeBindNak, 3, 1, 0, 2, 5, 0), nil},
		{"request without all fixed fields", body(PTypeRequest, 3, make([]byte, 7)...), ErrTruncated},
		{"object cut", body(PTypeRequest, 3|FlagObject, make([]byte, 23)...), ErrTruncated},
		{"request without stub", body(PTypeRequest, 3, make([]byte, 8)...), nil},
		{"response without all fixed fields", body(PTypeResponse, 3, make([]byte, 7)...), ErrTruncated},
		{"fault without status", body(PTypeFault, 3, make([]byte, 11)...), ErrTruncated},
		{"fault without reserved bytes", body(PTypeFault, 3, make([]byte, 12)...), nil},
		{"auth3 without auth", body(PTypeAuth3, 3, 0, 0, 0, 0), ErrNoAuth},
	} {
		if _, rej := decode(c.p); rej != c.want {
			t.Errorf("%s: %v, want %v", c.name, rej, c.want)
		}
	}
}

func TestPaddingOfBindsCountsTheirContexts(t *testing.T) {
	p := parse(t, read(t, "sign.bind.sent"))
	most := byte(len(p.Raw) - padBase - authTrailer - len(p.Auth.Value))
	at := len(p.Raw) - len(p.Auth.Value) - 6
	for pad, want := range map[byte]*Reject{0: nil, most: nil, most + 1: ErrAuthPad, 255: ErrAuthPad} {
		if _, _, rej := Parse(with(p.Raw, at, pad), 0); rej != want {
			t.Errorf("%d bytes: %v", pad, rej)
		}
	}
	p = parse(t, read(t, "sign.auth3.sent"))
	if _, _, rej := Parse(with(p.Raw, len(p.Raw)-len(p.Auth.Value)-6, 1), 0); rej != ErrAuth3Pad {
		t.Error(rej)
	}
}

func TestExtendedErrorOfABindNak(t *testing.T) {
	b := append([]byte{8, 0, 1, 5, 0, 0, 0, 0}, nakSignature.AppendWire(nil, false)...)
	n, rej := ParseBindNak(body(PTypeBindNak, 3, append(b, "why"...)...))
	if rej != nil || n.Reason != ReasonAuthType || string(n.Extended) != "why" || !bytes.Equal(n.Versions, []byte{5, 0}) {
		t.Errorf("%+v, %v", n, rej)
	}
}

func TestReply(t *testing.T) {
	h := Header{PTypeBind, 0xff, Drep{0x11, 3}, 100, 20, 9}
	check.Is(t, "reply", (Header{Flags: FlagMultiplex, Drep: LittleEndian, CallID: 9}), h.Reply(FlagMultiplex))
}

func TestFeatures(t *testing.T) {
	for s, want := range map[SyntaxID]uint16{
		{uuid.MustParse("6cb71c2c-9812-4540-0300-000000000000"), 1}: FeatureSecurityMultiplexing | FeatureKeepOnOrphan,
		{uuid.MustParse("6cb71c2c-9812-4540-0000-000000000000"), 1}: 0,
		{uuid.MustParse("6cb71c2c-9812-4540-0102-000000000000"), 1}: 0x201,
	} {
		if f, ok := s.Features(); !ok || f != want || FeatureSyntax(want) != s {
			t.Errorf("%v: %x, %v", s, f, ok)
		}
	}
	for _, s := range []SyntaxID{NDR, NDR64, {}, {FeatureSyntax(3).UUID, 2}} {
		if f, ok := s.Features(); ok || f != 0 {
			t.Errorf("%v: %x", s, f)
		}
	}
	var none SyntaxList
	if none.At(0) != (SyntaxID{}) || none.At(-1) != (SyntaxID{}) || none.Contains(SyntaxID{}) {
		t.Error("a syntax in an empty list")
	}
	if NDR.Major() != 2 || NDR.Minor() != 0 || (SyntaxID{Version: 3<<16 | 1}).Minor() != 3 {
		t.Error("version")
	}
}

func TestWhatIsTooLongIsNotWritten(t *testing.T) {
	h := Header{Drep: LittleEndian}
	many := make([]Presentation, 300)
	if p := parse(t, AppendBind(nil, h, Offer{}, many)); p.Body[8] != 255 {
		t.Errorf("%d contexts", p.Body[8])
	}
	for i := range many {
		many[i].Transfers = make([]SyntaxID, 300)
	}
	for name, b := range map[string][]byte{
		"bind":     AppendBind([]byte("x"), h, Offer{}, many),
		"bind_ack": AppendBindAck([]byte("x"), h, Ack{SecondaryAddr: make([]byte, MaxPDU)}, nil),
		"address":  AppendBindAck([]byte("x"), h, Ack{SecondaryAddr: make([]byte, MaxPDU-1)}, nil),
		"request":  AppendRequest([]byte("x"), h, Request{Stub: make([]byte, MaxPDU-23)}),
		"response": AppendResponse([]byte("x"), h, Response{Stub: make([]byte, MaxPDU+1)}),
	} {
		if string(b) != "x" {
			t.Errorf("%s: %d bytes", name, len(b))
		}
	}
	if p := parse(t, AppendResponse(nil, h, Response{Stub: make([]byte, MaxPDU-24)})); p.FragLength != MaxPDU {
		t.Error(p.FragLength)
	}
	if f, rej := ParseFault(parse(t, AppendFault(nil, h, Fault{Stub: make([]byte, MaxPDU)}))); rej != nil || len(f.Stub) != 0 {
		t.Error(len(f.Stub), rej)
	}
}
