// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns the arrays of a Codec (C706 14.3.3, 14.3.7). All elements come
// first, then the referents of all elements, each in order.

// Elem is an element of an array: a pointer type that is a Value. MinSize is
// the least number of bytes that an element takes in NDR, without padding; it
// is called on nil. With it a count is held against the bytes left, so the
// larger the better, but never larger than true.
type Elem[T any] interface {
	*T
	Value
	MinSize() int
}

// Array is a conformant array [size_is(n)]: as referent of a pointer, as
// parameter, or as last member of a structure, which then has to be Conformant
// by Array's Conformance. When reading, its capacity is used again, or a new
// slice is allocated once the count is known to fit.
type Array[T any, P Elem[T]] []T

// Conformance names the maximum count.
func (a *Array[T, P]) Conformance(c *Codec) {
	n := c.Count(len(*a), P(nil).MinSize())
	if c.Reading() && !c.Referents() {
		*a = resize(*a, n)
	}
}

// NDR names the elements.
func (a *Array[T, P]) NDR(c *Codec) { walk[T, P](c, *a) }

// VaryingArray is a conformant varying array [size_is(Max), length_is(n)] that
// is sent from its first element on; another start is refused with ErrOffset.
// It goes where an Array goes. A Max below n is written as n.
type VaryingArray[T any, P Elem[T]] struct {
	Max  uint32
	Elem []T
}

// Conformance names the maximum count.
func (a *VaryingArray[T, P]) Conformance(c *Codec) {
	if !c.Reading() && uint64(a.Max) < uint64(len(a.Elem)) {
		a.Max = uint32(len(a.Elem))
	}
	c.MaxCount(&a.Max)
}

// NDR names offset, actual count and elements.
func (a *VaryingArray[T, P]) NDR(c *Codec) {
	n := c.Varying(a.Max, len(a.Elem), P(nil).MinSize())
	if c.Reading() && !c.Referents() {
		a.Elem = resize(a.Elem, n)
	}
	walk[T, P](c, a.Elem)
}

// FixedArray names the elements of a fixed array, for instance x.Pairs[:].
func FixedArray[T any, P Elem[T]](c *Codec, elems []T) {
	if c.pass == params {
		a := Array[T, P](elems)
		c.whole((*fixed[T, P])(&a))
		return
	}
	walk[T, P](c, elems)
}

// fixed is an array without counts.
type fixed[T any, P Elem[T]] Array[T, P]

func (a *fixed[T, P]) NDR(c *Codec) { walk[T, P](c, *a) }

// walk names each element.
func walk[T any, P Elem[T]](c *Codec, elems []T) {
	for i := range elems {
		if c.Err() != nil {
			return
		}
		P(&elems[i]).NDR(c)
	}
}

// resize is s with n elements, all zero.
func resize[T any](s []T, n int) []T {
	if n > cap(s) {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// Bytes is a conformant array of octets; read, it points into the stub. It goes
// where an Array goes.
type Bytes []byte

// Conformance names the maximum count.
func (b *Bytes) Conformance(c *Codec) {
	n := c.Count(len(*b), 1)
	if c.Reading() && !c.Referents() {
		*b = c.d.b[c.d.off : c.d.off+n] // its length; NDR finds the place
	}
}

// NDR names the octets.
func (b *Bytes) NDR(c *Codec) { c.Octets((*[]byte)(b), len(*b)) }

// Count names the maximum count of a conformant array of n elements of at
// least min bytes, see Decoder.Count, and returns it. It belongs into
// Conformance; in NDR it is for arrays whose count is not moved to the front.
func (c *Codec) Count(n, min int) int {
	switch {
	case c.pass == referents:
	case c.d != nil:
		return c.d.Count(min)
	default:
		c.e.Count(n)
	}
	return n
}

// MaxCount names the maximum count of a conformant varying array, see
// Decoder.MaxCount.
func (c *Codec) MaxCount(p *uint32) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*p = c.d.MaxCount()
	default:
		c.e.MaxCount(*p)
	}
}

// Varying names offset and actual count of a varying array of n elements of at
// least min bytes and of a size of max, and returns the actual count. An
// offset that is not 0 is refused with ErrOffset.
func (c *Codec) Varying(max uint32, n, min int) int {
	switch {
	case c.pass == referents:
	case c.d != nil:
		first, actual := c.d.Varying(max, min)
		if first != 0 {
			c.d.Fail("varying array", ErrOffset)
			return 0
		}
		return actual
	case uint64(n) > uint64(max):
		c.e.Fail("varying array", ErrCount)
	default:
		c.e.Varying(0, n)
	}
	return n
}

// SizeIs names the uint32 that size_is or length_is refers to: written, it is
// first set to n, the elements that there are. Match holds it against what came.
func (c *Codec) SizeIs(p *uint32, n int) {
	if !c.Reading() && !c.Referents() {
		if *p = uint32(n); int64(*p) != int64(n) {
			c.Fail("size", ErrCount)
		}
	}
	c.Uint32(p)
}

// Match fails with ErrCount unless the size field says n. In the second pass
// of reading, after the pointer to the array was named, both are known; in the
// first it does nothing.
func (c *Codec) Match(size uint32, n int) {
	if c.Reading() && c.pass != scalars && int64(size) != int64(n) {
		c.Fail("array", ErrCount)
	}
}
