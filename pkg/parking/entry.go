// SPDX-License-Identifier: Apache-2.0

package parking

import (
	"encoding/binary"
	"errors"
)

// Entry is the state of one waiting connection.
type Entry struct {
	Flags    uint16
	ID       uint64
	Accepted int64  // CLOCK_MONOTONIC, nanoseconds
	Binding  string // of the listener it came from
	StateLen uint32 // bytes of its state when it was parked: what the owner knows of it beside this
}

// FlagReplied: the NPA request is complete and answered.
const FlagReplied = 1 << 0

const (
	magic      = 0x5052534d // "MSRP"
	version    = 2
	headerSize = 12
	entrySize  = 24

	maxBindings = 256
	maxBinding  = 512
	maxEntries  = 253
	maxMessage  = headerSize + maxBindings*(2+maxBinding) + maxEntries*entrySize
)

// ErrFormat says that a message is not one of a parking of this version.
var ErrFormat = errors.New("not a message of a parking of this version")

// A message has all entries of one slot. All integers are little-endian:
//
//	00 u32 magic "MSRP" | 04 u16 version 2 | 06 u16 number of bindings
//	08 u16 number of entries | 0a u16 0
//	bindings: u16 length, text
//	entries, 24 bytes each:
//	  00 u64 connection id | 08 u64 accepted | 10 u32 bytes of state
//	  14 u16 index of the binding | 16 u16 flags
//
// Its descriptors are those of the entries in order: the connection, and if
// there is a state a memfd that holds it.

// appendMessage encodes the entries.
func appendMessage(dst []byte, entries []Entry) []byte {
	var bindings []string
	index := make([]uint16, len(entries))
next:
	for i := range entries {
		for k, b := range bindings {
			if b == entries[i].Binding {
				index[i] = uint16(k)
				continue next
			}
		}
		index[i] = uint16(len(bindings))
		bindings = append(bindings, entries[i].Binding)
	}
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = binary.LittleEndian.AppendUint16(dst, version)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(bindings)))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(entries)))
	dst = binary.LittleEndian.AppendUint16(dst, 0)
	for _, b := range bindings {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(b)))
		dst = append(dst, b...)
	}
	for i := range entries {
		e := &entries[i]
		dst = binary.LittleEndian.AppendUint64(dst, e.ID)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Accepted))
		dst = binary.LittleEndian.AppendUint32(dst, e.StateLen)
		dst = binary.LittleEndian.AppendUint16(dst, index[i])
		dst = binary.LittleEndian.AppendUint16(dst, e.Flags)
	}
	return dst
}

// parseMessage decodes what appendMessage wrote; descriptors is how many belong
// to it.
func parseMessage(b []byte) (entries []Entry, descriptors int, err error) {
	if len(b) < headerSize || binary.LittleEndian.Uint32(b) != magic || binary.LittleEndian.Uint16(b[4:]) != version ||
		binary.LittleEndian.Uint16(b[10:]) != 0 {
		return nil, 0, ErrFormat
	}
	nb, ne := int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	if nb > maxBindings || ne > maxEntries {
		return nil, 0, ErrFormat
	}
	b = b[headerSize:]
	bindings := make([]string, nb)
	for i := range bindings {
		if len(b) < 2 {
			return nil, 0, ErrFormat
		}
		n := int(binary.LittleEndian.Uint16(b))
		if n > maxBinding || 2+n > len(b) {
			return nil, 0, ErrFormat
		}
		bindings[i] = string(b[2 : 2+n])
		b = b[2+n:]
	}
	if len(b) != ne*entrySize {
		return nil, 0, ErrFormat
	}
	entries = make([]Entry, ne)
	for i := range entries {
		k := int(binary.LittleEndian.Uint16(b[20:]))
		if k >= nb {
			return nil, 0, ErrFormat
		}
		entries[i] = Entry{
			ID: binary.LittleEndian.Uint64(b), Accepted: int64(binary.LittleEndian.Uint64(b[8:])),
			StateLen: binary.LittleEndian.Uint32(b[16:]), Binding: bindings[k], Flags: binary.LittleEndian.Uint16(b[22:]),
		}
		if entries[i].Flags&^FlagReplied != 0 {
			return nil, 0, ErrFormat
		}
		descriptors++
		if entries[i].StateLen > 0 {
			descriptors++
		}
		b = b[entrySize:]
	}
	return entries, descriptors, nil
}
