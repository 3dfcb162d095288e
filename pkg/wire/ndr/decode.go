// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns the Decoder: its position in the stub and the primitives of
// C706 14.2. Once something was wrong, each further read yields zero and the
// first error stays.

import (
	"encoding/binary"
	"math"
)

// Decoder reads values from the stub of one PDU (or of all its fragments).
// Alignment is counted from the start of the stub. The zero Decoder reads an
// empty stub; a Decoder may be used again after Reset. It does not allocate
// while all is well.
type Decoder struct {
	b     []byte
	off   int // <= len(b)
	big   bool
	wide  bool // NDR64
	alien bool // floats are not IEEE
	err   error
	codec Codec
}

// NewDecoder is a Decoder for stub, which must not change while slices that
// the Decoder returned are in use.
func NewDecoder(stub []byte, f Format) Decoder {
	return Decoder{b: stub, big: f&BigEndian != 0, wide: f&NDR64 != 0, alien: f&foreignFloat != 0}
}

// Reset makes d new for another stub.
func (d *Decoder) Reset(stub []byte, f Format) { *d = NewDecoder(stub, f) }

// Err is the first error, an *Error, or nil.
func (d *Decoder) Err() error { return d.err }

// Fail makes d fail unless it already has: what is the value that is not
// acceptable, cause why.
func (d *Decoder) Fail(what string, cause error) {
	if d.err == nil {
		d.err = &Error{What: what, Offset: d.off, Err: cause}
	}
}

// Offset is the position in the stub in bytes.
func (d *Decoder) Offset() int { return d.off }

// Left is the number of bytes that are left.
func (d *Decoder) Left() int { return len(d.b) - d.off }

// Rest is what follows the last value, or nil after an error. C706 says nothing
// about such bytes; whether to take them is up to the caller, see Close.
func (d *Decoder) Rest() []byte {
	if d.err != nil {
		return nil
	}
	return d.b[d.off:]
}

// Close is the strict policy for trailing bytes: the first error, or
// ErrTrailing when the stub goes on.
func (d *Decoder) Close() error {
	if d.err == nil && d.off != len(d.b) {
		d.Fail("end of stub", ErrTrailing)
	}
	return d.err
}

// next aligns to align, a power of two, and returns the next n bytes, or nil
// when they are not there. n is not negative.
func (d *Decoder) next(what string, align, n int) []byte {
	off := (d.off + align - 1) &^ (align - 1)
	if d.err != nil || n > len(d.b)-off {
		d.Fail(what, ErrShort)
		return nil
	}
	d.off = off + n
	return d.b[off:d.off:d.off]
}

// Align goes on to the alignment a. Structures use Struct and EndStruct; this
// is for the arms of an ms_union (MS-RPCE 2.2.4.5).
func (d *Decoder) Align(a Align) { d.next("alignment", a.in(d.wide), 0) }

// Struct begins a structure whose members have a as largest alignment.
func (d *Decoder) Struct(a Align) { d.next("structure", a.in(d.wide), 0) }

// EndStruct ends it: NDR64 pads a structure to its alignment (MS-RPCE
// 2.2.5.3.4.1), NDR does not. A conformant array at its end comes before the
// padding, as in Samba.
func (d *Decoder) EndStruct(a Align) {
	if d.wide {
		d.next("end of structure", a.in(true), 0)
	}
}

// Uint8 reads an octet, a byte, a char or a small.
func (d *Decoder) Uint8() uint8 {
	if p := d.next("uint8", 1, 1); p != nil {
		return p[0]
	}
	return 0
}

// Uint16 reads an unsigned short or a wide character.
func (d *Decoder) Uint16() uint16 { return d.u16("uint16") }

// Uint32 reads an unsigned long, a v1_enum or an error_status_t.
func (d *Decoder) Uint32() uint32 { return d.u32("uint32") }

// Uint64 reads an unsigned hyper.
func (d *Decoder) Uint64() uint64 { return d.u64("uint64") }

// Int8 reads a small.
func (d *Decoder) Int8() int8 { return int8(d.Uint8()) }

// Int16 reads a short.
func (d *Decoder) Int16() int16 { return int16(d.Uint16()) }

// Int32 reads a long.
func (d *Decoder) Int32() int32 { return int32(d.Uint32()) }

// Int64 reads a hyper.
func (d *Decoder) Int64() int64 { return int64(d.Uint64()) }

// Bool reads a boolean: an octet, true unless 0 (C706 14.2.3). The BOOL of
// Windows is a Uint32.
func (d *Decoder) Bool() bool { return d.Uint8() != 0 }

// Enum reads an enum without v1_enum: 2 bytes in NDR, 4 in NDR64.
func (d *Decoder) Enum() uint16 {
	if !d.wide {
		return d.u16("enum")
	}
	v := d.u32("enum")
	if v > math.MaxUint16 {
		d.Fail("enum", ErrRange)
		return 0
	}
	return uint16(v)
}

// Uint3264 reads an unsigned __int3264: 4 bytes in NDR, 8 in NDR64 (MS-RPCE
// 2.2.4.1.1, 2.2.5.2).
func (d *Decoder) Uint3264() uint64 {
	if d.wide {
		return d.u64("__int3264")
	}
	return uint64(d.u32("__int3264"))
}

// Float32 reads a float.
func (d *Decoder) Float32() float32 {
	if d.alien {
		d.Fail("float32", ErrFloat)
	}
	return math.Float32frombits(d.u32("float32"))
}

// Float64 reads a double.
func (d *Decoder) Float64() float64 {
	if d.alien {
		d.Fail("float64", ErrFloat)
	}
	return math.Float64frombits(d.u64("float64"))
}

// Octets returns the next n bytes of the stub itself: a fixed array of bytes,
// or the elements of an array whose Count was read. A negative n is refused.
func (d *Decoder) Octets(n int) []byte {
	if n < 0 {
		d.Fail("octets", ErrCount)
		return nil
	}
	return d.next("octets", 1, n)
}

func (d *Decoder) u16(what string) uint16 {
	p := d.next(what, 2, 2)
	switch {
	case p == nil:
		return 0
	case d.big:
		return binary.BigEndian.Uint16(p)
	}
	return binary.LittleEndian.Uint16(p)
}

func (d *Decoder) u32(what string) uint32 {
	p := d.next(what, 4, 4)
	switch {
	case p == nil:
		return 0
	case d.big:
		return binary.BigEndian.Uint32(p)
	}
	return binary.LittleEndian.Uint32(p)
}

func (d *Decoder) u64(what string) uint64 {
	p := d.next(what, 8, 8)
	switch {
	case p == nil:
		return 0
	case d.big:
		return binary.BigEndian.Uint64(p)
	}
	return binary.LittleEndian.Uint64(p)
}
