// SPDX-License-Identifier: Apache-2.0

package handoff

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/tests/tools/check"
)

func TestLargestMessages(t *testing.T) {
	binding := bytes.Repeat([]byte("x"), MaxBinding)
	for _, c := range []struct {
		name string
		m    Message
		want error
	}{
		{"inline", Message{FragLength: minFrag, NPALevel: 8, Binding: binding, NPA: make([]byte, MaxInline)}, nil},
		{"inline, one more", Message{FragLength: minFrag, NPALevel: 8, Binding: binding, NPA: make([]byte, MaxInline+1)}, ErrLength},
		{"binding, one more", Message{FragLength: minFrag, Binding: append(binding, 'x')}, ErrBinding},
		{"memfd", Message{Flags: FlagNPAInMemfd, FragLength: 65535, NPALevel: 5, NPALength: MaxNPA, Binding: binding}, nil},
		{"memfd, one more", Message{Flags: FlagNPAInMemfd, FragLength: 65535, NPALevel: 5, NPALength: MaxNPA + 1, Binding: binding}, ErrNPA},
	} {
		var got Message
		if err := got.Parse(c.m.Append(nil)); err != c.want {
			t.Errorf("%s: %v", c.name, err)
		} else if err == nil {
			if c.m.Flags&FlagNPAInMemfd == 0 {
				c.m.NPALength = uint32(len(c.m.NPA))
			}
			check.SameIn(t, c.name, c.m, got, cmp.Comparer(bytes.Equal))
		}
	}
}

func TestDescriptors(t *testing.T) {
	for flags, want := range []int{1, 2, 1, 2} {
		if got := (&Message{Flags: uint16(flags)}).Descriptors(); got != want {
			t.Errorf("flags %d: %d descriptors", flags, got)
		}
	}
}

func TestAnErrorLeavesTheMessage(t *testing.T) {
	m := Message{ConnID: 7}
	if err := m.Parse([]byte("MSRH")); err != ErrMagic || m.ConnID != 7 {
		t.Errorf("%v, %+v", err, m)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	m := Message{ConnID: 1, FragLength: 72, NPALevel: 8, Binding: []byte(`ncacn_np:[\pipe\winreg]`), NPA: make([]byte, 700)}
	buf := make([]byte, 0, 1024)
	n := testing.AllocsPerRun(100, func() {
		var got Message
		buf = m.Append(buf[:0])
		if err := got.Parse(buf); err != nil || len(got.NPA) != 700 {
			t.Fatal(err)
		}
		if err := got.Parse(buf[:60]); err == nil {
			t.Fatal("accepted")
		}
	})
	check.Is(t, "allocations", 0, n)
}

// FuzzParse checks that what Parse takes is what Append makes.
func FuzzParse(f *testing.F) {
	for _, v := range readPage(f).vectors {
		f.Add(v.datagram)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		if m.Parse(b) != nil {
			return
		}
		if again := m.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x is encoded as %x", b, again)
		}
	})
}

func BenchmarkAppendAndParse(b *testing.B) {
	m := Message{ConnID: 1, FragLength: 72, NPALevel: 8, Binding: []byte(`ncacn_np:[\pipe\winreg]`), NPA: make([]byte, 700)}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.Append(buf[:0])
		check.OK(b, m.Parse(buf))
	}
}
