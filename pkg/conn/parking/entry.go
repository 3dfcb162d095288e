// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"encoding/binary"
	"errors"
	"time"
)

// Entry is one parked connection.
type Entry struct {
	Flags    uint16
	ID       uint64
	Accepted time.Duration // by CLOCK_MONOTONIC
	Binding  string        // of the listener it came from, up to 512 bytes
	StateLen uint32        // bytes of its state when it was parked: what the owner knows of it beside this
}

// FlagReplied says that the NPA request is complete and answered.
const FlagReplied = 1 << 0

// flagFile: the state is in a memfd of its own, not in the message.
const flagFile = 1 << 1

const (
	magic      = 0x5052534d // "MSRP"
	version    = 3
	headerSize = 8
	entrySize  = 28

	maxBinding = 512
	maxEntries = 253
	// maxInline bounds the states in one message, in bytes. With it a message
	// fits a socket's send buffer beside the one that it replaces.
	maxInline  = 32 << 10
	maxMessage = headerSize + maxEntries*(entrySize+maxBinding) + maxInline
)

// ErrFormat says that a message is not one of a parking of this version.
var ErrFormat = errors.New("not a message of a parking of this version")

// A message has all entries of one slot. All integers are little-endian:
//
//	00 u32 magic "MSRP" | 04 u16 version 3 | 06 u16 number of entries
//	entries, each:
//	  00 u64 connection id | 08 u64 accepted | 10 u32 bytes of state
//	  14 u16 bytes of binding | 16 u16 flags | 18 u32 0
//	  binding, and the state unless flagFile is set
//
// Its descriptors are those of the entries in order: the connection, and with
// flagFile a memfd that holds the state.

// appendHeader begins a message of n entries.
func appendHeader(dst []byte, n int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = binary.LittleEndian.AppendUint16(dst, version)
	return binary.LittleEndian.AppendUint16(dst, uint16(n))
}

// appendEntry encodes one entry with its state, none with flagFile.
func appendEntry(dst []byte, e *Entry, state []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, e.ID)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Accepted))
	dst = binary.LittleEndian.AppendUint32(dst, e.StateLen)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(e.Binding)))
	dst = binary.LittleEndian.AppendUint16(dst, e.Flags)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = append(dst, e.Binding...)
	return append(dst, state...)
}

// parsed is an entry as it was read; state points into the message.
type parsed struct {
	Entry
	state []byte
}

// parseMessage decodes a message of a lot; descriptors is how many belong to it.
func parseMessage(b []byte) (entries []parsed, descriptors int, err error) {
	if len(b) < headerSize || binary.LittleEndian.Uint32(b) != magic || binary.LittleEndian.Uint16(b[4:]) != version {
		return nil, 0, ErrFormat
	}
	n := int(binary.LittleEndian.Uint16(b[6:]))
	if n > maxEntries {
		return nil, 0, ErrFormat
	}
	entries = make([]parsed, 0, n)
	for b = b[headerSize:]; len(entries) < n; {
		if len(b) < entrySize {
			return nil, 0, ErrFormat
		}
		e := parsed{Entry: Entry{
			ID: binary.LittleEndian.Uint64(b), Accepted: time.Duration(binary.LittleEndian.Uint64(b[8:])),
			StateLen: binary.LittleEndian.Uint32(b[16:]), Flags: binary.LittleEndian.Uint16(b[22:]),
		}}
		nb, ns := int(binary.LittleEndian.Uint16(b[20:])), int(e.StateLen)
		if e.Flags&flagFile != 0 {
			ns = 0
			descriptors++
		}
		descriptors++
		if e.Flags&^(FlagReplied|flagFile) != 0 || binary.LittleEndian.Uint32(b[24:]) != 0 || nb > maxBinding || ns > maxInline {
			return nil, 0, ErrFormat
		}
		if b = b[entrySize:]; nb+ns > len(b) {
			return nil, 0, ErrFormat
		}
		e.Binding, e.state = string(b[:nb]), b[nb:nb+ns]
		b = b[nb+ns:]
		entries = append(entries, e)
	}
	if len(b) > 0 {
		return nil, 0, ErrFormat
	}
	return entries, descriptors, nil
}
