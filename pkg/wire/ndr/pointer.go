// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns the pointers of a Codec (C706 14.3.10 to 14.3.12). As a
// parameter, a pointer is followed by what it points to; in a construct, the
// referent is read or written in the second pass.

// Pointee is a pointer type that is a Value.
type Pointee[T any] interface {
	*T
	Value
}

// Ref names a [ref] pointer: never null. A parameter has no representation but
// its referent; a member has a referent id of which nothing follows, so any
// value is taken (C706 14.3.12.2).
func (c *Codec) Ref(v Value) {
	switch {
	case c.pass != scalars:
		c.whole(v)
	case c.d != nil:
		c.d.Referent()
	default:
		c.e.NewReferent()
	}
}

// Unique names a [unique] pointer to v, which is kept by the caller; *present
// says whether it is there. With *present false, v is not touched. A [ptr]
// pointer that never is an alias is the same on the wire.
func (c *Codec) Unique(present *bool, v Value) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*present = c.d.Unique()
	default:
		c.e.Unique(*present)
	}
	if *present && c.pass != scalars {
		c.whole(v)
	}
}

// UniquePtr names a [unique] pointer kept as a Go pointer, nil for null, such
// as the next member of a list. When reading, one that is nil is allocated; one
// that is not is filled.
func UniquePtr[T any, P Pointee[T]](c *Codec, p *P) {
	present := *p != nil
	switch {
	case c.pass == referents:
	case c.d != nil:
		if present = c.d.Unique(); !present {
			*p = nil
		} else if *p == nil {
			*p = new(T)
		}
	default:
		c.e.Unique(present)
	}
	if present && c.pass != scalars {
		c.whole(*p)
	}
}

// Optional is a [unique] pointer and its referent as a value, for arrays of
// pointers: Array[Optional[T, *T], *Optional[T, *T]].
type Optional[T any, P Pointee[T]] struct {
	Present bool
	V       T
}

// NDR names the pointer.
func (o *Optional[T, P]) NDR(c *Codec) { c.Unique(&o.Present, P(&o.V)) }

// MinSize is that of a pointer in NDR.
func (*Optional[T, P]) MinSize() int { return 4 }

// maxFull is how many different full pointers one stub may have.
const maxFull = 128

// fullPointer is one referent that full pointers share.
type fullPointer struct {
	id   uint64
	v    Value
	done bool // it was read or written
}

// FullPtr names a [ptr] pointer kept as a Go pointer, nil for null. Pointers of
// one stub that have one referent are equal on either side, and their referent
// is sent once, with the first of them that comes to it (C706 14.3.12.1). When
// reading, each referent is allocated.
func FullPtr[T any, P Pointee[T]](c *Codec, p *P) {
	switch {
	case c.pass == referents:
	case c.d != nil:
		*p = readFull[T, P](c)
	case *p == nil:
		c.e.Referent(0)
	default:
		c.writeFull(*p)
	}
	if *p == nil || c.pass == scalars {
		return
	}
	for i := range c.full {
		if f := &c.full[i]; f.v == Value(*p) && !f.done {
			f.done = true
			c.whole(*p)
			return
		}
	}
}

// readFull reads a referent id and finds or allocates its referent.
func readFull[T any, P Pointee[T]](c *Codec) P {
	id := c.d.Referent()
	if id == 0 {
		return nil
	}
	for i := range c.full {
		if c.full[i].id == id {
			p, ok := c.full[i].v.(P)
			if !ok {
				c.Fail("full pointer", ErrAlias)
			}
			return p
		}
	}
	p := P(new(T))
	c.addFull(id, p)
	return p
}

// writeFull writes the id of v.
func (c *Codec) writeFull(v Value) {
	for i := range c.full {
		if c.full[i].v == v {
			c.e.Referent(c.full[i].id)
			return
		}
	}
	c.addFull(c.e.NewReferent(), v)
}

func (c *Codec) addFull(id uint64, v Value) {
	if len(c.full) == maxFull {
		c.Fail("full pointer", ErrAlias)
		return
	}
	c.full = append(c.full, fullPointer{id: id, v: v})
}
