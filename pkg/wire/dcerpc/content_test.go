// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file turns PDUs of every type into values that can be compared, and back.

import "testing"

// parse takes the one PDU that b has to be.
func parse(t testing.TB, b []byte) PDU {
	t.Helper()
	p, need, rej := Parse(b, 0)
	if need != 0 || rej != nil || int(p.FragLength) != len(b) {
		t.Fatalf("need %d, %v, %d of %d bytes", need, rej, p.FragLength, len(b))
	}
	return p
}

// bind and ack are a bind and its answer, or an alter_context and its, with
// their lists.
type bind struct {
	Offer
	contexts []Presentation
}

type ack struct {
	Ack
	results []Result
}

// decode makes of p what the decoder of its type does; nil where there is
// nothing but the header.
func decode(p PDU) (any, *Reject) {
	switch p.Type {
	case PTypeBind, PTypeAlterContext:
		o, l, rej := ParseBind(p)
		return bind{o, presentations(l)}, rej
	case PTypeBindAck, PTypeAlterContextResp:
		a, l, rej := ParseBindAck(p)
		return ack{a, results(l)}, rej
	case PTypeBindNak:
		return boxed(ParseBindNak(p))
	case PTypeRequest:
		return boxed(ParseRequest(p))
	case PTypeResponse:
		return boxed(ParseResponse(p))
	case PTypeFault:
		return boxed(ParseFault(p))
	case PTypeAuth3:
		return nil, ParseAuth3(p)
	case PTypeShutdown, PTypeCancel, PTypeOrphaned:
		return nil, nil
	}
	return nil, ErrUnexpected
}

func boxed[T any](v T, rej *Reject) (any, *Reject) { return v, rej }

// encode writes v with the encoder of h's type.
func encode(h Header, v any) []byte {
	switch v := v.(type) {
	case bind:
		if h.Type == PTypeAlterContext {
			return AppendAlterContext(nil, h, v.Offer, v.contexts)
		}
		return AppendBind(nil, h, v.Offer, v.contexts)
	case ack:
		if h.Type == PTypeAlterContextResp {
			return AppendAlterContextResp(nil, h, v.Ack, v.results)
		}
		return AppendBindAck(nil, h, v.Ack, v.results)
	case BindNak:
		return AppendBindNak(nil, h.BigEndian(), h.CallID, v.Reason)
	case Request:
		return AppendRequest(nil, h, v)
	case Response:
		return AppendResponse(nil, h, v)
	case Fault:
		return AppendFault(nil, h, v)
	}
	return map[byte]func([]byte, Header) []byte{
		PTypeAuth3: AppendAuth3, PTypeShutdown: AppendShutdown, PTypeCancel: AppendCancel, PTypeOrphaned: AppendOrphaned,
	}[h.Type](nil, h)
}

// reencode writes what a decoder makes of p with its encoder. No two contexts
// or results are told apart by bytes that C706 wants to be zero.
func reencode(p PDU) ([]byte, *Reject) {
	v, rej := decode(p)
	if rej != nil {
		return nil, rej
	}
	b := encode(p.Header, v)
	if p.AuthLength == 0 {
		return b, nil
	}
	b, _ = AppendAuth(b, 0, p.Auth, len(p.Auth.Value))
	// A peer may call more padding than there has to be.
	if end := len(p.Raw) - authTrailer - len(p.Auth.Value); len(b) == len(p.Raw) && b[end+2] == p.Auth.Pad {
		copy(b[end-int(p.Auth.Pad):end], p.Raw[end-int(p.Auth.Pad):]) // enciphered padding
	}
	return b, nil
}

func presentations(l ContextList) (out []Presentation) {
	for c, ok := l.Next(); ok; c, ok = l.Next() {
		p := Presentation{ID: c.ID, Abstract: c.Abstract}
		for i := range c.Transfers.Len() {
			p.Transfers = append(p.Transfers, c.Transfers.At(i))
		}
		out = append(out, p)
	}
	return out
}

func results(l ResultList) (out []Result) {
	for r, ok := l.Next(); ok; r, ok = l.Next() {
		out = append(out, r)
	}
	return out
}
