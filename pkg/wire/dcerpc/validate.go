// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file decides whether the first PDU of a connection may be given to a
// worker. Broker and workers share the one function: a PDU that it passes does
// not harm an unmodified Samba worker, and it refuses no client that works.

// Bind is what routing needs of a bind PDU (C706 12.6.4.3).
type Bind struct {
	BigEndian  bool   // integers of the PDU are big-endian
	FragLength int    // bytes of the PDU
	AuthLength int    // bytes of auth_value, without the 8 bytes before it
	CallID     uint32 // call_id, to be repeated in an answer
	MaxXmit    uint16 // max_xmit_frag
	MaxRecv    uint16 // max_recv_frag
	AssocGroup uint32 // assoc_group_id, 0 asks for a new group
	Contexts   int    // presentation contexts
}

// All that Validate can find wrong.
var (
	RejectVersion  = &Reject{Cause: "first byte is not DCE/RPC version 5", Nak: true, Reason: ReasonProtocolError}
	RejectType     = &Reject{Cause: "unknown DCE/RPC PDU type"}
	RejectNotBind  = &Reject{Cause: "first DCE/RPC PDU is not a bind", Nak: true, Reason: ReasonProtocolError}
	RejectShort    = &Reject{Cause: "frag_length is shorter than a bind", Nak: true, Reason: ReasonProtocolError}
	RejectAuth     = &Reject{Cause: "auth_length is beyond frag_length", Nak: true, Reason: ReasonProtocolError}
	RejectContexts = &Reject{Cause: "presentation contexts are beyond frag_length", Nak: true, Reason: ReasonProtocolError}
)

// Validate looks at the first PDU in b, the first bytes of a connection.
//
// need > 0: what is there is good, but need bytes in all have to be; call again
// with more (need is above len(b), and a later call may ask for more still).
// rej: not acceptable; with rej.Nak, BigEndian and CallID are valid. Otherwise
// bind describes a PDU that is complete in b; bytes may follow it.
//
// What is refused is refused with the first bytes that show it: an unknown type
// with 3, what deserves a bind_nak, as another version does, with the 16 bytes
// that its answer needs. rpc_vers_minor, flags, sizes, syntaxes
// and the content of the auth trailer are the worker's business.
func Validate(b []byte) (bind Bind, need int, rej *Reject) {
	if len(b) > 2 && b[0] == rpcVersion && b[2] > lastPType {
		return bind, 0, RejectType
	}
	if len(b) < HeaderSize {
		return bind, HeaderSize, nil
	}
	big := b[4]&drepLittle == 0
	bind.BigEndian = big
	bind.FragLength = int(u16(b[8:], big))
	bind.AuthLength = int(u16(b[10:], big))
	bind.CallID = u32(b[12:], big)
	if b[0] != rpcVersion {
		return bind, 0, RejectVersion
	}
	if b[2] != PTypeBind {
		return bind, 0, RejectNotBind
	}
	if bind.FragLength < minBind {
		return bind, 0, RejectShort
	}
	end := bind.FragLength // of what is not the auth trailer
	if bind.AuthLength != 0 {
		if end -= authTrailer + bind.AuthLength; end < minBind {
			return bind, 0, RejectAuth
		}
	}
	if len(b) < minBind {
		return bind, bind.FragLength, nil
	}
	bind.MaxXmit = u16(b[16:], big)
	bind.MaxRecv = u16(b[18:], big)
	bind.AssocGroup = u32(b[20:], big)
	bind.Contexts = int(b[24])
	return checkContexts(b, bind, end)
}

// checkContexts walks the presentation contexts (p_cont_elem_t, C706 12.6.3.1),
// which have to lie before end.
func checkContexts(b []byte, bind Bind, end int) (Bind, int, *Reject) {
	off := contextsOff
	for i := bind.Contexts; i > 0; i-- {
		if off+i*contextSize > end { // not even without transfer syntaxes
			return bind, 0, RejectContexts
		}
		if off+2 >= len(b) {
			return bind, bind.FragLength, nil
		}
		off += contextSize + syntaxSize*int(b[off+2])
		if off > end {
			return bind, 0, RejectContexts
		}
	}
	if len(b) < bind.FragLength {
		return bind, bind.FragLength, nil
	}
	return bind, 0, nil
}
