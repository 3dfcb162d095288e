// SPDX-License-Identifier: Apache-2.0

package dcerpc

import "msrpcd/pkg/wire/uuid"

// This file cuts the stub of a call into fragments.

// Fragmenter writes the fragments of one request or response. Its fields are
// set once; Next and Append do the rest.
//
// A stub is cut at multiples of 16 bytes, so that fragments need no auth
// padding, the last one excepted. alloc_hint is what is left of the stub, as
// MS-RPCE 2.2.2.6 wants it. Of p_cont_id a response has the low byte alone, as
// from Windows and Samba.
type Fragmenter struct {
	Header      Header    // Type PTypeRequest or PTypeResponse, flags without first and last
	ContextID   uint16    // p_cont_id
	Opnum       uint16    // of a request
	Object      uuid.UUID // of a request with FlagObject
	CancelCount byte      // of a response
	Stub        []byte    // what is still to be sent
	MaxXmit     int       // longest fragment that the peer takes, bytes; less than MustRecvFragSize counts as that

	Auth    Auth // auth trailer of every fragment; Value is not sent, it depends on the fragment
	AuthLen int  // bytes of auth_value, 0 = no auth trailer

	started bool
}

// Next appends the next fragment. more is false with the last one. value is the
// room for auth_value at the fragment's end, zeros, to be filled in by whoever
// protects it before Next is called again; nil without auth trailer.
//
// An empty stub makes one fragment. After the last one the Fragmenter starts
// again with an empty stub.
func (f *Fragmenter) Next(dst []byte) (out, value []byte, more bool) {
	start := len(dst)
	h := f.Header
	h.Flags &^= FlagFirst | FlagLast
	if !f.started {
		h.Flags |= FlagFirst
	}
	n := f.room(h)
	if n >= len(f.Stub) {
		n = len(f.Stub)
		h.Flags |= FlagLast
	} else {
		more = true
	}
	f.started = more
	hint, stub := uint32(len(f.Stub)), f.Stub[:n]
	f.Stub = f.Stub[n:]
	if h.Type == PTypeRequest {
		out = AppendRequest(dst, h, Request{AllocHint: hint, ContextID: f.ContextID, Opnum: f.Opnum, Object: f.Object, Stub: stub})
	} else {
		out = AppendResponse(dst, h, Response{AllocHint: hint, ContextID: f.ContextID & 0xff, CancelCount: f.CancelCount, Stub: stub})
	}
	if f.AuthLen > 0 {
		a := f.Auth
		a.Value = nil
		out, value = AppendAuth(out, start, a, f.AuthLen)
	}
	return out, value, more
}

// room returns how many bytes of stub go into a fragment.
func (f *Fragmenter) room(h Header) int {
	n := min(max(f.MaxXmit, MustRecvFragSize), MaxPDU) - StubOffset(h.Type, h.Flags)
	if f.AuthLen > 0 {
		n -= authTrailer + f.AuthLen
	}
	return max(n&^(StubAlign-1), StubAlign)
}

// Append appends all fragments that are left. It is for those without auth
// trailer, or with one that stays zero.
func (f *Fragmenter) Append(dst []byte) []byte {
	for more := true; more; {
		dst, _, more = f.Next(dst)
	}
	return dst
}

// AppendFragments appends the fragments of a response without auth trailer to
// the call with header request, in its byte order, see Reply. maxXmit is what ServerFragSize
// agreed on, in bytes.
func AppendFragments(dst []byte, request Header, contextID uint16, stub []byte, maxXmit int) []byte {
	f := Fragmenter{Header: request.Reply(0), ContextID: contextID, Stub: stub, MaxXmit: maxXmit}
	f.Header.Type = PTypeResponse
	return f.Append(dst)
}
