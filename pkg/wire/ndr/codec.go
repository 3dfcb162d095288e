// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns the two passes over a construct. Pointers inside a structure,
// union or array are sent with it, what they point to after the outermost such
// construct (C706 14.3.12.3). One method of a type says its members in order;
// the Codec calls it once for the construct itself and once for the referents,
// and whatever belongs to the other pass does nothing. So the order of members
// is the order of referents, reading is what writing is, and neither pass can
// be forgotten.

// Value is a type with a wire form. NDR names its members in the order of the
// IDL, each by one call of a Codec's method. It is called in two passes, so:
//
//   - decisions, such as the arm of a union, hang on what is in the value, not
//     on local variables that a call has filled;
//   - when reading, a member has its value after its call in the first pass,
//     and a referent after its call in the second;
//   - a structure begins with c.Struct and ends with c.EndStruct;
//   - members that are Values are given to c.Value, or their NDR is called.
type Value interface {
	NDR(c *Codec)
}

// Conformant is a Value that is a conformant array, or a structure that has one
// as last member. Conformance names the array's maximum count, by c.Count,
// c.MaxCount or the Conformance of that member; it comes before the whole
// construct (C706 14.3.7). It is called once, before the first pass, for the
// outermost construct: a structure that ends in a Conformant has to be one.
type Conformant interface {
	Value
	Conformance(c *Codec)
}

// MaxDepth is how deep referents may be nested in one another, the members of
// a linked list among them; then it is ErrDepth. The depth of the stack is this
// times that of the calls which a type's NDR makes.
const MaxDepth = 128

// pass is what a call on a Codec stands for.
type pass uint8

const (
	params    pass = iota // parameter list: a pointer is followed by its referent
	scalars               // construct: members, and pointers without referents
	referents             // what the construct's pointers point to
)

// Codec reads or writes the members of values, as Decoder.Value, Decoder.Params
// and their counterparts of Encoder hand it to NDR. Its methods take a pointer
// to the member: they fill it when reading and send it when writing.
type Codec struct {
	d     *Decoder // one of both
	e     *Encoder
	pass  pass
	depth int
	full  []fullPointer
}

// Value reads a parameter that is a construct, or the referent of a pointer
// parameter: its conformance, itself, its referents.
func (d *Decoder) Value(v Value) {
	d.codec.d = d
	d.codec.whole(v)
}

// Params reads a parameter list, the NDR of which names the parameters. A
// pointer's referent follows at once (C706 14.3.11); constructs have to be
// given to c.Value, c.Ref or c.Unique.
func (d *Decoder) Params(v Value) {
	d.codec.d = d
	v.NDR(&d.codec)
}

// Value writes what Decoder.Value reads.
func (e *Encoder) Value(v Value) {
	e.codec.e = e
	e.codec.whole(v)
}

// Params writes what Decoder.Params reads.
func (e *Encoder) Params(v Value) {
	e.codec.e = e
	v.NDR(&e.codec)
}

// Reading says that members are filled, not sent.
func (c *Codec) Reading() bool { return c.d != nil }

// Referents says that this is the second pass, in which the value itself is
// complete and only referents are read or written.
func (c *Codec) Referents() bool { return c.pass == referents }

// NDR64 says that the transfer syntax is NDR64.
func (c *Codec) NDR64() bool {
	if c.d != nil {
		return c.d.wide
	}
	return c.e.wide
}

// Err is the first error of the Decoder or Encoder.
func (c *Codec) Err() error {
	if c.d != nil {
		return c.d.err
	}
	return c.e.err
}

// Fail makes it fail, see Decoder.Fail.
func (c *Codec) Fail(what string, cause error) {
	if c.d != nil {
		c.d.Fail(what, cause)
		return
	}
	c.e.Fail(what, cause)
}

// Value names a member, or a parameter, that is a construct.
func (c *Codec) Value(v Value) {
	if c.pass == params {
		c.whole(v)
		return
	}
	v.NDR(c)
}

// whole is one complete construct: conformance, construct, referents.
func (c *Codec) whole(v Value) {
	if c.depth >= MaxDepth {
		c.Fail("pointer", ErrDepth)
	}
	if c.Err() != nil {
		return
	}
	outer := c.pass
	c.depth++
	c.pass = scalars
	if v, ok := v.(Conformant); ok {
		v.Conformance(c)
	}
	v.NDR(c)
	if c.Err() == nil {
		c.pass = referents
		v.NDR(c)
	}
	c.pass = outer
	c.depth--
}

// Struct begins a structure whose members have a as largest alignment.
func (c *Codec) Struct(a Align) {
	switch {
	case c.pass == params:
		c.Fail("structure", ErrUse)
	case c.pass == referents:
	case c.d != nil:
		c.d.Struct(a)
	default:
		c.e.Struct(a)
	}
}

// EndStruct ends a structure.
func (c *Codec) EndStruct(a Align) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		c.d.EndStruct(a)
	default:
		c.e.EndStruct(a)
	}
}

// Align goes on to an alignment, see Decoder.Align.
func (c *Codec) Align(a Align) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		c.d.Align(a)
	default:
		c.e.Align(a)
	}
}
