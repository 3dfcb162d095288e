// SPDX-License-Identifier: Apache-2.0

package printable

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe reports whether a terminal shows r as one visible character or a blank.
func Safe(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.In(r, unicode.Zs, unicode.Cf)
}

// Text escapes every character of s that is not Safe as \n, \t, \x1b, \u202e or
// \U000e0001, and a backslash as itself.
func Text(s string) string {
	if strings.IndexFunc(s, unsafe) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case Safe(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

func unsafe(r rune) bool { return !Safe(r) }

// Cut is Text of at most about max bytes of s, with "..." for the rest.
func Cut(s string, max int) string {
	if len(s) <= max {
		return Text(s)
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return Text(s[:max]) + "..."
}

// Quote is Cut in quotes, for a text in the middle of a sentence.
func Quote(s string, max int) string {
	return `"` + strings.ReplaceAll(Cut(s, max), `"`, `\"`) + `"`
}

// Count is a number of things, such as "1 process" or "2 processes".
func Count[N ~int | ~uint32 | ~uint64](n N, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "s") || strings.HasSuffix(thing, "x"):
		thing += "es"
	default:
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}

// JSON escapes what is not Safe in a JSON document as \uXXXX. Outside of its
// strings a document has only characters that are safe, and line ends.
func JSON(doc []byte) []byte {
	out := make([]byte, 0, len(doc))
	for len(doc) > 0 {
		r, n := utf8.DecodeRune(doc)
		switch {
		case r == '\n' || Safe(r):
			out = append(out, doc[:n]...)
		case r > 0xffff:
			hi, lo := (r-0x10000)>>10, r-0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+hi, 0xdc00+lo&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		doc = doc[n:]
	}
	return out
}

// Writer passes lines on to W; whatever in them is not Safe comes out as Text
// has it. It is for what a program writes to a terminal as a whole.
type Writer struct{ W io.Writer }

// Write never splits what it escapes: a caller writes whole characters.
func (w Writer) Write(p []byte) (int, error) {
	lines := strings.Split(string(p), "\n")
	for i, l := range lines {
		lines[i] = Text(l)
	}
	if _, err := io.WriteString(w.W, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}
