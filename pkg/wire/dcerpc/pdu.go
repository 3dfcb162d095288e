// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file owns the constants of the common header and reads and writes
// integers in a PDU's own byte order.

// PDU types of connection-oriented DCE/RPC (C706 12.6.1, MS-RPCE 2.2.2.1).
const (
	PTypeRequest          = 0
	PTypeResponse         = 2
	PTypeFault            = 3
	PTypeBind             = 11
	PTypeBindAck          = 12
	PTypeBindNak          = 13
	PTypeAlterContext     = 14
	PTypeAlterContextResp = 15
	PTypeAuth3            = 16
	PTypeShutdown         = 17
	PTypeCancel           = 18
	PTypeOrphaned         = 19

	lastPType = 20 // RTS of ncacn_http (MS-RPCH 2.2.3)
)

// Flags of the common header, pfc_flags (C706 12.6.3.1).
const (
	FlagFirst         = 0x01 // PFC_FIRST_FRAG
	FlagLast          = 0x02 // PFC_LAST_FRAG
	FlagPendingCancel = 0x04 // PFC_PENDING_CANCEL, in a request
	FlagSignHeader    = 0x04 // PFC_SUPPORT_HEADER_SIGN, in bind, alter_context and their answers (MS-RPCE 2.2.2.3)
	FlagMultiplex     = 0x10 // PFC_CONC_MPX: several calls at once on the connection
	FlagNotExecuted   = 0x20 // PFC_DID_NOT_EXECUTE, in a fault: the call had no effect
	FlagMaybe         = 0x40 // PFC_MAYBE: no answer is wanted
	FlagObject        = 0x80 // PFC_OBJECT_UUID: an object UUID is before the stub of a request
)

// MaxPDU is the length of the longest PDU there can be, in bytes.
const MaxPDU = 65535

// HeaderSize is the length of the header that all PDUs begin with: rpc_vers,
// rpc_vers_minor, ptype, pfc_flags, drep[4], u16 frag_length, u16 auth_length,
// u32 call_id (C706 12.6.3.1).
const HeaderSize = 16

// TypeName returns C706's name of a PDU type, "unknown" for another number.
func TypeName(ptype byte) string {
	if int(ptype) < len(typeNames) && typeNames[ptype] != "" {
		return typeNames[ptype]
	}
	return "unknown"
}

var typeNames = [...]string{
	PTypeRequest: "request", PTypeResponse: "response", PTypeFault: "fault",
	PTypeBind: "bind", PTypeBindAck: "bind_ack", PTypeBindNak: "bind_nak",
	PTypeAlterContext: "alter_context", PTypeAlterContextResp: "alter_context_resp",
	PTypeAuth3: "auth3", PTypeShutdown: "shutdown", PTypeCancel: "co_cancel",
	PTypeOrphaned: "orphaned", lastPType: "rts",
}

// Lengths of the parts of PDUs, in bytes.
const (
	minBind     = 25 // header, max_xmit, max_recv, assoc_group_id, n_context_elem
	authTrailer = 8  // auth_type to auth_context_id, before auth_value (C706 13.2.6.1)
	contextsOff = 28 // first p_cont_elem_t of a bind
	contextSize = 24 // p_cont_id, n_transfer_syn, reserved, abstract_syntax
	syntaxSize  = 20 // p_syntax_id_t
)

const rpcVersion = 5

// drepLittle is the bit of drep[0] that says little-endian integers. The other
// bits of that nibble are not looked at: stock Samba does not either, and both
// must see the same numbers in the same bytes.
const drepLittle = 0x10

func u16(b []byte, big bool) uint16 {
	if _ = b[1]; big {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return uint16(b[0]) | uint16(b[1])<<8
}

func u32(b []byte, big bool) uint32 {
	if _ = b[3]; big {
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func put16(b []byte, v uint16, big bool) []byte {
	if big {
		return append(b, byte(v>>8), byte(v))
	}
	return append(b, byte(v), byte(v>>8))
}

func put32(b []byte, v uint32, big bool) []byte {
	if big {
		return append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
}

func set16(b []byte, v uint16, big bool) {
	if _ = b[1]; big {
		b[0], b[1] = byte(v>>8), byte(v)
	} else {
		b[0], b[1] = byte(v), byte(v>>8)
	}
}

// zeros is what padding is made of.
var zeros [16]byte

// align appends zeros until what is after start is a multiple of n, at most 16.
func align(b []byte, start, n int) []byte {
	if rest := (len(b) - start) % n; rest != 0 {
		b = append(b, zeros[:n-rest]...)
	}
	return b
}
