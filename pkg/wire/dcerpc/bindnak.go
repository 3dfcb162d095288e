// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"strconv"

	"msrpcd/pkg/wire/uuid"
)

// This file owns bind_nak, the one PDU that a broker sends itself.

// Reasons of a bind_nak, provider_reject_reason (C706 12.6.3.1, MS-RPCE 2.2.2.5).
const (
	ReasonNotSpecified  = 0
	ReasonCongestion    = 1 // temporary_congestion
	ReasonLocalLimit    = 2 // local_limit_exceeded
	ReasonAddress       = 3 // called_paddr_unknown
	ReasonProtocolError = 4 // protocol_version_not_supported, in MS-RPCE any protocol error in a bind
	ReasonDefaultCtx    = 5 // default_context_not_supported
	ReasonUserData      = 6 // user_data_not_readable
	ReasonNoPSAP        = 7 // no_psap_available
	ReasonAuthType      = 8 // authentication type not recognized (MS-RPCE)
	ReasonChecksum      = 9 // invalid checksum (MS-RPCE)
)

var reasonNames = [...]string{
	"reason not specified", "temporary congestion", "local limit exceeded",
	"address unknown", "protocol version not supported", "default context not supported",
	"user data not readable", "no access point available", "authentication type not recognized",
	"invalid checksum",
}

// ReasonName returns a reason of a bind_nak for people.
func ReasonName(reason uint16) string {
	if int(reason) < len(reasonNames) {
		return reasonNames[reason]
	}
	return "reason " + strconv.Itoa(int(reason))
}

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

// BindNak is a bind_nak as its receiver sees it.
type BindNak struct {
	Reason   uint16 // one of the Reason constants
	Versions []byte // two bytes, major and minor, for each supported version; can be empty
	Extended []byte // extended error information, nil without (MS-RPCE 2.2.2.9, MS-EERR)
}

// nakSignature says that extended error information follows.
var nakSignature = uuid.MustParse("90740320-fad0-11d3-82d7-009027b130ab")

// ParseBindNak reads a bind_nak. Versions that the PDU has no room for are left
// out: servers are in use that send nothing after the reason.
func ParseBindNak(p PDU) (n BindNak, rej *Reject) {
	b, big := p.Body, p.BigEndian()
	if p.Type != PTypeBindNak {
		return n, ErrUnexpected
	}
	if len(b) < 2 {
		return n, ErrTruncated
	}
	n.Reason = u16(b, big)
	if len(b) < 3 || len(b) < 3+2*int(b[2]) {
		return n, nil
	}
	end := 3 + 2*int(b[2])
	n.Versions = b[3:end:end]
	if ext := (end + 3) &^ 3; len(b) >= ext+uuid.Size && uuid.FromWire([uuid.Size]byte(b[ext:]), big) == nakSignature {
		n.Extended = b[ext+uuid.Size:]
	}
	return n, nil
}
