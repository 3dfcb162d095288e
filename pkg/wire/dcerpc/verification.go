// SPDX-License-Identifier: Apache-2.0

package dcerpc

import "bytes"

// This file owns the verification trailer (rpc_sec_verification_trailer, MS-RPCE
// 2.2.2.13), which a client appends to the stub of a call that is signed: with it
// the signature covers what was negotiated without one. It is aligned to 4 bytes
// and consists of a signature and commands, u16 kind and u16 length before each. It
// is little-endian whatever the stub is.

// Kinds of commands.
const (
	verifyEnd    = 0x4000 // the last one
	verifyMust   = 0x8000 // a server that does not know it has to refuse the call
	verifyKind   = 0x3fff
	verifyBits   = 1 // u32, bit 0: the client supports header signing
	verifySyntax = 2 // interface and transfer syntax of the context
	verifyHeader = 3 // ptype, u8 0, u16 0, drep, call_id, p_cont_id, opnum
)

var verifyMagic = []byte{0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71}

// verifyMax is how far from the end of a stub the trailer may begin, in bytes, as in Samba.
const verifyMax = 1024

// ErrVerification is for a trailer that does not agree with what came.
var ErrVerification = &Reject{Cause: "the verification trailer of a call does not agree with the call", Fault: FaultAccessDenied}

// CutVerification returns the stub of a call without its verification trailer, if
// there is one, and checks this: against the call's header, the syntaxes of its
// context and whether header signing was agreed on.
func CutVerification(c *Call, abstract, transfer SyntaxID, signHeader bool) ([]byte, *Reject) {
	at := findVerification(c.Stub)
	if at < 0 {
		return c.Stub, nil
	}
	b := c.Stub[at+len(verifyMagic):]
	for {
		if len(b) < 4 {
			return nil, ErrVerification
		}
		command, n := u16(b, false), int(u16(b[2:], false))
		if len(b)-4 < n || !verified(c, command, b[4:4+n], abstract, transfer, signHeader) {
			return nil, ErrVerification
		}
		if b = b[4+n:]; command&verifyEnd != 0 {
			return c.Stub[:at:at], nil
		}
	}
}

// findVerification is where the trailer begins, -1 without one: at the last
// signature that there is.
func findVerification(stub []byte) int {
	last := (len(stub) - len(verifyMagic)) &^ 3
	for at := last; at >= max(0, len(stub)-verifyMax); at -= 4 {
		if bytes.Equal(stub[at:at+len(verifyMagic)], verifyMagic) {
			return at
		}
	}
	return -1
}

func verified(c *Call, command uint16, b []byte, abstract, transfer SyntaxID, signHeader bool) bool {
	switch command & verifyKind {
	case verifyBits:
		// A client that supports it has asked for it.
		return len(b) == 4 && (u32(b, false)&1 == 0 || signHeader)
	case verifySyntax:
		return len(b) == 2*syntaxSize && readSyntax(b, false) == abstract && readSyntax(b[syntaxSize:], false) == transfer
	case verifyHeader:
		return len(b) == 16 && b[0] == PTypeRequest && Drep(b[4:8]) == c.Drep && u32(b[8:], false) == c.CallID &&
			u16(b[12:], false) == c.ContextID && u16(b[14:], false) == c.Opnum
	}
	return command&verifyMust == 0
}
