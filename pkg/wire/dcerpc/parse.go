// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file takes a PDU apart into header, body and auth trailer, and sends
// and reads the types that have nothing more.

// PDU is one complete PDU. Its slices point into the bytes given to Parse.
type PDU struct {
	Header
	Raw  []byte // the whole PDU, FragLength bytes
	Body []byte // between header and auth trailer, auth padding included
	Auth Auth   // the auth trailer; zero when AuthLength is 0
}

// Parse takes the PDU at the beginning of b apart.
//
// need > 0: what is there is good, but need bytes in all have to be; call again
// with more. rej: not acceptable; p.Header is valid then if b has HeaderSize
// bytes, as rej.AppendAnswer needs it. Otherwise p is complete; bytes may
// follow it, from FragLength on. maxFrag is as in ParseHeader.
//
// The types that only clients or only servers send are all accepted here.
func Parse(b []byte, maxFrag int) (p PDU, need int, rej *Reject) {
	p.Header, need, rej = ParseHeader(b, maxFrag)
	if need != 0 || rej != nil {
		return p, need, rej
	}
	end := int(p.FragLength)
	if len(b) < end {
		return p, end, nil
	}
	p.Raw = b[:end:end]
	if p.AuthLength > 0 {
		end -= authTrailer + int(p.AuthLength)
		p.Auth = parseAuth(p.Raw[end:], p.BigEndian())
		if int(p.Auth.Pad) > max(0, end-padBase) {
			if p.Type == PTypeAuth3 {
				return p, 0, ErrAuth3Pad
			}
			return p, 0, ErrAuthPad
		}
	}
	p.Body = p.Raw[HeaderSize:end:end]
	return p, 0, nil
}

// padBase is where padding can begin at the earliest. It is the same for all
// types, since binds are in use whose auth_pad_length counts their contexts.
const padBase = 24

// StubOffset returns where the stub begins in a request, response or fault with
// these flags, counted from the PDU's first byte; HeaderSize for other types.
// What security protects are the bytes from there to the auth trailer, auth
// padding included.
func StubOffset(ptype, flags byte) int {
	switch {
	case ptype == PTypeFault:
		return HeaderSize + faultSize
	case ptype == PTypeRequest && flags&FlagObject != 0:
		return HeaderSize + callSize + objectSize
	case ptype == PTypeRequest, ptype == PTypeResponse:
		return HeaderSize + callSize
	}
	return HeaderSize
}

// ParseAuth3 checks an auth3 (MS-RPCE 2.2.2.10). All it carries is the auth
// trailer in p.Auth; its four bytes of padding are not looked at.
func ParseAuth3(p PDU) *Reject {
	if p.Type != PTypeAuth3 {
		return ErrUnexpected
	}
	if p.AuthLength == 0 {
		return ErrNoAuth
	}
	return nil
}

// AppendAuth3 appends an auth3 without its auth trailer, which AppendAuth has
// to add.
func AppendAuth3(dst []byte, h Header) []byte {
	start := len(dst)
	return finish(append(h.append(dst, PTypeAuth3), 0, 0, 0, 0), start)
}

// AppendShutdown appends a shutdown, by which a server asks its client to end
// the connection when its calls are done (C706 12.6.4.11).
func AppendShutdown(dst []byte, h Header) []byte {
	return finish(h.append(dst, PTypeShutdown), len(dst))
}

// AppendCancel appends a co_cancel: the client asks to cancel call h.CallID
// (C706 12.6.4.6).
func AppendCancel(dst []byte, h Header) []byte {
	return finish(h.append(dst, PTypeCancel), len(dst))
}

// AppendOrphaned appends an orphaned: the client gives call h.CallID up, and
// sends no more fragments of it (C706 12.6.4.8).
func AppendOrphaned(dst []byte, h Header) []byte {
	return finish(h.append(dst, PTypeOrphaned), len(dst))
}
