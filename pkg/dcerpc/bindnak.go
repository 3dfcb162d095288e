// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file owns the one PDU that a broker sends itself.

// Reasons of a bind_nak, provider_reject_reason (C706 12.6.3.1, MS-RPCE 2.2.2.5).
const (
	ReasonNotSpecified  = 0
	ReasonLocalLimit    = 2 // local_limit_exceeded
	ReasonProtocolError = 4 // protocol_version_not_supported, in MS-RPCE any protocol error in a bind
)

// BindNakSize is the length of a bind_nak PDU in bytes.
const BindNakSize = 24

// AppendBindNak appends a bind_nak PDU (C706 12.6.4.5) in the given byte order
// that refuses the bind of callID. Its list of supported versions says 5.0, and
// three zero bytes make its length a multiple of four, as Windows and Samba
// send it. Nothing is allocated when dst has room for BindNakSize bytes.
func AppendBindNak(dst []byte, bigEndian bool, callID uint32, reason uint16) []byte {
	if bigEndian {
		return append(dst, rpcVersion, 0, PTypeBindNak, FlagFirst|FlagLast, 0, 0, 0, 0,
			0, BindNakSize, 0, 0,
			byte(callID>>24), byte(callID>>16), byte(callID>>8), byte(callID),
			byte(reason>>8), byte(reason), 1, rpcVersion, 0, 0, 0, 0)
	}
	return append(dst, rpcVersion, 0, PTypeBindNak, FlagFirst|FlagLast, drepLittle, 0, 0, 0,
		BindNakSize, 0, 0, 0,
		byte(callID), byte(callID>>8), byte(callID>>16), byte(callID>>24),
		byte(reason), byte(reason>>8), 1, rpcVersion, 0, 0, 0, 0)
}
