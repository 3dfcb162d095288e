// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"encoding/binary"
	"errors"
)

// Entry is the state of one waiting connection, as it stands in a message of
// the parking. All integers are little-endian:
//
//	00 u32 magic "MSRP" | 04 u16 version 1 | 06 u16 flags
//	08 u64 connection id (0: the marker of a round, without a descriptor)
//	10 u64 accepted, CLOCK_MONOTONIC in nanoseconds
//	18 u32 bytes of the NPA request read so far | 1c u16 length of the binding string | 1e u16 0
//	20 binding string, NPA bytes
//
// An entry has one descriptor, the connection. NPA bytes that do not fit are in
// a second one, a memfd, as FlagMemfd says.
type Entry struct {
	Flags    uint16
	ID       uint64
	Accepted int64  // CLOCK_MONOTONIC, nanoseconds
	Binding  []byte // of the listener it came from
	NPALen   uint32 // bytes of the NPA request that were read from the connection
	NPA      []byte // these bytes, empty with FlagMemfd
}

// Flags of an Entry.
const (
	FlagReplied = 1 << 0 // the NPA request is complete and answered
	FlagMemfd   = 1 << 1 // the NPA bytes are in a memfd

	allFlags = FlagReplied | FlagMemfd
)

const (
	magic      = 0x5052534d // "MSRP"
	version    = 1
	headerSize = 32

	// MaxBinding bounds the binding string.
	MaxBinding = 512
	// MaxInline is how many NPA bytes a message carries itself.
	MaxInline = 16 << 10
	// MaxNPA bounds the NPA bytes in all.
	MaxNPA = 1 << 20

	maxMessage = headerSize + MaxBinding + MaxInline
)

// ErrFormat says that a message is not an entry of this version.
var ErrFormat = errors.New("not a parking entry of this version")

// Append appends the encoded entry to dst.
func (e *Entry) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = binary.LittleEndian.AppendUint16(dst, version)
	dst = binary.LittleEndian.AppendUint16(dst, e.Flags)
	dst = binary.LittleEndian.AppendUint64(dst, e.ID)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Accepted))
	dst = binary.LittleEndian.AppendUint32(dst, e.NPALen)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(e.Binding)))
	dst = binary.LittleEndian.AppendUint16(dst, 0)
	dst = append(dst, e.Binding...)
	return append(dst, e.NPA...)
}

// Parse decodes a message; Binding and NPA point into b. ErrFormat otherwise.
func (e *Entry) Parse(b []byte) error {
	if len(b) < headerSize || binary.LittleEndian.Uint32(b) != magic || binary.LittleEndian.Uint16(b[4:]) != version {
		return ErrFormat
	}
	e.Flags = binary.LittleEndian.Uint16(b[6:])
	e.ID = binary.LittleEndian.Uint64(b[8:])
	e.Accepted = int64(binary.LittleEndian.Uint64(b[16:]))
	e.NPALen = binary.LittleEndian.Uint32(b[24:])
	n := int(binary.LittleEndian.Uint16(b[28:]))
	rest := b[headerSize:]
	if e.Flags&^allFlags != 0 || n > MaxBinding || n > len(rest) || e.NPALen > MaxNPA ||
		binary.LittleEndian.Uint16(b[30:]) != 0 {
		return ErrFormat
	}
	e.Binding, e.NPA = rest[:n:n], rest[n:]
	if e.Flags&FlagMemfd != 0 {
		if len(e.NPA) != 0 {
			return ErrFormat
		}
	} else if len(e.NPA) != int(e.NPALen) || len(e.NPA) > MaxInline {
		return ErrFormat
	}
	return nil
}
