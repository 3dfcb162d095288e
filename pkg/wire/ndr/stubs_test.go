// SPDX-License-Identifier: Apache-2.0

package ndr

// Stubs of calls with unions, enums, conformant structures, arrays of pointers
// and of structures, as Samba writes them in NDR of both byte orders and in
// NDR64: each is read, written again byte for byte, and says the same in all.

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// sameText compares UTF16 by what it says.
var sameText = cmp.Comparer(func(a, b UTF16) bool { return a.String() == b.String() })

// sequentialIDs gives the full pointers in b the referent ids that Samba gives
// them, 1, 2, ... instead of 0x20000, 0x20004, ...
func sequentialIDs(b []byte, f Format) {
	order := binary.ByteOrder(binary.LittleEndian)
	if f&BigEndian != 0 {
		order = binary.BigEndian
	}
	next := uint32(0)
	for i := 0; i+4 <= len(b); i += 4 {
		if order.Uint32(b[i:]) == firstReferent+4*next {
			next++
			order.PutUint32(b[i:], next)
		}
	}
}

func TestStubsOfSamba(t *testing.T) {
	text := vectors.Read(t, "ndr/samba-4.17-stubs.txt")
	formats := map[string]Format{"le": 0, "be": BigEndian, "64": NDR64, "be64": BigEndian | NDR64}
	first := make(map[string]Value)
	n := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if f[0] == "#" {
			continue
		}
		n++
		b, err := hex.DecodeString(f[2])
		v := newStub(f[0])
		if err != nil || v == nil {
			t.Fatalf("bad line %q", line)
		}
		format := formats[f[1]]
		d := NewDecoder(b, format)
		d.Params(v)
		if err := d.Close(); err != nil {
			t.Errorf("%s %s: %v", f[0], f[1], err)
			continue
		}
		e := NewEncoder(nil, format)
		e.Params(v)
		if strings.HasPrefix(f[0], "epm_") {
			sequentialIDs(e.Bytes(), format)
		}
		if e.Err() != nil || !bytes.Equal(e.Bytes(), b) {
			t.Errorf("%s %s: written again: %v\n%x\n%x", f[0], f[1], e.Err(), e.Bytes(), b)
		}
		if first[f[0]] == nil {
			first[f[0]] = v
		} else if diff := cmp.Diff(first[f[0]], v, sameText, cmp.AllowUnexported(echoSurrounding{})); diff != "" {
			t.Errorf("%s %s: is not what little-endian NDR says: %s", f[0], f[1], diff)
		}
	}
	check.Is(t, "stubs", 47, n)
}

// TestStubValues says what is in some of the stubs.
func TestStubValues(t *testing.T) {
	s := first(t, "srvsvc_NetShareEnumAll_out").(*shareEnum)
	if a := s.Ctr.Ctr1.V.Shares; s.Total != 2 || s.Resume.V != 9 || len(a) != 2 || !a[0].Name.V.Equal("IPC$") ||
		!a[0].Comment.V.Equal("IPC Service") || a[0].Type != 0x80000003 || a[1].Comment.Present || !a[1].Name.V.Equal("data") {
		t.Errorf("%+v", s)
	}
	l := first(t, "lsa_LookupNames_in").(*lsaLookup)
	if len(l.Names) != 2 || !l.Names[0].Buffer.Equal("root") || l.Names[0].Length != 8 || l.Level != 1 {
		t.Errorf("%+v", l)
	}
	o := first(t, "epm_Lookup_out").(*eptLookupOut)
	if e := o.Entries.Elem; o.Entries.Max != 500 || len(e) != 2 || string(e[1].Annotation) != "another" ||
		!bytes.Equal(e[1].Tower.P.Octets, []byte{1, 0, 1, 0, 7, 2, 0, 4, 1}) || e[0].Object[0] != 0xa0 {
		t.Errorf("%+v", o)
	}
}

// first is the little-endian stub of that name, read.
func first(t *testing.T, name string) Value {
	t.Helper()
	text := vectors.Read(t, "ndr/samba-4.17-stubs.txt")
	_, line, _ := strings.Cut(string(text), "\n"+name+" le ")
	line, _, _ = strings.Cut(line, "\n")
	b, err := hex.DecodeString(line)
	check.OK(t, err)
	v := newStub(name)
	d := NewDecoder(b, 0)
	if d.Params(v); d.Close() != nil {
		t.Fatal(d.Err())
	}
	return v
}
