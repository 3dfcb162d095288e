// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns the numbers that come before arrays (C706 14.3.3, MS-RPCE
// 2.2.5.3.2) and pointers that are not deferred (C706 14.3.11): 4 bytes in
// NDR, 8 in NDR64. No count leaves the Decoder that the bytes left cannot
// bear, so that a caller may allocate and loop by it.

import "math"

// count reads a number of elements. More than 32 bits can tell is ErrCount.
func (d *Decoder) count(what string) uint32 {
	if !d.wide {
		return d.u32(what)
	}
	v := d.u64(what)
	if v > math.MaxUint32 {
		d.Fail(what, ErrCount)
		return 0
	}
	return uint32(v)
}

// Fits says whether n elements of at least min bytes each (taken as 1 when
// less) can follow, and fails with ErrCount when not. Count and Varying have
// asked it already; an array of several dimensions has to ask for the product.
func (d *Decoder) Fits(n uint64, min int) bool { return d.fits("array", n, min) }

func (d *Decoder) fits(what string, n uint64, min int) bool {
	if min < 1 {
		min = 1
	}
	if n > uint64(len(d.b)-d.off)/uint64(min) {
		d.Fail(what, ErrCount)
	}
	return d.err == nil
}

// Count reads the maximum count of a conformant array, each element of which
// takes at least min bytes (padding not counted, taken as 1 when less). It
// fails with ErrCount, and returns 0, when fewer bytes are left.
func (d *Decoder) Count(min int) int {
	n := d.count("conformant array")
	if !d.fits("conformant array", uint64(n), min) {
		return 0
	}
	return int(n)
}

// MaxCount reads the maximum count of a conformant varying array: the size of
// the array, of which Varying says how much is sent. Do not allocate by it.
func (d *Decoder) MaxCount() uint32 { return d.count("conformant varying array") }

// Varying reads offset and actual count of a varying array of max elements,
// each of at least min bytes: n elements follow, the first is number first. It
// fails with ErrCount when they are outside of the array or of the bytes left.
func (d *Decoder) Varying(max uint32, min int) (first uint32, n int) {
	return d.varying("varying array", max, min)
}

func (d *Decoder) varying(what string, max uint32, min int) (first uint32, n int) {
	first = d.count(what)
	actual := d.count(what)
	if uint64(first)+uint64(actual) > uint64(max) {
		d.Fail(what, ErrCount)
	}
	if !d.fits(what, uint64(actual), min) {
		return 0, 0
	}
	return first, int(actual)
}

// Referent reads the referent id of a full pointer, 0 for null.
func (d *Decoder) Referent() uint64 {
	if d.wide {
		return d.u64("pointer")
	}
	return uint64(d.u32("pointer"))
}

// Unique reads a unique pointer, or a full one that is not an alias, and says
// whether it is there. The referent of a parameter follows at once; that of a
// structure's member does not: use Codec.Unique there.
func (d *Decoder) Unique() bool { return d.Referent() != 0 }

// count writes a number of elements.
func (e *Encoder) count(n uint64) {
	switch {
	case n > math.MaxUint32: // or was negative
		e.Fail("element count", ErrCount)
	case e.wide:
		e.Uint64(n)
	default:
		e.Uint32(uint32(n))
	}
}

// Count writes the maximum count of a conformant array.
func (e *Encoder) Count(n int) { e.count(uint64(n)) }

// MaxCount writes the maximum count of a conformant varying array.
func (e *Encoder) MaxCount(n uint32) { e.count(uint64(n)) }

// Varying writes offset and actual count of a varying array.
func (e *Encoder) Varying(first uint32, n int) {
	e.count(uint64(first))
	e.count(uint64(n))
}

// firstReferent and steps of 4 are what Windows and Samba send; any non-zero
// ids that differ would do (C706 14.3.10).
const firstReferent = 0x00020000

// Referent writes the id of a full pointer, 0 for null.
func (e *Encoder) Referent(id uint64) {
	switch {
	case e.wide:
		e.Uint64(id)
	case id > math.MaxUint32:
		e.Fail("pointer", ErrRange)
	default:
		e.Uint32(uint32(id))
	}
}

// NewReferent writes the id of a pointer with a referent of its own and
// returns it.
func (e *Encoder) NewReferent() uint64 {
	id := uint64(firstReferent + 4*e.refs)
	e.refs++
	e.Referent(id)
	return id
}

// Unique writes a unique pointer, see Decoder.Unique.
func (e *Encoder) Unique(present bool) {
	if !present {
		e.Referent(0)
		return
	}
	e.NewReferent()
}
