// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns the primitives of a Codec, one method for each of Decoder and
// Encoder. In the second pass none does anything.

// both reads or writes one primitive.
func both[T any](c *Codec, p *T, read func(*Decoder) T, write func(*Encoder, T)) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*p = read(c.d)
	default:
		write(c.e, *p)
	}
}

// Uint8 names an octet, a char or a byte.
func (c *Codec) Uint8(p *uint8) { both(c, p, (*Decoder).Uint8, (*Encoder).Uint8) }

// Uint16 names a uint16.
func (c *Codec) Uint16(p *uint16) { both(c, p, (*Decoder).Uint16, (*Encoder).Uint16) }

// Uint32 names a uint32.
func (c *Codec) Uint32(p *uint32) { both(c, p, (*Decoder).Uint32, (*Encoder).Uint32) }

// Uint64 names a uint64.
func (c *Codec) Uint64(p *uint64) { both(c, p, (*Decoder).Uint64, (*Encoder).Uint64) }

// Int8 names an int8.
func (c *Codec) Int8(p *int8) { both(c, p, (*Decoder).Int8, (*Encoder).Int8) }

// Int16 names an int16.
func (c *Codec) Int16(p *int16) { both(c, p, (*Decoder).Int16, (*Encoder).Int16) }

// Int32 names an int32.
func (c *Codec) Int32(p *int32) { both(c, p, (*Decoder).Int32, (*Encoder).Int32) }

// Int64 names an int64.
func (c *Codec) Int64(p *int64) { both(c, p, (*Decoder).Int64, (*Encoder).Int64) }

// Bool names a boolean of one octet.
func (c *Codec) Bool(p *bool) { both(c, p, (*Decoder).Bool, (*Encoder).Bool) }

// Enum names an enum without v1_enum.
func (c *Codec) Enum(p *uint16) { both(c, p, (*Decoder).Enum, (*Encoder).Enum) }

// Uint3264 names an unsigned __int3264.
func (c *Codec) Uint3264(p *uint64) { both(c, p, (*Decoder).Uint3264, (*Encoder).Uint3264) }

// Float32 names a float.
func (c *Codec) Float32(p *float32) { both(c, p, (*Decoder).Float32, (*Encoder).Float32) }

// Float64 names a double.
func (c *Codec) Float64(p *float64) { both(c, p, (*Decoder).Float64, (*Encoder).Float64) }

// UUID names a UUID in text order.
func (c *Codec) UUID(p *[16]byte) { both(c, p, (*Decoder).UUID, (*Encoder).UUID) }

// ContextHandle names a context handle.
func (c *Codec) ContextHandle(p *ContextHandle) {
	both(c, p, (*Decoder).ContextHandle, (*Encoder).ContextHandle)
}

// String names a conformant varying [string] of char, see Decoder.String.
func (c *Codec) String(p *[]byte) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*p = c.d.String()
	default:
		text(c.e, whatString, true, 0, *p)
	}
}

// WString names a conformant varying [string] of wchar_t, see Decoder.WString.
func (c *Codec) WString(p *UTF16) { both(c, p, (*Decoder).WString, (*Encoder).WString) }

// VaryingString names a [string] member[max], see Decoder.VaryingString.
func (c *Codec) VaryingString(p *[]byte, max uint32) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*p = c.d.VaryingString(max)
	default:
		text(c.e, whatVarying, false, max, *p)
	}
}

// VaryingWString names a [string] member[max], see Decoder.VaryingWString.
func (c *Codec) VaryingWString(p *UTF16, max uint32) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*p = c.d.VaryingWString(max)
	default:
		c.e.VaryingWString(*p, max)
	}
}

// Chars names a conformant varying array of characters that is not a [string], and
// the size it could have, see Decoder.Chars.
func (c *Codec) Chars(max *uint32, p *[]byte) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*max, *p = c.d.Chars()
	default:
		c.e.Chars(*max, *p)
	}
}

// WChars names a conformant varying array of characters that is not a [string], and
// the size it could have, see Decoder.WChars.
func (c *Codec) WChars(max *uint32, p *UTF16) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*max, *p = c.d.WChars()
	default:
		c.e.WChars(*max, *p)
	}
}

// Fixed names a fixed array of bytes, for instance x.Key[:].
func (c *Codec) Fixed(p []byte) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		copy(p, c.d.Octets(len(p)))
	default:
		c.e.Octets(p)
	}
}

// Octets names n bytes as they are; read, *p points into the stub. Written,
// *p must have n bytes.
func (c *Codec) Octets(p *[]byte, n int) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*p = c.d.Octets(n)
	case len(*p) != n:
		c.e.Fail("octets", ErrCount)
	default:
		c.e.Octets(*p)
	}
}
