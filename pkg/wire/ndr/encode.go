// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns the Encoder: the stub that grows, and the primitives of C706
// 14.2. It mirrors decode.go method by method; gaps are filled with zeros.

import (
	"encoding/binary"
	"math"
)

// Encoder appends values to a slice. Alignment is counted from the end of the
// slice that it was given. The zero Encoder writes little-endian NDR to a new
// slice. It allocates only to grow the slice.
type Encoder struct {
	b     []byte
	base  int // len of the slice that was given
	big   bool
	wide  bool   // NDR64
	refs  uint32 // pointers that are not null so far
	err   error
	codec Codec
}

// NewEncoder is an Encoder that appends to dst. Its floats are IEEE whatever f
// was made from.
func NewEncoder(dst []byte, f Format) Encoder {
	return Encoder{b: dst, base: len(dst), big: f&BigEndian != 0, wide: f&NDR64 != 0}
}

// Reset makes e new for another slice, for instance Bytes()[:0].
func (e *Encoder) Reset(dst []byte, f Format) { *e = NewEncoder(dst, f) }

// Err is the first error, an *Error, or nil. Only what has no representation
// fails; then the bytes are worthless.
func (e *Encoder) Err() error { return e.err }

// Fail makes e fail unless it already has: what is the value that is not
// acceptable, cause why.
func (e *Encoder) Fail(what string, cause error) {
	if e.err == nil {
		e.err = &Error{What: what, Offset: len(e.b) - e.base, Err: cause}
	}
}

// Bytes is the slice given with the values appended.
func (e *Encoder) Bytes() []byte { return e.b }

// Offset is the number of bytes appended.
func (e *Encoder) Offset() int { return len(e.b) - e.base }

var zeros [8]byte

// align appends zeros up to a multiple of n, a power of two of at most 8.
func (e *Encoder) align(n int) {
	e.b = append(e.b, zeros[:-(len(e.b)-e.base)&(n-1)]...)
}

// Align goes on to the alignment a, see Decoder.Align.
func (e *Encoder) Align(a Align) { e.align(a.in(e.wide)) }

// Struct begins a structure whose members have a as largest alignment.
func (e *Encoder) Struct(a Align) { e.align(a.in(e.wide)) }

// EndStruct ends it, see Decoder.EndStruct.
func (e *Encoder) EndStruct(a Align) {
	if e.wide {
		e.align(a.in(true))
	}
}

// Uint8 writes an octet, a byte, a char or a small.
func (e *Encoder) Uint8(v uint8) { e.b = append(e.b, v) }

// Uint16 writes an unsigned short or a wide character.
func (e *Encoder) Uint16(v uint16) {
	if e.align(2); e.big {
		e.b = binary.BigEndian.AppendUint16(e.b, v)
		return
	}
	e.b = binary.LittleEndian.AppendUint16(e.b, v)
}

// Uint32 writes an unsigned long, a v1_enum or an error_status_t.
func (e *Encoder) Uint32(v uint32) {
	if e.align(4); e.big {
		e.b = binary.BigEndian.AppendUint32(e.b, v)
		return
	}
	e.b = binary.LittleEndian.AppendUint32(e.b, v)
}

// Uint64 writes an unsigned hyper.
func (e *Encoder) Uint64(v uint64) {
	if e.align(8); e.big {
		e.b = binary.BigEndian.AppendUint64(e.b, v)
		return
	}
	e.b = binary.LittleEndian.AppendUint64(e.b, v)
}

// Int8 writes a small.
func (e *Encoder) Int8(v int8) { e.Uint8(uint8(v)) }

// Int16 writes a short.
func (e *Encoder) Int16(v int16) { e.Uint16(uint16(v)) }

// Int32 writes a long.
func (e *Encoder) Int32(v int32) { e.Uint32(uint32(v)) }

// Int64 writes a hyper.
func (e *Encoder) Int64(v int64) { e.Uint64(uint64(v)) }

// Bool writes a boolean, 1 or 0.
func (e *Encoder) Bool(v bool) {
	if v {
		e.Uint8(1)
		return
	}
	e.Uint8(0)
}

// Enum writes an enum without v1_enum: 2 bytes in NDR, 4 in NDR64.
func (e *Encoder) Enum(v uint16) {
	if e.wide {
		e.Uint32(uint32(v))
		return
	}
	e.Uint16(v)
}

// Uint3264 writes an unsigned __int3264: 4 bytes in NDR, where a larger value
// fails with ErrRange, 8 in NDR64.
func (e *Encoder) Uint3264(v uint64) {
	switch {
	case e.wide:
		e.Uint64(v)
	case v > math.MaxUint32:
		e.Fail("__int3264", ErrRange)
	default:
		e.Uint32(uint32(v))
	}
}

// Float32 writes a float.
func (e *Encoder) Float32(v float32) { e.Uint32(math.Float32bits(v)) }

// Float64 writes a double.
func (e *Encoder) Float64(v float64) { e.Uint64(math.Float64bits(v)) }

// Octets writes bytes as they are: a fixed array, or the elements of an array
// whose Count was written.
func (e *Encoder) Octets(p []byte) { e.b = append(e.b, p...) }
