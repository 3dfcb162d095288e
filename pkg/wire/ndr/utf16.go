// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns UTF16, text of wide characters that stays in the bytes it
// came in.

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// UTF16 is a view of wide characters (wchar_t, 16 bits) in a stub, valid as
// long as that is. The zero value is empty. It may hold what is not valid
// UTF-16, such as half a surrogate pair, and writes it back as it was.
type UTF16 struct {
	raw []byte // even length
	big bool
}

// MakeUTF16 is a UTF16 of the UTF-8 text s, to be written; invalid UTF-8
// becomes U+FFFD. It allocates.
func MakeUTF16(s string) UTF16 {
	raw := make([]byte, 0, 2*len(s))
	for _, r := range s {
		if hi, lo := utf16.EncodeRune(r); utf16.RuneLen(r) == 2 {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(hi))
			raw = binary.LittleEndian.AppendUint16(raw, uint16(lo))
		} else {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(r))
		}
	}
	return UTF16{raw: raw}
}

// Len is the number of 16-bit characters.
func (w UTF16) Len() int { return len(w.raw) / 2 }

// At is character i, 0 <= i < Len().
func (w UTF16) At(i int) uint16 {
	if w.big {
		return binary.BigEndian.Uint16(w.raw[2*i:])
	}
	return binary.LittleEndian.Uint16(w.raw[2*i:])
}

// Text is w up to its first NUL, for callers that think of C strings.
func (w UTF16) Text() UTF16 {
	if n := w.index(0); n >= 0 {
		w.raw = w.raw[: 2*n : 2*n]
	}
	return w
}

// index is the place of the first character c, -1 when there is none.
func (w UTF16) index(c uint16) int {
	for i := 0; i < w.Len(); i++ {
		if w.At(i) == c {
			return i
		}
	}
	return -1
}

// rune is the code point that begins with character i, and its length in
// characters; half a surrogate pair is U+FFFD.
func (w UTF16) rune(i int) (rune, int) {
	r := rune(w.At(i))
	if !utf16.IsSurrogate(r) {
		return r, 1
	}
	if i+1 < w.Len() {
		if r = utf16.DecodeRune(r, rune(w.At(i+1))); r != utf8.RuneError {
			return r, 2
		}
	}
	return utf8.RuneError, 1
}

// AppendUTF8 appends the text as UTF-8, at most 3 bytes per character.
func (w UTF16) AppendUTF8(dst []byte) []byte {
	for i := 0; i < w.Len(); {
		r, n := w.rune(i)
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}

// String is the text as UTF-8. It allocates; Equal and AppendUTF8 do not.
func (w UTF16) String() string { return string(w.AppendUTF8(nil)) }

// Equal says whether String would be s.
func (w UTF16) Equal(s string) bool {
	i := 0
	for _, r := range s {
		if i >= w.Len() {
			return false
		}
		c, n := w.rune(i)
		if c != r {
			return false
		}
		i += n
	}
	return i == w.Len()
}

// appendTo appends the characters in the given byte order.
func (w UTF16) appendTo(dst []byte, big bool) []byte {
	if w.big == big {
		return append(dst, w.raw...)
	}
	for i := 0; i+1 < len(w.raw); i += 2 {
		dst = append(dst, w.raw[i+1], w.raw[i])
	}
	return dst
}
