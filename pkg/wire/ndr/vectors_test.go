// SPDX-License-Identifier: Apache-2.0

package ndr

// Bytes derived by hand from the rules of C706 14.2 and 14.3 and of MS-RPCE
// 2.2.5, each with the rule. Both directions are held against them.

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/tests/tools/check"
)

var textUUID = [16]byte{0x60, 0xa1, 0x5e, 0xc5, 0x4d, 0xe8, 0x11, 0xd7, 0xa6, 0x37, 0x00, 0x50, 0x56, 0xa2, 0x01, 0x82}

// onePrims is what the vectors of primitives say.
var onePrims = prims{A: 1, B: 0x0203, C: -2, D: 0x04050607, E: true, F: 0x08090a0b0c0d0e0f, G: 0x1011, H: 0x12131415,
	I: 1.5, J: -2.25, K: textUUID, L: ContextHandle{0, textUUID}, M: -3, N: -4, O: -5, P: [3]byte{7, 8, 9}}

var oneTexts = texts{Narrow: []byte("ab"), Wide: MakeUTF16("é😀"), Fixed: []byte("x"), Max: 5, Chars: MakeUTF16("yz"),
	NMax: 2, NChars: []byte("q"), WFixed: MakeUTF16("w")}

// oneNested is 1, 0x0203, {4, 5}.
func oneNested() *nestedCall {
	var n nestedCall
	n.V.A, n.V.Inner.N, n.V.Inner.Elems = 1, 0x0203, Array[U16, *U16]{4, 5}
	return &n
}

func oneShared() *shared {
	v := U32(7)
	return &shared{P: [2]fullU32{{&v}, {&v}}, Q: &v}
}

var formatVectors = []struct {
	name   string
	format Format
	value  Value
	bytes  string
}{
	{"primitives, each aligned to its size (14.2.2)", 0, &onePrims, `
		01 00 0302 fe 000000 07060504 01 000000 0f0e0d0c0b0a0908   | uint8 gap uint16 int8 gap uint32 bool gap hyper
		1110 0000 15141312                                          | enum of 2 bytes, gap, __int3264 of 4
		0000c03f 00000000 00000000000002c0                          | IEEE (14.2.6)
		c55ea160 e84d d711 a637 005056a20182                        | UUID: integers in the byte order, then octets
		00000000 c55ea160 e84d d711 a637 005056a20182               | context handle
		fdff 0000 fcffffff 00000000 fbffffffffffffff 070809`},
	{"primitives, big-endian", BigEndian, &onePrims, `
		01 00 0203 fe 000000 04050607 01 000000 08090a0b0c0d0e0f
		1011 0000 12131415
		3fc00000 00000000 c002000000000000
		60a15ec5 4de8 11d7 a637 005056a20182
		00000000 60a15ec5 4de8 11d7 a637 005056a20182
		fffd 0000 fffffffc 00000000 fffffffffffffffb 070809`},
	{"primitives, NDR64: enum 4, __int3264 8 (MS-RPCE 2.2.5.2)", NDR64, &onePrims, `
		01 00 0302 fe 000000 07060504 01 000000 0f0e0d0c0b0a0908
		11100000 00000000 1514131200000000
		0000c03f 00000000 00000000000002c0
		c55ea160 e84d d711 a637 005056a20182
		00000000 c55ea160 e84d d711 a637 005056a20182
		fdff 0000 fcffffff 00000000 fbffffffffffffff 070809`},
	{"strings: maximum, offset, actual, characters, terminator (14.3.4)", 0, &oneTexts, `
		03000000 00000000 03000000 616200 00
		04000000 00000000 04000000 e900 3dd8 00de 0000
		00000000 02000000 7800 0000                                 | no maximum: it is fixed
		05000000 00000000 02000000 7900 7a00                        | not [string]: no terminator
		02000000 00000000 01000000 71 000000
		00000000 02000000 7700 0000`},
	{"strings, big-endian", BigEndian, &oneTexts, `
		00000003 00000000 00000003 616200 00
		00000004 00000000 00000004 00e9 d83d de00 0000
		00000000 00000002 7800 0000
		00000005 00000000 00000002 0079 007a
		00000002 00000000 00000001 71 000000
		00000000 00000002 0077 0000`},
	{"strings, NDR64: counts of 8 bytes (MS-RPCE 2.2.5.3.3)", NDR64, &oneTexts, `
		0300000000000000 0000000000000000 0300000000000000 616200 0000000000
		0400000000000000 0000000000000000 0400000000000000 e900 3dd8 00de 0000
		0000000000000000 0200000000000000 7800 000000000000
		0500000000000000 0000000000000000 0200000000000000 7900 7a00 00000000
		0200000000000000 0000000000000000 0100000000000000 71 00000000000000
		0000000000000000 0200000000000000 7700 0000`},
	{"deferral: each referent with its own referents before the next (14.3.12.3)", 0,
		&pairCall{pair{&list{1, &list{2, nil}}, &list{3, nil}}}, `
		00000200 04000200                                           | A, B
		01000000 08000200                                           | *A, its next
		02000000 00000000                                           | *A.next
		03000000 00000000                                           | *B`},
	{"deferral, NDR64: pointers of 8 bytes, structures aligned to them", NDR64,
		&pairCall{pair{&list{1, &list{2, nil}}, &list{3, nil}}}, `
		0000020000000000 0400020000000000
		01000000 00000000 0800020000000000
		02000000 00000000 0000000000000000
		03000000 00000000 0000000000000000`},
	{"full pointers: one id, one referent (14.3.12.1)", 0, oneShared(), `
		00000200 00000200 07000000 00000200`},
	{"conformance comes before the outermost structure (14.3.7)", 0, oneNested(), `
		02000000 01 00 0302 0400 0500`},
	{"conformance, NDR64 (MS-RPCE 2.2.5.3.4.2)", NDR64, oneNested(), `
		0200000000000000 01 00 0302 0400 0500`},
	{"a tower, NDR64: count of 8 bytes, then the structure, padded to 4", NDR64,
		&eptMapIn{Tower: &tower{Length: 9, Octets: Bytes{1, 0, 1, 0, 7, 2, 0, 4, 0}}, Max: 4}, `
		0000000000000000 0000020000000000
		0900000000000000 09000000 010001000702000400 000000
		00000000 00000000 0000 0000 0000 000000000000 04000000`},
	{"an annotation, NDR64", NDR64, &eptLookupOut{N: 1, Entries: VaryingArray[eptEntry, *eptEntry]{Max: 1,
		Elem: []eptEntry{{Object: textUUID, Annotation: []byte("abc")}}}}, `
		00000000 00000000 0000 0000 0000 000000000000 01000000
		0100000000000000 0000000000000000 0100000000000000
		c55ea160 e84d d711 a637 005056a20182 0000000000000000
		0000000000000000 0400000000000000 61626300 00000000         | structure padded to 8
		00000000`},
}

// unhex takes digits up to a '|' in each line.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "|")
		for _, f := range strings.Fields(line) {
			digits.WriteString(f)
		}
	}
	b, err := hex.DecodeString(digits.String())
	check.OK(t, err)
	return b
}

// newOf is an empty value of the type of v.
func newOf(v Value) Value {
	switch v.(type) {
	case *prims:
		return new(prims)
	case *texts:
		return new(texts)
	case *pairCall:
		return new(pairCall)
	case *shared:
		return new(shared)
	case *nestedCall:
		return new(nestedCall)
	case *eptMapIn:
		return new(eptMapIn)
	case *eptLookupOut:
		return new(eptLookupOut)
	}
	return nil
}

func TestVectors(t *testing.T) {
	for _, c := range formatVectors {
		want := unhex(t, c.bytes)
		e := NewEncoder([]byte("head "), c.format) // alignment starts behind it
		e.Params(c.value)
		if got := e.Bytes()[5:]; e.Err() != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: written %v\n% x\n% x", c.name, e.Err(), got, want)
		}
		v := newOf(c.value)
		d := NewDecoder(want, c.format)
		d.Params(v)
		if err := d.Close(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.value, v, sameText); diff != "" {
			t.Errorf("%s: read: %s", c.name, diff)
		}
	}
}

func TestSharedReferentIsOne(t *testing.T) {
	var s shared
	d := NewDecoder(unhex(t, "00000200 00000200 07000000 00000200"), 0)
	if d.Params(&s); d.Close() != nil || s.P[0].P != s.P[1].P || s.Q != s.P[0].P || *s.Q != 7 {
		t.Errorf("%v %+v", d.Err(), s)
	}
}

func TestRest(t *testing.T) {
	d := NewDecoder([]byte{1, 2, 3}, 0)
	if d.Uint8(); !bytes.Equal(d.Rest(), []byte{2, 3}) || !(ContextHandle{}).IsNil() || (ContextHandle{1, textUUID}).IsNil() {
		t.Errorf("% x", d.Rest())
	}
}

func TestDrep(t *testing.T) {
	for _, f := range []Format{0, BigEndian} {
		if got, err := FormatOf(f.Drep(), false); got != f || err != nil {
			t.Errorf("%v: %v %v", f, got, err)
		}
	}
	if f, err := FormatOf([4]byte{0x10}, true); f != NDR64 || err != nil {
		t.Errorf("NDR64: %v %v", f, err)
	}
	if _, err := FormatOf([4]byte{0x11}, false); err == nil || err.Error() !=
		"ndr: data representation label at offset 0: character representation is not ascii; the peer has to send ascii" {
		t.Errorf("EBCDIC: %v", err)
	}
	f, err := FormatOf([4]byte{0x10, 3}, false) // IBM floats
	d := NewDecoder(make([]byte, 16), f)
	if err != nil || d.Uint32() != 0 || d.Err() != nil {
		t.Errorf("integers beside floats of IBM: %v, %v", err, d.Err())
	}
	if v := d.Float64(); v != 0 || d.Err() == nil || math.Signbit(v) {
		t.Errorf("float of IBM: %v, %v", v, d.Err())
	}
}
