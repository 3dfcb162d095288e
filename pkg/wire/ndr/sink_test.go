// SPDX-License-Identifier: Apache-2.0

package ndr

// Random values of structures with everything in them: what is written is read
// again, in all formats, and written again to the same bytes.

import (
	"bytes"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var allFormats = []Format{0, BigEndian, NDR64, NDR64 | BigEndian}

// sink has one of each.
type sink struct {
	Small    uint8
	Big      uint64
	Text     optText
	Wide     Optional[WText, *WText]
	N        uint32
	HasShare bool
	Shares   Array[share, *share]
	Level    uint32
	Number   uint16                  // arm 1
	Hyper    uint64                  // arm 2
	Names    Optional[names, *names] // arm 3
	Vary     Optional[numbers, *numbers]
	List     *list
	Loop     *ring
	Fixed    [2]lsaString
	Kind     uint16
	Towers   Optional[tower, *tower]
}

type names = Array[Optional[Text, *Text], *Optional[Text, *Text]]

type numbers = VaryingArray[U16, *U16]

// ring is a list that ends in its beginning.
type ring struct {
	V    uint8
	Next *ring
}

func (x *ring) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Uint8(&x.V)
	FullPtr(c, &x.Next)
	c.EndStruct(AlignPtr)
}

func (x *sink) NDR(c *Codec) {
	c.Struct(Align8)
	c.Uint8(&x.Small)
	c.Uint64(&x.Big)
	c.Value(&x.Text)
	c.Value(&x.Wide)
	c.SizeIs(&x.N, len(x.Shares))
	c.Unique(&x.HasShare, &x.Shares)
	c.Match(x.N, len(x.Shares))
	c.Switch(TagEnum, Align8, &x.Level)
	switch x.Level {
	case 1:
		c.Uint16(&x.Number)
	case 2:
		c.Uint64(&x.Hyper)
	case 3:
		c.Value(&x.Names)
	case 4:
	default:
		c.NoArm()
	}
	c.Value(&x.Vary)
	UniquePtr(c, &x.List)
	FullPtr(c, &x.Loop)
	FixedArray(c, x.Fixed[:])
	c.Enum(&x.Kind)
	c.Value(&x.Towers)
	c.EndStruct(Align8)
}

// sameRing compares rings by their first two members, which may be one.
var sameRing = cmp.Comparer(func(a, b *ring) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.V == b.V && a.Next.V == b.Next.V && a.Next.Next == a && b.Next.Next == b && (a.Next == a) == (b.Next == b)
})

func randomText(r *rand.Rand) Text {
	b := make(Text, r.Intn(20))
	for i := range b {
		b[i] = byte(1 + r.Intn(255))
	}
	return b
}

func randomWide(r *rand.Rand) UTF16 {
	s := make([]rune, r.Intn(10))
	for i := range s {
		s[i] = []rune{'a', 'ü', '語', '😀'}[r.Intn(4)]
	}
	return MakeUTF16(string(s))
}

func maybe(r *rand.Rand) bool { return r.Intn(3) > 0 }

func randomSink(r *rand.Rand) *sink {
	x := &sink{Small: uint8(r.Int()), Big: r.Uint64(), Level: uint32(1 + r.Intn(4)), Kind: uint16(r.Int())}
	if x.Text.Present = maybe(r); x.Text.Present {
		x.Text.V = randomText(r)
	}
	if x.Wide.Present = maybe(r); x.Wide.Present {
		x.Wide.V = WText{randomWide(r)}
	}
	if x.HasShare = maybe(r); x.HasShare {
		x.Shares = make(Array[share, *share], r.Intn(4))
		for i := range x.Shares {
			s := &x.Shares[i]
			if s.Type, s.Name.Present = r.Uint32(), maybe(r); s.Name.Present {
				s.Name.V = WText{randomWide(r)}
			}
		}
	}
	switch x.Level {
	case 1:
		x.Number = uint16(r.Int())
	case 2:
		x.Hyper = r.Uint64()
	case 3:
		if x.Names.Present = maybe(r); x.Names.Present {
			x.Names.V = make(names, r.Intn(4))
			for i := range x.Names.V {
				if n := &x.Names.V[i]; maybe(r) {
					n.Present, n.V = true, randomText(r)
				}
			}
		}
	}
	if x.Vary.Present = maybe(r); x.Vary.Present {
		x.Vary.V.Elem = make([]U16, r.Intn(5))
		x.Vary.V.Max = uint32(len(x.Vary.V.Elem)) + r.Uint32()>>8
	}
	for range r.Intn(4) {
		x.List = &list{r.Uint32(), x.List}
	}
	if x.Loop = nil; maybe(r) {
		x.Loop = &ring{V: uint8(r.Int())}
		if x.Loop.Next = x.Loop; maybe(r) {
			x.Loop.Next = &ring{V: uint8(r.Int()), Next: x.Loop}
		}
	}
	for i := range x.Fixed {
		if f := &x.Fixed[i]; maybe(r) {
			f.Has, f.Buffer.UTF16 = true, randomWide(r)
			f.Buffer.Max = uint32(f.Buffer.Len() + r.Intn(3))
		}
	}
	if x.Towers.Present = maybe(r); x.Towers.Present {
		x.Towers.V.Octets = Bytes(randomText(r))
		x.Towers.V.Length = uint32(len(x.Towers.V.Octets))
	}
	x.N = uint32(len(x.Shares))
	return x
}

func TestRandomRoundTrip(t *testing.T) {
	for seed := range int64(300) {
		x := randomSink(rand.New(rand.NewSource(seed)))
		for _, f := range allFormats {
			var e Encoder
			e.Reset(nil, f)
			if e.Value(x); e.Err() != nil {
				t.Fatalf("seed %d, format %d: %v", seed, f, e.Err())
			}
			y := new(sink)
			d := NewDecoder(e.Bytes(), f)
			d.Value(y)
			if err := d.Close(); err != nil {
				t.Fatalf("seed %d, format %d: %v\n% x", seed, f, err, e.Bytes())
			}
			if diff := cmp.Diff(x, y, sameText, sameRing, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("seed %d, format %d: %s", seed, f, diff)
			}
			again := NewEncoder(nil, f)
			if again.Value(y); !bytes.Equal(again.Bytes(), e.Bytes()) {
				t.Fatalf("seed %d, format %d: written again\n% x\n% x", seed, f, again.Bytes(), e.Bytes())
			}
		}
	}
}
