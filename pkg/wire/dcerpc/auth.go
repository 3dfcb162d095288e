// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file owns the auth trailer: sec_trailer and the token after it (C706
// 13.2.6.1, MS-RPCE 2.2.2.11). It carries them; what they mean is the business
// of an authenticator.

// Authentication services, auth_type (MS-RPCE 2.2.1.1.7). 200 is Samba's own.
const (
	AuthNone       = 0
	AuthSPNEGO     = 9
	AuthNTLM       = 10
	AuthKerberos   = 16
	AuthSchannel   = 68
	AuthNcalrpcSys = 200 // ncalrpc_as_system
)

// Authentication levels, auth_level (MS-RPCE 2.2.1.1.8). Over a connection
// LevelCall is LevelPacket.
const (
	LevelNone      = 1
	LevelConnect   = 2
	LevelCall      = 3
	LevelPacket    = 4
	LevelIntegrity = 5
	LevelPrivacy   = 6
)

// Auth is an auth trailer.
type Auth struct {
	Type      byte   // auth_type
	Level     byte   // auth_level
	Pad       byte   // auth_pad_length, bytes of padding before the trailer
	ContextID uint32 // auth_context_id, which security context of the connection
	Value     []byte // auth_value, the token
}

// parseAuth reads a trailer of at least 8 bytes. auth_reserved is not looked at.
func parseAuth(b []byte, big bool) Auth {
	return Auth{
		Type: b[0], Level: b[1], Pad: b[2], ContextID: u32(b[4:], big),
		Value: b[authTrailer:len(b):len(b)],
	}
}

// Auth padding: stubs to a multiple of 16 bytes, as Windows and Samba do, so
// that block ciphers have whole blocks; everything else so that the trailer
// begins at a multiple of 4 in the PDU (MS-RPCE 2.2.2.11).
const (
	StubAlign  = 16
	otherAlign = 4
)

// AppendAuth adds an auth trailer to the PDU that begins at dst[start] and goes
// to the end of dst, as an Append function of this package left it: padding,
// sec_trailer, and n bytes of auth_value, which are the beginning of a.Value,
// then zeros. frag_length and auth_length are set; a.Pad is not looked at.
//
// value is auth_value in out, to be filled in when the rest of the PDU is
// known to sign it. It is nil, and out is dst, if the PDU would be too long, or
// there is none at start. With n = 0 the trailer is there and auth_length is 0,
// as in the last answer of a handshake.
func AppendAuth(dst []byte, start int, a Auth, n int) (out, value []byte) {
	if n < 0 || start < 0 || len(dst)-start < HeaderSize || len(dst)-start+StubAlign+authTrailer+n > MaxPDU {
		return dst, nil
	}
	out = dst
	ptype, flags, big := out[start+2], out[start+3], out[start+4]&drepLittle == 0
	body := len(out)
	if stub := StubOffset(ptype, flags); stub > HeaderSize {
		out = align(out, start+stub, StubAlign)
	} else {
		out = align(out, start, otherAlign)
	}
	out = append(out, a.Type, a.Level, byte(len(out)-body), 0)
	out = put32(out, a.ContextID, big)
	trailer := len(out)
	out = append(out, a.Value[:min(n, len(a.Value))]...)
	for rest := trailer + n - len(out); rest > 0; rest = trailer + n - len(out) {
		out = append(out, zeros[:min(rest, len(zeros))]...)
	}
	set16(out[start+8:], uint16(len(out)-start), big)
	set16(out[start+10:], uint16(n), big)
	return out, out[trailer:]
}
