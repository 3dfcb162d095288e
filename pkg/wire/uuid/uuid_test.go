// SPDX-License-Identifier: Apache-2.0

package uuid

import (
	"encoding/json"
	"testing"
)

const (
	text = "338cd001-2244-31f1-aaaa-900038001003" // winreg
	nilS = "00000000-0000-0000-0000-000000000000"
)

func TestParse(t *testing.T) {
	for _, s := range []string{text, nilS, "ffffffff-ffff-ffff-ffff-ffffffffffff"} {
		u, err := Parse(s)
		if err != nil || u.String() != s || u.IsNil() != (s == nilS) {
			t.Errorf("%s: %v, %v", s, u, err)
		}
	}
	if u, err := Parse("338CD001-2244-31F1-AAAA-900038001003"); err != nil || u != MustParse(text) {
		t.Errorf("upper case: %v, %v", u, err)
	}
	for _, s := range []string{
		"", text[1:], text + "0", "{" + text[1:], "338cd001 2244-31f1-aaaa-900038001003",
		"338cd0012244-31f1-aaaa-9000380010030", "g38cd001-2244-31f1-aaaa-900038001003",
	} {
		if u, err := Parse(s); err == nil {
			t.Errorf("%q gave %v", s, u)
		}
	}
}

func TestWire(t *testing.T) {
	u := MustParse(text)
	little := [Size]byte{1, 0xd0, 0x8c, 0x33, 0x44, 0x22, 0xf1, 0x31, 0xaa, 0xaa, 0x90, 0, 0x38, 0, 0x10, 3}
	big := [Size]byte{0x33, 0x8c, 0xd0, 1, 0x22, 0x44, 0x31, 0xf1, 0xaa, 0xaa, 0x90, 0, 0x38, 0, 0x10, 3}
	if u.Wire(false) != little || u.Wire(true) != big {
		t.Errorf("%x, %x", u.Wire(false), u.Wire(true))
	}
	if FromWire(little, false) != u || FromWire(big, true) != u {
		t.Errorf("%v, %v", FromWire(little, false), FromWire(big, true))
	}
	if b := u.AppendWire([]byte{9}, false); len(b) != 17 || [Size]byte(b[1:]) != little || b[0] != 9 {
		t.Errorf("%x", b)
	}
}

func TestJSON(t *testing.T) {
	b, err := json.Marshal(MustParse(text))
	if err != nil || string(b) != `"`+text+`"` {
		t.Fatalf("%s, %v", b, err)
	}
	var u UUID
	if err := json.Unmarshal(b, &u); err != nil || u != MustParse(text) {
		t.Errorf("%v, %v", u, err)
	}
	if err := json.Unmarshal([]byte(`"x"`), &u); err == nil {
		t.Error("no error")
	}
}

func TestNew(t *testing.T) {
	a, b := New(), New()
	if a == b || a[6]>>4 != 4 || a[8]>>6 != 2 {
		t.Errorf("%v, %v", a, b)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	u, buf := MustParse(text), make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		buf = u.AppendWire(buf[:0], false)
		buf, _ = FromWire([Size]byte(buf), false).AppendText(buf[:0])
	}); n != 0 || string(buf) != text {
		t.Errorf("%v allocations, %s", n, buf)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(text)
	f.Add(nilS)
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := Parse(s); err == nil {
			if again, err := Parse(u.String()); err != nil || again != u {
				t.Fatalf("%q: %v, %v", s, u, err)
			}
		}
	})
}
