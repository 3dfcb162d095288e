// SPDX-License-Identifier: Apache-2.0

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

// maxHead bounds the bytes that were read already: on a named pipe each byte of
// the PDU may be in a message of its own.
const maxHead = 3 * 0xffff

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
	magic         = 0x4852534d // "MSRH"
	version       = 1
	versionOfHead = 2
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
	ErrHead     = errors.New("hand-over brings more bytes of the first PDU than there can be, or none where it says so")
)

// Message is one hand-over.
type Message struct {
	Flags      uint16
	ConnID     uint64 // for logs; unique in one incarnation of the broker
	AssocGroup uint32 // assoc_group_id of the bind, 0 = new
	FragLength uint16 // bytes of the first PDU, all in Head or there to be read; 0 with FlagNoPDU
	NPALevel   uint32 // level of the NPA request, 0 = none
	NPALength  uint32 // bytes of the NPA request from its offset 16
	Binding    []byte // "ncacn_np:[\pipe\winreg]", printable ASCII
	NPA        []byte // NPALength bytes, empty with FlagNPAInMemfd
	Head       []byte // first bytes of the connection that were read already, nearly always none
}

// Size is the length of the encoded message.
func (m *Message) Size() int { return HeaderSize + len(m.Binding) + len(m.NPA) + len(m.Head) }

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
	v := uint16(version)
	if len(m.Head) > 0 {
		v = versionOfHead
	}
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = binary.LittleEndian.AppendUint16(dst, v)
	dst = binary.LittleEndian.AppendUint16(dst, m.Flags)
	dst = binary.LittleEndian.AppendUint64(dst, m.ConnID)
	dst = binary.LittleEndian.AppendUint32(dst, m.AssocGroup)
	dst = binary.LittleEndian.AppendUint16(dst, m.FragLength)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(m.Binding)))
	dst = binary.LittleEndian.AppendUint32(dst, m.NPALevel)
	dst = binary.LittleEndian.AppendUint32(dst, n)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(m.Head)))
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = append(dst, m.Binding...)
	dst = append(dst, npa...)
	return append(dst, m.Head...)
}

// Parse decodes the datagram b; Binding, NPA and Head point into it. On an error,
// one of the Err values, m is unchanged.
func (m *Message) Parse(b []byte) error {
	if len(b) < HeaderSize || binary.LittleEndian.Uint32(b) != magic {
		return ErrMagic
	}
	v, head := binary.LittleEndian.Uint16(b[4:]), int64(binary.LittleEndian.Uint32(b[32:]))
	switch {
	case v != version && v != versionOfHead:
		return ErrVersion
	case binary.LittleEndian.Uint32(b[36:]) != 0 || v == version && head != 0:
		return ErrReserved
	case v == versionOfHead && head == 0 || head > maxHead:
		return ErrHead
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
	if int64(len(rest)) != int64(n)+inline+head || len(b) > MaxDatagram {
		return ErrLength
	}
	end := n + int(inline)
	p.Binding, p.NPA, p.Head = rest[:n:n], rest[n:end:end], rest[end:]
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
	most := int(m.FragLength) // which ends the PDU: its last byte is never read before
	if m.NPALevel != 0 {
		most *= 3
	}
	if len(m.Head) > 0 && len(m.Head) >= most {
		return ErrHead
	}
	return nil
}
