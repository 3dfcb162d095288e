// SPDX-License-Identifier: Apache-2.0

package printable

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"msrpcd/tests/tools/check"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"smbd":                  "smbd",
		"größe, 你好, a b":        "größe, 你好, a b",
		"\x1b[2J\nall is well":  `\x1b[2J\nall is well`,
		"a\tb\rc\x00d\x7f":      `a\tb\rc\x00d\x7f`,
		"\u009b31m":             `\u009b31m`,
		"\u202egnp.exe\u2066":   `\u202egnp.exe\u2066`,
		"a\u200bb\ufeff\u2028c": `a\u200bb\ufeff\u2028c`,
		"\xff\xc3":              `\xff\xc3`,
		"\U000e0041":            `\U000e0041`,
		`C:\x`:                  `C:\x`,
		"\u00a0":                `\u00a0`,
	} {
		check.Is(t, fmt.Sprint(in), want, Text(in))
	}
}

func TestCutQuoteAndCount(t *testing.T) {
	check.Is(t, "cut", "ä...", Cut("äää", 3))
	check.Is(t, "quote", `"a\"\x1b"`, Quote("a\"\x1b", 60))
	check.Is(t, "one", "1 inbox", Count(1, "inbox"))
	check.Is(t, "several", "0 spares, 2 processes", Count(0, "spare")+", "+Count(uint64(2), "process"))
}

func TestWriterKeepsLineEnds(t *testing.T) {
	var b bytes.Buffer
	n, err := Writer{&b}.Write([]byte("one\ntwo\x1b[1m\n"))
	if n != 12 || err != nil || b.String() != "one\ntwo\\x1b[1m\n" {
		t.Errorf("%d, %v, %q", n, err, b.String())
	}
}

// JSON changes how a document looks and nothing that a parser reads.
func FuzzJSON(f *testing.F) {
	f.Add("plain")
	f.Add("\u009b \u202e \U000e0001 \x1b \u2028 \xff \u00ad")
	f.Fuzz(func(t *testing.T, s string) {
		doc, err := json.MarshalIndent(map[string]string{"k": s}, "", "  ")
		check.OK(t, err)
		out := JSON(doc)
		var got map[string]string
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if want := strings.ToValidUTF8(s, ""); strings.ReplaceAll(got["k"], "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Errorf("%q reads as %q", s, got["k"])
		}
		for _, text := range []string{string(bytes.ReplaceAll(out, []byte("\n"), nil)), Text(s)} {
			if !utf8.ValidString(text) || strings.IndexFunc(text, unsafe) >= 0 {
				t.Errorf("%q is left in %q", s, text)
			}
		}
	})
}
