// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns strings (C706 14.3.4, MS-RPCE 2.2.5.3.3): arrays of
// characters with the attribute [string], whose last character is a NUL, and
// arrays of characters without it. What is read points into the stub; a NUL
// at the end is neither returned nor to be given.

import "bytes"

const (
	whatString  = "conformant string"
	whatVarying = "varying string"
	whatChars   = "character array"
)

// counts reads maximum, offset 0 and actual count of a conformant varying
// array, and returns the maximum and the bytes of its characters of size bytes.
func (d *Decoder) counts(what string, size int) (max uint32, p []byte) {
	max = d.count(what)
	return max, d.actual(what, max, size)
}

// actual reads offset 0 and actual count, and returns the characters' bytes.
func (d *Decoder) actual(what string, max uint32, size int) []byte {
	first, n := d.varying(what, max, size)
	if first != 0 {
		d.Fail(what, ErrOffset)
	}
	return d.next(what, size, n*size)
}

// cut takes the NUL off the end. More of them may be there: like a C program,
// it ends the string at the first.
func (d *Decoder) cut(what string, p []byte) []byte {
	if d.err != nil {
		return nil
	}
	if len(p) == 0 || p[len(p)-1] != 0 {
		d.Fail(what, ErrTerminator)
		return nil
	}
	n := bytes.IndexByte(p, 0)
	return p[:n:n]
}

// wcut is cut for wide characters.
func (d *Decoder) wcut(what string, p []byte) UTF16 {
	w := UTF16{raw: p, big: d.big}
	if d.err != nil {
		return UTF16{}
	}
	if n := w.Len(); n == 0 || w.At(n-1) != 0 {
		d.Fail(what, ErrTerminator)
		return UTF16{}
	}
	return w.Text()
}

// String reads a conformant varying [string] of char.
func (d *Decoder) String() []byte {
	_, p := d.counts(whatString, 1)
	return d.cut(whatString, p)
}

// WString reads a conformant varying [string] of wchar_t.
func (d *Decoder) WString() UTF16 {
	_, p := d.counts(whatString, 2)
	return d.wcut(whatString, p)
}

// VaryingString reads a [string] char member[max].
func (d *Decoder) VaryingString(max uint32) []byte {
	return d.cut(whatVarying, d.actual(whatVarying, max, 1))
}

// VaryingWString reads a [string] wchar_t member[max].
func (d *Decoder) VaryingWString(max uint32) UTF16 {
	return d.wcut(whatVarying, d.actual(whatVarying, max, 2))
}

// Chars reads a conformant varying array of char that is not a [string], as it is,
// and the size that the array has.
func (d *Decoder) Chars() (max uint32, p []byte) { return d.counts(whatChars, 1) }

// WChars reads a conformant varying array of wchar_t that is not a [string], such
// as the buffer of an RPC_UNICODE_STRING, and the size that the array has.
func (d *Decoder) WChars() (max uint32, w UTF16) {
	max, p := d.counts(whatChars, 2)
	return max, UTF16{raw: p, big: d.big}
}

// text writes the counts of a [string], the size of a conformant one among
// them, its characters and the terminator.
func text[S string | []byte](e *Encoder, what string, conformant bool, max uint32, s S) {
	for i := range len(s) {
		if s[i] == 0 {
			e.Fail(what, ErrTerminator)
		}
	}
	e.textCounts(what, conformant, max, len(s))
	e.b = append(append(e.b, s...), 0)
}

// wtext is text for wide characters.
func (e *Encoder) wtext(what string, conformant bool, max uint32, w UTF16) {
	if w.index(0) >= 0 {
		e.Fail(what, ErrTerminator)
	}
	e.textCounts(what, conformant, max, w.Len())
	e.b = append(w.appendTo(e.b, e.big), 0, 0)
}

func (e *Encoder) textCounts(what string, conformant bool, max uint32, n int) {
	switch {
	case conformant:
		e.Count(n + 1)
	case uint64(n) >= uint64(max):
		e.Fail(what, ErrCount)
	}
	e.Varying(0, n+1)
}

// String writes a conformant varying [string] of char and its terminator. s
// must have no NUL.
func (e *Encoder) String(s string) { text(e, whatString, true, 0, s) }

// WString writes a conformant varying [string] of wchar_t and its terminator.
// w must have no NUL.
func (e *Encoder) WString(w UTF16) { e.wtext(whatString, true, 0, w) }

// VaryingString writes a [string] char member[max]. s must have no NUL and be
// shorter than max.
func (e *Encoder) VaryingString(s string, max uint32) { text(e, whatVarying, false, max, s) }

// VaryingWString writes a [string] wchar_t member[max]. w must have no NUL and
// be shorter than max.
func (e *Encoder) VaryingWString(w UTF16, max uint32) { e.wtext(whatVarying, false, max, w) }

// Chars writes a conformant varying array of char as it is, of which max could
// be there.
func (e *Encoder) Chars(max uint32, p []byte) {
	e.charCounts(max, len(p))
	e.b = append(e.b, p...)
}

// WChars writes a conformant varying array of wchar_t as it is, of which max
// could be there.
func (e *Encoder) WChars(max uint32, w UTF16) {
	e.charCounts(max, w.Len())
	e.b = w.appendTo(e.b, e.big)
}

func (e *Encoder) charCounts(max uint32, n int) {
	if uint64(n) > uint64(max) {
		e.Fail(whatChars, ErrCount)
	}
	e.MaxCount(max)
	e.Varying(0, n)
}
