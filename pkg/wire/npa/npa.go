// SPDX-License-Identifier: Apache-2.0

package npa

import "encoding/binary"

// This file owns the envelope, request.go the walk through a request as far as
// routing needs it, session.go the whole identity, identity.go the walk through
// it, sid.go its SIDs, and frame.go the message-mode framing that follows the
// reply. A request is an identity: it counts only when the peer is uid 0, which
// the caller checks. Nothing here reads outside its slice or, ParseSession
// apart, allocates for a good request.

// HeaderSize is the length of what stands before the named_pipe_auth_req_info:
// length, magic, level, level.
const HeaderSize = 16

// Levels of requests. Level 6 never was released, level 4 has no flags and ends
// with Samba 4.15, before there were rpcd programs.
const (
	Level5 = 5 // Samba 4.16.0 to 4.17.8, 4.18.0 to 4.18.2
	Level7 = 7 // Samba 4.17.9, 4.18.3, 4.19
	Level8 = 8 // Samba 4.20 and later
)

// NTSTATUS values of replies (MS-ERREF 2.3.1).
const (
	StatusOK           = 0x00000000 // STATUS_SUCCESS
	StatusInvalidLevel = 0xc0000148 // STATUS_INVALID_LEVEL
)

// What the pipe of an rpcd says about itself in a reply (MS-CIFS 2.2.4.64.2,
// NMPipeStatus): message type, message read mode, as many instances as wanted.
const (
	FileTypeMessage = 2
	DeviceState     = 0x05ff
	Allocation      = 4096
)

// Reject says why a request is refused. The values are predeclared; they can
// be compared and must not be changed.
type Reject struct {
	Cause string // a short constant, fit for a log record
	Reply []byte // to send before closing; nil: close at once
}

// All that Length, Parse and the framing functions can find wrong.
var (
	RejectMagic   = &Reject{Cause: "not a named pipe auth request"}
	RejectLong    = &Reject{Cause: "named pipe auth request is longer than the limit"}
	RejectLength  = &Reject{Cause: "named pipe auth request has a wrong length"}
	RejectLevel   = &Reject{Cause: "unknown level of named pipe auth request", Reply: AppendReply(nil, 0, 0, 0, 0, StatusInvalidLevel)}
	RejectRequest = &Reject{Cause: "malformed named pipe auth request"}
	RejectEmpty   = &Reject{Cause: "message of length 0 on a pipe"}
	RejectExcess  = &Reject{Cause: "bytes after the first PDU in its message"}
)

// Length says how long the request is whose first bytes are b, length field
// included, and refuses one of more than max bytes. 4 bytes are enough; 0 asks
// for more. Bytes of the magic that are there are checked too, so that what is
// no request is not waited for.
func Length(b []byte, max int) (total int, rej *Reject) {
	// Samba's own limit is 0xffffff, so the first byte is always 0.
	if len(b) > 0 && b[0] != 0 {
		return 0, RejectMagic
	}
	for i := 4; i < len(b) && i < 8; i++ {
		if b[i] != "NPAM"[i-4] {
			return 0, RejectMagic
		}
	}
	if len(b) < 4 {
		return 0, nil
	}
	total = 4 + int(binary.BigEndian.Uint32(b))
	if total < HeaderSize {
		return 0, RejectLength
	}
	if total > max {
		return 0, RejectLong
	}
	return total, nil
}

// ReplySize is the longest reply in bytes.
const ReplySize = 36

// AppendReply appends the reply to a request of the given level, which is to
// be repeated: fileType 2 is message mode, deviceState and allocation are what
// SMB sends the client about the pipe (FileTypeMessage, DeviceState and
// Allocation for DCE/RPC), status is an NTSTATUS. Level 0 makes the shorter
// reply without pipe state that refuses a level.
func AppendReply(dst []byte, level uint32, fileType, deviceState uint16, allocation uint64, status uint32) []byte {
	size := uint32(ReplySize)
	if level == 0 {
		size = 20
	}
	dst = binary.BigEndian.AppendUint32(dst, size-4)
	dst = append(dst, "NPAM"...)
	dst = binary.LittleEndian.AppendUint32(dst, level)
	dst = binary.LittleEndian.AppendUint32(dst, level)
	if level != 0 {
		dst = binary.LittleEndian.AppendUint16(dst, fileType)
		dst = binary.LittleEndian.AppendUint16(dst, deviceState)
		dst = binary.LittleEndian.AppendUint32(dst, 0)
		dst = binary.LittleEndian.AppendUint64(dst, allocation)
	}
	return binary.LittleEndian.AppendUint32(dst, status)
}
