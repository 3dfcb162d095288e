// SPDX-License-Identifier: Apache-2.0

package ndr

// What is refused, why and where.

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

var refused = []struct {
	name   string
	format Format
	bytes  string
	read   func(d *Decoder)
	want   error
	text   string // "" = not looked at
}{
	{"no byte", 0, "", func(d *Decoder) { d.Uint8() }, ErrShort, "ndr: uint8 at offset 0: stub data ends too early"},
	{"cut", 0, "00000000 0000", func(d *Decoder) { d.Uint32(); d.Uint32() }, ErrShort, "ndr: uint32 at offset 4: stub data ends too early"},
	{"gap beyond the end", 0, "00", func(d *Decoder) { d.Uint8(); d.Align(Align8) }, ErrShort, ""},
	{"padding missing", NDR64, "00000000", func(d *Decoder) { d.Uint32(); d.EndStruct(Align8) }, ErrShort, ""},
	{"first error stays", 0, "00", func(d *Decoder) { d.Uint16(); d.Fail("x", ErrRange) }, ErrShort, "ndr: uint16 at offset 0: stub data ends too early"},
	{"trailing bytes", 0, "0000", func(d *Decoder) { d.Uint8() }, ErrTrailing, "ndr: end of stub at offset 1: stub data is longer than its values"},
	{"enum of NDR64", NDR64, "00000100", func(d *Decoder) { d.Enum() }, ErrRange, ""},
	{"octets, negative", 0, "0000", func(d *Decoder) { d.Octets(-1) }, ErrCount, ""},

	{"count, huge", 0, "ffffffff 00000000", func(d *Decoder) { d.Count(1) }, ErrCount, "ndr: conformant array at offset 4: element count does not fit"},
	{"count, one too many", 0, "03000000 0000000000000000", func(d *Decoder) { d.Count(4) }, ErrCount, ""},
	{"count, more than 32 bits", NDR64, "0000000001000000 0000000000000000", func(d *Decoder) { d.Count(1) }, ErrCount, ""},
	{"count of nothing", 0, "01000000", func(d *Decoder) { d.Count(0) }, ErrCount, ""},
	{"varying beyond its size", 0, "01000000 02000000 00000000", func(d *Decoder) { d.Varying(2, 1) }, ErrCount, ""},
	{"varying, sum overflows", 0, "ffffffff 02000000 0000", func(d *Decoder) { d.Varying(0xffffffff, 1) }, ErrCount, ""},
	{"varying beyond the stub", 0, "00000000 09000000 00000000", func(d *Decoder) { d.Varying(500, 1) }, ErrCount, ""},
	{"product of dimensions", 0, "00000000", func(d *Decoder) { d.Fits(1<<40, 8) }, ErrCount, ""},
	{"member of Array", 0, "00000001 00000000", func(d *Decoder) { d.Value(new(Array[share, *share])) }, ErrCount, ""},
	{"VaryingArray from 1", 0, "02000000 01000000 01000000 0000", func(d *Decoder) { d.Value(new(numbers)) }, ErrOffset, ""},
	{"tower of another length", 0, "00000000 01000000 01000000 02000000 00 000000" + strings.Repeat("00", 24),
		func(d *Decoder) { d.Params(&eptMapIn{}) }, ErrCount, "ndr: array at offset 17: element count does not fit"},
	{"names of another number", 0, "01000000 01000000 01000000 02000000 01000000 01000000 000000000000000000000000",
		func(d *Decoder) { d.Params(&shareEnum{}) }, ErrCount, ""},

	{"string, no terminator", 0, "02000000 00000000 02000000 6162", func(d *Decoder) { d.String() }, ErrTerminator,
		"ndr: conformant string at offset 14: string is not terminated by its last character"},
	{"string, empty", 0, "00000000 00000000 00000000", func(d *Decoder) { d.String() }, ErrTerminator, ""},
	{"string, longer than it may be", 0, "01000000 00000000 02000000 6100", func(d *Decoder) { d.String() }, ErrCount, ""},
	{"string, from 1", 0, "02000000 01000000 01000000 00", func(d *Decoder) { d.String() }, ErrOffset, ""},
	{"string, longer than the stub", 0, "ffffff7f 00000000 ffffff7f 00", func(d *Decoder) { d.String() }, ErrCount, ""},
	{"wide string, half a character", 0, "02000000 00000000 02000000 610000", func(d *Decoder) { d.WString() }, ErrCount, ""},
	{"wide string, no terminator", 0, "01000000 00000000 01000000 6100", func(d *Decoder) { d.WString() }, ErrTerminator, ""},
	{"member of 2", 0, "00000000 03000000 616200", func(d *Decoder) { d.VaryingString(2) }, ErrCount, ""},
	{"wide member, cut", 0, "00000000 02000000 6100", func(d *Decoder) { d.VaryingWString(9) }, ErrCount, ""},

	{"union without such an arm", 0, "0900", func(d *Decoder) { d.Params(&echoCall2{}) }, ErrTag, "ndr: union at offset 2: discriminant selects no arm"},
	{"union, discriminant of another", 0, "01000000 02000000", func(d *Decoder) { d.Params(&shareEnum{}) }, ErrTag, ""},
	{"list too long", 0, strings.Repeat("01000000", 2*MaxDepth+2), func(d *Decoder) { d.Value(new(list)) }, ErrDepth, ""},
	{"alias of another type", 0, "01000000 01000000 " + strings.Repeat("00", 60), func(d *Decoder) { d.Value(&twoTypes{}) }, ErrAlias, ""},
	{"more full pointers than maxFull", 0, many(maxFull + 1), func(d *Decoder) { d.Value(new(Array[fullU32, *fullU32])) }, ErrAlias, ""},
	{"structure as parameter list", 0, "00000000 00000000", func(d *Decoder) { d.Params(&pair{}) }, ErrUse, ""},
}

func TestRefused(t *testing.T) {
	for _, c := range refused {
		b := unhex(t, c.bytes)
		d := NewDecoder(b, c.format)
		c.read(&d)
		err := d.Close()
		if !errors.Is(err, c.want) || c.text != "" && err.Error() != c.text {
			t.Errorf("%s: %v", c.name, err)
		}
		var e *Error
		if !errors.As(err, &e) || e.Offset > len(b) {
			t.Errorf("%s: %#v", c.name, err)
		}
	}
}

// twoTypes has two full pointers of different types.
type twoTypes struct {
	A *U32
	B *list
}

func (x *twoTypes) NDR(c *Codec) {
	c.Struct(AlignPtr)
	FullPtr(c, &x.A)
	FullPtr(c, &x.B)
	c.EndStruct(AlignPtr)
}

// many is an array of n different full pointers.
func many(n int) string {
	e := Encoder{}
	e.Count(n)
	for range n {
		e.NewReferent()
	}
	for i := range n {
		e.Uint32(uint32(i))
	}
	return hex.EncodeToString(e.Bytes())
}

func TestNotWritable(t *testing.T) {
	loop := &list{V: 1}
	loop.Next = loop
	for _, c := range []struct {
		name   string
		format Format
		write  func(e *Encoder)
		want   error
	}{
		{"__int3264 in NDR", 0, func(e *Encoder) { e.Uint3264(1 << 32) }, ErrRange},
		{"__int3264 in NDR64", NDR64, func(e *Encoder) { e.Uint3264(1 << 32) }, nil},
		{"count below 0", 0, func(e *Encoder) { e.Count(-1) }, ErrCount},
		{"NUL in a string", 0, func(e *Encoder) { e.String("a\x00b") }, ErrTerminator},
		{"NUL in a wide string", 0, func(e *Encoder) { e.WString(MakeUTF16("a\x00b")) }, ErrTerminator},
		{"member of 3", 0, func(e *Encoder) { e.VaryingString("abc", 3) }, ErrCount},
		{"wide member of 3", 0, func(e *Encoder) { e.VaryingWString(MakeUTF16("abc"), 3) }, ErrCount},
		{"wide member of 4", 0, func(e *Encoder) { e.VaryingWString(MakeUTF16("abc"), 4) }, nil},
		{"characters beyond their size", 0, func(e *Encoder) { e.Chars(2, []byte("abc")) }, ErrCount},
		{"characters of their size", 0, func(e *Encoder) { e.Chars(3, []byte("a\x00c")) }, nil},
		{"discriminant too large", 0, func(e *Encoder) { e.Params(&echoCall2{Level: 1 << 16}) }, ErrTag},
		{"union without such an arm", 0, func(e *Encoder) { e.Params(&echoCall2{Level: 9}) }, ErrTag},
		{"circle of unique pointers", 0, func(e *Encoder) { e.Value(loop) }, ErrDepth},
		{"octets of another number", 0, func(e *Encoder) { e.Value(&threeOctets{[]byte("ab")}) }, ErrCount},
		{"referent id in NDR", 0, func(e *Encoder) { e.Referent(1 << 32) }, ErrRange},
	} {
		e := NewEncoder(nil, c.format)
		if c.write(&e); !errors.Is(e.Err(), c.want) {
			t.Errorf("%s: %v", c.name, e.Err())
		}
	}
}

type threeOctets struct{ b []byte }

func (x *threeOctets) NDR(c *Codec) { c.Octets(&x.b, 3) }

func TestUTF16(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"abc", "abc"}, {"Zoë 語 😀", "Zoë 語 😀"}, {"\xff", "\ufffd"},
	} {
		w := MakeUTF16(c.in)
		if w.String() != c.want || !w.Equal(c.want) || w.Equal(c.want+"x") || c.want != "" && w.Equal("") {
			t.Errorf("%q: %q", c.in, w)
		}
		big := UTF16{raw: w.appendTo(nil, true), big: true}
		if big.String() != c.want || !big.Equal(c.want) {
			t.Errorf("%q, big-endian: %q", c.in, big)
		}
	}
	half := UTF16{raw: []byte{0x3d, 0xd8, 'a', 0, 0, 0xde}}
	if half.String() != "\ufffda\ufffd" || half.Len() != 3 {
		t.Errorf("halves of pairs: %q", half)
	}
	d := NewDecoder(unhex(t, "04000000 00000000 04000000 6100 0000 6200 0000"), 0)
	if w := d.WString(); d.Err() != nil || !w.Equal("a") {
		t.Errorf("NUL inside: %q, %v", w, d.Err())
	}
}
