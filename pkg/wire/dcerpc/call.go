// SPDX-License-Identifier: Apache-2.0

package dcerpc

import "msrpcd/pkg/wire/uuid"

// This file owns the PDUs of calls: request, response and fault (C706
// 12.6.4.9, 12.6.4.10 and 12.6.4.7), each one fragment of a call.

// Lengths of what follows the header, in bytes.
const (
	callSize   = 8         // alloc_hint, p_cont_id, and opnum or cancel_count
	objectSize = uuid.Size // object UUID of a request
	faultSize  = 16        // callSize, status, reserved
	minFault   = 12        // without the reserved bytes
)

// Request is one fragment of a call, or a whole call.
type Request struct {
	AllocHint uint32    // bytes of stub from here to the call's end, 0 = not given; untrusted
	ContextID uint16    // p_cont_id
	Opnum     uint16    // number of the operation
	Object    uuid.UUID // with FlagObject, else zero
	Stub      []byte    // arguments, without auth padding
}

// ParseRequest reads a request.
func ParseRequest(p PDU) (q Request, rej *Reject) {
	b, big := p.Body, p.BigEndian()
	if p.Type != PTypeRequest {
		return q, ErrUnexpected
	}
	if len(b) < callSize {
		return q, ErrTruncated
	}
	q = Request{AllocHint: u32(b, big), ContextID: u16(b[4:], big), Opnum: u16(b[6:], big)}
	b = b[callSize:]
	if p.Flags&FlagObject != 0 {
		if len(b) < objectSize {
			return q, ErrTruncated
		}
		q.Object = uuid.FromWire([uuid.Size]byte(b), big)
		b = b[objectSize:]
	}
	q.Stub, rej = p.unpad(b)
	return q, rej
}

// unpad takes auth padding off a stub.
func (p *PDU) unpad(stub []byte) ([]byte, *Reject) {
	n := len(stub) - int(p.Auth.Pad)
	if n < 0 {
		return nil, ErrAuthPad
	}
	return stub[:n:n], nil
}

// AppendRequest appends a request with the flags of h, FlagObject among them if
// q.Object is to be sent. A stub that does not fit into MaxPDU is not sent at
// all: see Fragmenter.
func AppendRequest(dst []byte, h Header, q Request) []byte {
	start, big := len(dst), h.BigEndian()
	if len(q.Stub) > MaxPDU {
		return dst
	}
	dst = h.append(dst, PTypeRequest)
	dst = put32(dst, q.AllocHint, big)
	dst = put16(dst, q.ContextID, big)
	dst = put16(dst, q.Opnum, big)
	if h.Flags&FlagObject != 0 {
		dst = q.Object.AppendWire(dst, big)
	}
	return finish(append(dst, q.Stub...), start)
}

// Response is one fragment of a call's result, or a whole one.
type Response struct {
	AllocHint   uint32 // as in Request
	ContextID   uint16 // that of the request; Windows sends only its low byte
	CancelCount byte   // cancels that the server has seen
	Stub        []byte // results, without auth padding
}

// ParseResponse reads a response.
func ParseResponse(p PDU) (r Response, rej *Reject) {
	b, big := p.Body, p.BigEndian()
	if p.Type != PTypeResponse {
		return r, ErrUnexpected
	}
	if len(b) < callSize {
		return r, ErrTruncated
	}
	r = Response{AllocHint: u32(b, big), ContextID: u16(b[4:], big), CancelCount: b[6]}
	r.Stub, rej = p.unpad(b[callSize:])
	return r, rej
}

// AppendResponse appends a response with the flags of h, as AppendRequest does.
func AppendResponse(dst []byte, h Header, r Response) []byte {
	start, big := len(dst), h.BigEndian()
	if len(r.Stub) > MaxPDU {
		return dst
	}
	dst = h.append(dst, PTypeResponse)
	dst = put32(dst, r.AllocHint, big)
	dst = put16(dst, r.ContextID, big)
	dst = append(dst, r.CancelCount, 0)
	return finish(append(dst, r.Stub...), start)
}

// Fault is the answer to a call that failed.
type Fault struct {
	AllocHint   uint32 // 0 is written as FaultAllocHint
	ContextID   uint16 // as in Response, 0 where the call has none
	CancelCount byte   // as in Response
	Flags       byte   // FaultExtended
	Status      Status
	Stub        []byte // extended error information (MS-EERR), or what the interface defines
}

const (
	// FaultExtended says that Stub is extended error information (MS-RPCE 2.2.2.8).
	FaultExtended = 0x01
	// FaultAllocHint is what Samba sends; clients are not to see 0 here.
	FaultAllocHint = 24
)

// ParseFault reads a fault. The four reserved bytes after the status may be
// missing.
func ParseFault(p PDU) (f Fault, rej *Reject) {
	b, big := p.Body, p.BigEndian()
	if p.Type != PTypeFault {
		return f, ErrUnexpected
	}
	if len(b) < minFault {
		return f, ErrTruncated
	}
	f = Fault{
		AllocHint: u32(b, big), ContextID: u16(b[4:], big), CancelCount: b[6], Flags: b[7],
		Status: Status(u32(b[8:], big)),
	}
	f.Stub, rej = p.unpad(b[min(faultSize, len(b)):])
	return f, rej
}

// AppendFault appends a fault. To the flags of h, FlagNotExecuted at the most,
// first and last are added. A stub that does not fit is not sent.
func AppendFault(dst []byte, h Header, f Fault) []byte {
	start, big := len(dst), h.BigEndian()
	if f.AllocHint == 0 {
		f.AllocHint = FaultAllocHint
	}
	if len(f.Stub) > MaxPDU-HeaderSize-faultSize {
		f.Stub = nil
	}
	h.Flags |= FlagFirst | FlagLast
	dst = h.append(dst, PTypeFault)
	dst = put32(dst, f.AllocHint, big)
	dst = put16(dst, f.ContextID, big)
	dst = append(dst, f.CancelCount, f.Flags)
	dst = put32(dst, uint32(f.Status), big)
	dst = append(dst, 0, 0, 0, 0)
	return finish(append(dst, f.Stub...), start)
}
