// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns the discriminants of unions (C706 14.3.8). The arm is named
// by the caller, in a switch over the discriminant, which therefore has to be
// kept in the value: both passes come through that switch.
//
//	c.Switch(ndr.Tag16, ndr.AlignPtr, &u.Level)
//	switch u.Level {
//	case 1:
//		c.Uint32(&u.Number)
//	case 2:
//		c.Unique(&u.HasName, &u.Name)
//	default:
//		c.NoArm() // left out where the IDL says default: ;
//	}

import "math"

// Tag is the type of a discriminant.
type Tag uint8

// Types of discriminants.
const (
	Tag8    Tag = iota // small, char, boolean
	Tag16              // short
	Tag32              // long, v1_enum
	TagEnum            // enum without v1_enum
)

// Switch names the discriminant of a union whose arms have a as largest
// alignment. In NDR each arm has its own alignment. NDR64 aligns the union,
// its discriminant included, and once more the arm.
func (c *Codec) Switch(t Tag, a Align, p *uint32) {
	if c.Referents() {
		return
	}
	if c.NDR64() {
		c.Align(a)
	}
	if c.Reading() {
		*p = c.d.tag(t)
	} else {
		c.e.tag(t, *p)
	}
	if c.NDR64() {
		c.Align(a)
	}
}

// SwitchIs is Switch for a union whose discriminant is known from elsewhere,
// [switch_is(want)], and comes once more with it: another one is ErrTag.
func (c *Codec) SwitchIs(t Tag, a Align, want uint32) {
	got := want
	if c.Switch(t, a, &got); got != want {
		c.Fail("union", ErrTag)
	}
}

// NoArm says that the discriminant selects nothing: ErrTag.
func (c *Codec) NoArm() { c.Fail("union", ErrTag) }

func (d *Decoder) tag(t Tag) uint32 {
	switch t {
	case Tag8:
		return uint32(d.Uint8())
	case Tag16:
		return uint32(d.Uint16())
	case TagEnum:
		return uint32(d.Enum())
	}
	return d.Uint32()
}

func (e *Encoder) tag(t Tag, v uint32) {
	switch {
	case t == Tag32:
		e.Uint32(v)
	case t == Tag8 && v <= math.MaxUint8:
		e.Uint8(uint8(v))
	case t == Tag16 && v <= math.MaxUint16:
		e.Uint16(uint16(v))
	case t == TagEnum && v <= math.MaxUint16:
		e.Enum(uint16(v))
	default:
		e.Fail("union", ErrTag)
	}
}
