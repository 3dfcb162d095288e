// SPDX-License-Identifier: Apache-2.0

// Package handoff is the datagram in which a broker hands a connection over to
// a worker's inbox. msrpc-handoff(7) describes it for those who write workers;
// the test vectors of that page are checked by this package's tests.
//
// Layout, little-endian, 40 bytes of header:
//
//	00 magic "MSRH" | 04 u16 version 1 | 06 u16 flags
//	08 u64 connection id | 10 u32 wanted association group
//	14 u16 frag_length of the first PDU | 16 u16 length of the binding string
//	18 u32 NPA level | 1c u32 NPA length | 20 u64 reserved, 0
//	28 binding string without NUL, then the NPA request from its offset 16
//
// A datagram that Parse takes is complete and consistent in itself; whether it
// is true is up to the descriptor that came with it.
package handoff

import (
	"encoding/binary"
	"errors"
)

// Sizes in bytes.
const (
	HeaderSize  = 40
	MaxDatagram = 200 << 10                             // whole datagram
	MaxBinding  = 512                                   // binding string
	MaxInline   = MaxDatagram - HeaderSize - MaxBinding // NPA bytes that always fit in
	MaxNPA      = 1 << 20                               // NPA bytes, with FlagNPAInMemfd
	minFrag     = 25                                    // shortest bind PDU, see dcerpc.Validate
)

// Flags of a message.
const (
	// FlagNPAInMemfd: the NPA bytes are the content of a second descriptor, a
	// memfd of exactly NPALength bytes.
	FlagNPAInMemfd = 1 << 0
	// FlagNoPDU: the pipe does not speak DCE/RPC; the worker reads nothing.
	FlagNoPDU = 1 << 1

	allFlags = FlagNPAInMemfd | FlagNoPDU
)

const (
	magic   = 0x4852534d // "MSRH"
	version = 1
)

// What Parse can find wrong. A worker closes the descriptors and goes on.
var (
	ErrMagic    = errors.New("datagram is not a hand-over")
	ErrVersion  = errors.New("hand-over is of another version")
	ErrFlags    = errors.New("hand-over has unknown flags")
	ErrReserved = errors.New("hand-over has a reserved field that is not 0")
	ErrLength   = errors.New("hand-over is longer or shorter than its fields say")
	ErrBinding  = errors.New("binding string of the hand-over is empty, too long or not printable")
	ErrNPA      = errors.New("named pipe auth fields of the hand-over contradict each other")
	ErrPDU      = errors.New("first PDU of the hand-over contradicts its flags")
)

// Message is one hand-over.
type Message struct {
	Flags      uint16
	ConnID     uint64 // for logs; unique in one incarnation of the broker
	AssocGroup uint32 // assoc_group_id of the bind, 0 = new
	FragLength uint16 // bytes of the first PDU, all there to be read; 0 with FlagNoPDU
	NPALevel   uint32 // level of the NPA request, 0 = none
	NPALength  uint32 // bytes of the NPA request from its offset 16
	Binding    []byte // "ncacn_np:[\pipe\winreg]", printable ASCII
	NPA        []byte // NPALength bytes, empty with FlagNPAInMemfd
}

// Descriptors is the number of descriptors that go with the message.
func (m *Message) Descriptors() int {
	if m.Flags&FlagNPAInMemfd != 0 {
		return 2
	}
	return 1
}

// Append appends the encoded message to dst. NPALength is taken from NPA, and
// with FlagNPAInMemfd from NPALength. It does not check: the caller keeps to
// MaxBinding, to MaxInline or MaxNPA, and to what Parse demands.
func (m *Message) Append(dst []byte) []byte {
	npa, n := m.NPA, uint32(len(m.NPA))
	if m.Flags&FlagNPAInMemfd != 0 {
		npa, n = nil, m.NPALength
	}
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = binary.LittleEndian.AppendUint16(dst, version)
	dst = binary.LittleEndian.AppendUint16(dst, m.Flags)
	dst = binary.LittleEndian.AppendUint64(dst, m.ConnID)
	dst = binary.LittleEndian.AppendUint32(dst, m.AssocGroup)
	dst = binary.LittleEndian.AppendUint16(dst, m.FragLength)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(m.Binding)))
	dst = binary.LittleEndian.AppendUint32(dst, m.NPALevel)
	dst = binary.LittleEndian.AppendUint32(dst, n)
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	dst = append(dst, m.Binding...)
	return append(dst, npa...)
}

// Parse decodes the datagram b; Binding and NPA point into it. On an error,
// one of the Err values, m is unchanged.
func (m *Message) Parse(b []byte) error {
	switch {
	case len(b) < HeaderSize || binary.LittleEndian.Uint32(b) != magic:
		return ErrMagic
	case binary.LittleEndian.Uint16(b[4:]) != version:
		return ErrVersion
	case binary.LittleEndian.Uint64(b[32:]) != 0:
		return ErrReserved
	}
	p := Message{
		Flags:      binary.LittleEndian.Uint16(b[6:]),
		ConnID:     binary.LittleEndian.Uint64(b[8:]),
		AssocGroup: binary.LittleEndian.Uint32(b[16:]),
		FragLength: binary.LittleEndian.Uint16(b[20:]),
		NPALevel:   binary.LittleEndian.Uint32(b[24:]),
		NPALength:  binary.LittleEndian.Uint32(b[28:]),
	}
	if p.Flags&^allFlags != 0 {
		return ErrFlags
	}
	inline := int64(p.NPALength)
	if p.Flags&FlagNPAInMemfd != 0 {
		inline = 0
	}
	n := int(binary.LittleEndian.Uint16(b[22:]))
	rest := b[HeaderSize:]
	if int64(len(rest)) != int64(n)+inline || len(b) > MaxDatagram {
		return ErrLength
	}
	p.Binding, p.NPA = rest[:n:n], rest[n:]
	if err := p.check(); err != nil {
		return err
	}
	*m = p
	return nil
}

// check holds the fields against each other.
func (m *Message) check() error {
	if len(m.Binding) == 0 || len(m.Binding) > MaxBinding {
		return ErrBinding
	}
	for _, c := range m.Binding {
		if c < ' ' || c > '~' {
			return ErrBinding
		}
	}
	// A request has a level and bytes, or neither; only a request goes in a memfd.
	if (m.NPALevel == 0) != (m.NPALength == 0) || m.NPALength > MaxNPA ||
		m.Flags&FlagNPAInMemfd != 0 && m.NPALevel == 0 {
		return ErrNPA
	}
	if m.Flags&FlagNoPDU != 0 {
		if m.FragLength != 0 || m.AssocGroup != 0 || m.NPALevel == 0 {
			return ErrPDU
		}
	} else if m.FragLength < minFrag {
		return ErrPDU
	}
	return nil
}
