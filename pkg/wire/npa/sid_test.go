// SPDX-License-Identifier: Apache-2.0

package npa

// SIDs in both of their forms.

import "testing"

func TestSIDs(t *testing.T) {
	for text, bytes := range map[string]string{
		"S-1-0":                     "\x01\x00\x00\x00\x00\x00\x00\x00",
		"S-1-5-7":                   "\x01\x01\x00\x00\x00\x00\x00\x05\x07\x00\x00\x00",
		"S-1-5-32-544":              "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00",
		"S-1-22-2041152804-7":       "\x01\x02\x00\x00\x00\x00\x00\x16\x24\x85\xa9\x79\x07\x00\x00\x00",
		"S-1-4294967295-4294967295": "\x01\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
		"S-1-0x000100000000-1":      "\x01\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00",
		"S-1-0xFFFFFFFFFFFF":        "\x01\x00\xff\xff\xff\xff\xff\xff",
		"":                          "",
	} {
		if got := SID(bytes).String(); got != text {
			t.Errorf("%q is %q, want %q", bytes, got, text)
		}
		var back SID
		if err := back.UnmarshalText([]byte(text)); err != nil || string(back) != bytes {
			t.Errorf("%q is %q, %v, want %q", text, string(back), err, bytes)
		}
	}
	for _, text := range []string{"S", "S-1", "S-1-", "S-2-5", "s-1-5", "S-1-5-", "S-1-5-x", "S-1-5--1", "S-1-5-4294967296", "S-1-281474976710656",
		"S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16", "S-1-0x", " S-1-5", "S-1-+5"} {
		if s, err := ParseSID(text); err == nil {
			t.Errorf("%q is taken for %q", text, string(s))
		}
	}
}
