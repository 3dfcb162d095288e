// SPDX-License-Identifier: Apache-2.0

package ndr

// Types that the tests of this package share.

// prims is a parameter list of all primitives, in an order that makes gaps.
type prims struct {
	A uint8
	B uint16
	C int8
	D uint32
	E bool
	F uint64
	G uint16 // enum
	H uint64 // __int3264
	I float32
	J float64
	K [16]byte
	L ContextHandle
	M int16
	N int32
	O int64
	P [3]byte
}

func (x *prims) NDR(c *Codec) {
	c.Uint8(&x.A)
	c.Uint16(&x.B)
	c.Int8(&x.C)
	c.Uint32(&x.D)
	c.Bool(&x.E)
	c.Uint64(&x.F)
	c.Enum(&x.G)
	c.Uint3264(&x.H)
	c.Float32(&x.I)
	c.Float64(&x.J)
	c.UUID(&x.K)
	c.ContextHandle(&x.L)
	c.Int16(&x.M)
	c.Int32(&x.N)
	c.Int64(&x.O)
	c.Fixed(x.P[:])
}

// texts are the three kinds of strings.
type texts struct {
	Narrow []byte
	Wide   UTF16
	Fixed  []byte
	Max    uint32
	Chars  UTF16
	NMax   uint32
	NChars []byte
	WFixed UTF16
}

func (x *texts) NDR(c *Codec) {
	c.String(&x.Narrow)
	c.WString(&x.Wide)
	c.VaryingString(&x.Fixed, 64)
	c.WChars(&x.Max, &x.Chars)
	c.Chars(&x.NMax, &x.NChars)
	c.VaryingWString(&x.WFixed, 8)
}

// list is a linked list, for deferral.
type list struct {
	V    uint32
	Next *list
}

func (x *list) NDR(c *Codec) {
	c.Struct(AlignPtr)
	c.Uint32(&x.V)
	UniquePtr(c, &x.Next)
	c.EndStruct(AlignPtr)
}

// pair has two pointers, whose referents have pointers: depth before breadth.
type pair struct{ A, B *list }

func (x *pair) NDR(c *Codec) {
	c.Struct(AlignPtr)
	UniquePtr(c, &x.A)
	UniquePtr(c, &x.B)
	c.EndStruct(AlignPtr)
}

// shared is two full pointers in an array, and one more as parameter.
type shared struct {
	P [2]fullU32
	Q *U32
}

type fullU32 struct{ P *U32 }

func (x *fullU32) NDR(c *Codec) { FullPtr(c, &x.P) }
func (*fullU32) MinSize() int   { return 4 }

func (x *shared) NDR(c *Codec) {
	FixedArray(c, x.P[:])
	FullPtr(c, &x.Q)
}

// nested is a structure that ends in one that ends in an array: the count comes
// before both.
type nested struct {
	A     uint8
	Inner struct {
		N     uint16
		Elems Array[U16, *U16]
	}
}

func (x *nested) Conformance(c *Codec) { x.Inner.Elems.Conformance(c) }

func (x *nested) NDR(c *Codec) {
	c.Struct(Align2)
	c.Uint8(&x.A)
	c.Struct(Align2)
	c.Uint16(&x.Inner.N)
	c.Value(&x.Inner.Elems)
	c.EndStruct(Align2)
	c.EndStruct(Align2)
}

type nestedCall struct{ V nested }

func (x *nestedCall) NDR(c *Codec) { c.Value(&x.V) }

func (x *pairCall) NDR(c *Codec) { c.Value(&x.V) }

type pairCall struct{ V pair }
