// SPDX-License-Identifier: Apache-2.0

package unittext

import (
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	for in, want := range map[string]string{
		"/run/np/winreg": "/run/np/winreg",
		"/a b/c":         "/a b/c",
		"/50%/%i":        "/50%%/%%i",
		`/a"b`:           `/a"b`,
		"/ä":             "/ä",
		"":               "", "x": "", " /x": "", "/x ": "", "/x\t": "", "/x\u00a0": "",
		"/a\nb": "", "/a\rb": "", "/a\x00b": "", "/a\x7fb": "", "/a\u0085b": "", "/a\xffb": "",
		`/a\b`: "", `/a\`: "",
	} {
		got, err := Path(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Path(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestWord(t *testing.T) {
	for in, want := range map[string]string{
		"":           `""`,
		"plain-1.2":  "plain-1.2",
		"/a/b,c:d=e": "/a/b,c:d=e",
		"a b":        `"a b"`,
		"a%i":        "a%%i",
		`a"b\c`:      `"a\"b\\c"`,
		"it's":       `"it's"`,
		";":          `";"`,
		"#x":         `"#x"`,
		"$HOME":      "$HOME", // a command doubles it
		"ä":          `"ä"`,
		`end\`:       `"end\\"`,
	} {
		if got, err := Word(in); got != want || err != nil {
			t.Errorf("Word(%q) = %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"a\nb", "a\x00", "\x1b[1m", "\xff"} {
		if got, err := Word(in); err == nil {
			t.Errorf("Word(%q) = %s, want an error", in, got)
		}
	}
}

func TestDescription(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                  "plain",
		"":                       "(no text)",
		"\n\\":                   "(no text)",
		"100 %":                  "100 %%",
		"a\nb\x00c\td":           `a b\x00c d`,
		" a  b ":                 "a b",
		`pipe \pipe\x`:           `pipe \pipe\x`,
		`ends in \\`:             "ends in",
		"bad \xff text":          `bad \xff text`,
		strings.Repeat("x", 300): strings.Repeat("x", 200) + "...",
		strings.Repeat("ä", 150): strings.Repeat("ä", 100) + "...",
	} {
		if got := Description(in); got != want {
			t.Errorf("Description(%q) = %q, want %q", in, got, want)
		}
	}
}
