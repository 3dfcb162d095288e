// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns what sender and receiver have to agree upon: the transfer
// syntax, the data representation label and the alignments that differ
// between NDR and NDR64.

// The transfer syntaxes, UUIDs in text order.
var (
	// SyntaxNDR is 8a885d04-1ceb-11c9-9fe8-08002b104860 version 2 (C706 appendix I).
	SyntaxNDR = [16]byte{0x8a, 0x88, 0x5d, 0x04, 0x1c, 0xeb, 0x11, 0xc9, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60}
	// SyntaxNDR64 is 71710533-beba-4937-8319-b5dbef9ccc36 version 1 (MS-RPCE 2.2.5.1).
	SyntaxNDR64 = [16]byte{0x71, 0x71, 0x05, 0x33, 0xbe, 0xba, 0x49, 0x37, 0x83, 0x19, 0xb5, 0xdb, 0xef, 0x9c, 0xcc, 0x36}
)

// Versions of the transfer syntaxes.
const (
	VersionNDR   = 2
	VersionNDR64 = 1
)

// Format is how the values of one stub are represented: NDR or NDR64, byte
// order, and whether its floats are IEEE. The zero value is little-endian NDR.
type Format uint8

// Bits of a Format.
const (
	BigEndian Format = 1 << 0 // integers and floats are big-endian
	NDR64     Format = 1 << 1 // NDR64 instead of NDR

	foreignFloat Format = 1 << 2 // VAX, Cray or IBM: refused when a float is read
)

// The data representation format label, bytes 4 to 7 of each PDU (C706 14.1).
const (
	drepLittle  = 0x10 // drep[0], integer nibble
	drepCharset = 0x0f // drep[0], character nibble: 0 ASCII, 1 EBCDIC
)

// FormatOf is the format of the stub of a PDU with this data representation
// label, in a presentation context of NDR or NDR64. Characters other than
// ASCII are refused with ErrCharset. Floats other than IEEE are taken here and
// refused with ErrFloat where one is read: most calls have none.
func FormatOf(drep [4]byte, ndr64 bool) (Format, error) {
	var f Format
	if drep[0]&drepCharset != 0 {
		return 0, &Error{What: "data representation label", Err: ErrCharset}
	}
	if drep[0]&drepLittle == 0 {
		f |= BigEndian
	}
	if drep[1] != 0 {
		f |= foreignFloat
	}
	if ndr64 {
		f |= NDR64
	}
	return f, nil
}

// Drep is the label that a PDU with a stub of this format carries.
func (f Format) Drep() [4]byte {
	if f&BigEndian != 0 {
		return [4]byte{}
	}
	return [4]byte{drepLittle}
}

// Align is the alignment of a type: in NDR in the low four bits, in NDR64 in
// the high ones. A structure has the largest alignment of its members, in
// either syntax; the constants below are all that can come of it.
type Align uint8

// Alignments. A structure of a uint32 and a pointer is AlignPtr, of a uint16
// and an enum AlignEnum, of an enum and a uint32 Align4, and of anything with
// a uint64 or float64 Align8.
const (
	Align1    Align = 0x11 // octets, characters, booleans
	Align2    Align = 0x22 // uint16, wide characters
	Align4    Align = 0x44 // uint32, float32, UUID, context handle, v1_enum
	Align8    Align = 0x88 // uint64, float64
	AlignEnum Align = 0x42 // enum: 2 in NDR, 4 in NDR64
	AlignPtr  Align = 0x84 // pointers, counts and __int3264: 4 in NDR, 8 in NDR64
)

// in is the alignment in bytes in one of the syntaxes: 2, 4, 8, else 1, also
// when a is none of the constants.
func (a Align) in(wide bool) int {
	if wide {
		a >>= 4
	}
	switch a &= 15; a {
	case 2, 4, 8:
		return int(a)
	}
	return 1
}
