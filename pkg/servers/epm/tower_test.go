// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

var winreg = dcerpc.SyntaxID{UUID: uuid.MustParse("338cd001-2244-31f1-aaaa-900038001003"), Version: 1}

// Towers as Samba writes them, but for http and for a NetBIOS name, which are
// made by hand from C706 appendix I.
var towers = []struct {
	binding binding.Binding
	hex     string
}{
	{binding.Binding{Protseq: binding.NP, Endpoint: `\pipe\winreg`}, `0500
		1300 0d 01d08c33 4422 f131 aaaa900038001003 0100 0200 0000
		1300 0d 045d888a eb1c c911 9fe808002b104860 0200 0200 0000
		0100 0b 0200 0000
		0100 0f 0d00 5c706970655c77696e72656700
		0100 11 0100 00`},
	{binding.Binding{Protseq: binding.NP, Host: "SERVER", Endpoint: `\pipe\winreg`}, `0500
		1300 0d 01d08c33 4422 f131 aaaa900038001003 0100 0200 0000
		1300 0d 045d888a eb1c c911 9fe808002b104860 0200 0200 0000
		0100 0b 0200 0000
		0100 0f 0d00 5c706970655c77696e72656700
		0100 11 0700 53455256455200`},
	{binding.Binding{Protseq: binding.TCP, Host: "127.0.0.1", Endpoint: "49154"}, `0500
		1300 0d 01d08c33 4422 f131 aaaa900038001003 0100 0200 0000
		1300 0d 045d888a eb1c c911 9fe808002b104860 0200 0200 0000
		0100 0b 0200 0000
		0100 07 0200 c002
		0100 09 0400 7f000001`},
	{binding.Binding{Protseq: binding.HTTP, Endpoint: "593"}, `0500
		1300 0d 01d08c33 4422 f131 aaaa900038001003 0100 0200 0000
		1300 0d 045d888a eb1c c911 9fe808002b104860 0200 0200 0000
		0100 0b 0200 0000
		0100 1f 0200 0251
		0100 09 0400 00000000`},
	{binding.Binding{Protseq: binding.Ncalrpc, Endpoint: "rpcd_winreg"}, `0400
		1300 0d 01d08c33 4422 f131 aaaa900038001003 0100 0200 0000
		1300 0d 045d888a eb1c c911 9fe808002b104860 0200 0200 0000
		0100 0c 0200 0000
		0100 10 0c00 727063645f77696e72656700`},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	check.OK(t, err)
	return b
}

// towerRef is AppendTower of what is well-formed, and parsed is ParseTower of it.
func towerRef(t testing.TB, id, transfer dcerpc.SyntaxID, b binding.Binding) TowerRef {
	t.Helper()
	tower, err := AppendTower(nil, id, transfer, b)
	check.OK(t, err)
	return TowerRef{true, TowerOctets{tower}}
}

func parsed(t testing.TB, ref TowerRef) Tower {
	t.Helper()
	tower, err := ParseTower(ref.Tower.Octets)
	check.OK(t, err)
	return tower
}

func bindingOf(t testing.TB, ref TowerRef) binding.Binding {
	t.Helper()
	tower := parsed(t, ref)
	b, _ := tower.Binding()
	return b
}

// madeFor is an entry of an interface, made one of winreg.
func madeFor(t testing.TB, id dcerpc.SyntaxID, object uuid.UUID, annotation, protseq, endpoint string) entry {
	t.Helper()
	e, err := newEntry(object, annotation, towerRef(t, id, dcerpc.NDR, binding.Binding{Protseq: protseq, Endpoint: endpoint}).Tower.Octets)
	check.OK(t, err)
	return e
}

func made(t testing.TB, object uuid.UUID, annotation, protseq, endpoint string) entry {
	t.Helper()
	return madeFor(t, winreg, object, annotation, protseq, endpoint)
}

func TestTowersOfBindings(t *testing.T) {
	for _, tt := range towers {
		want := unhex(t, tt.hex)
		got, err := AppendTower([]byte{9}, winreg, dcerpc.NDR, tt.binding)
		if err != nil || !bytes.Equal(got[1:], want) {
			t.Errorf("%s: %v\n%x\n%x", tt.binding, err, got[1:], want)
		}
		tower, err := ParseTower(want)
		if err != nil {
			t.Errorf("%s: %v", tt.binding, err)
			continue
		}
		b, ok := tower.Binding()
		if d := cmp.Diff(tt.binding, b); d != "" || !ok {
			t.Errorf("%s: %v %s", tt.binding, ok, d)
		}
		if tower.Interface != winreg || tower.Transfer != dcerpc.NDR {
			t.Errorf("%s: interface %s, transfer syntax %s", tt.binding, tower.Interface, tower.Transfer)
		}
	}
}

// A minor version is in the right side of its floor.
func TestTowerVersions(t *testing.T) {
	id := dcerpc.SyntaxID{UUID: winreg.UUID, Version: 7<<16 | 3}
	tower := parsed(t, towerRef(t, id, dcerpc.NDR64, binding.Binding{Protseq: binding.TCP}))
	if tower.Interface != id || tower.Transfer != dcerpc.NDR64 {
		t.Errorf("%s, %s", tower.Interface, tower.Transfer)
	}
	if b, ok := tower.Binding(); !ok || b.String() != "ncacn_ip_tcp:[0]" {
		t.Errorf("%s %v", b, ok)
	}
}

func TestBadTowers(t *testing.T) {
	good := unhex(t, towers[2].hex)
	edit := func(at int, b ...byte) []byte {
		e := bytes.Clone(good)
		copy(e[at:], b)
		return e
	}
	for _, tt := range []struct {
		name  string
		tower []byte
		want  error
	}{
		{"empty", nil, ErrTower},
		{"no floors", []byte{0, 0}, ErrFloors},
		{"two floors", edit(0, 2), ErrFloors},
		{"65535 floors", edit(0, 255, 255), ErrFloors},
		{"one floor too many", edit(0, 6), ErrTower},
		{"one floor too few", edit(0, 4), ErrTower},
		{"cut", good[:len(good)-1], ErrTower},
		{"longer", append(bytes.Clone(good), 0), ErrTower},
		{"left side beyond the end", edit(2, 255, 255), ErrTower},
		{"left side empty", edit(2, 0, 0), ErrTower},
		{"interface of another protocol", edit(4, ProtocolTCP), ErrSyntax},
		{"too long", make([]byte, MaxTower+1), ErrTower},
	} {
		if _, err := ParseTower(tt.tower); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	for _, b := range []binding.Binding{
		{Protseq: "ncadg_ip_udp"}, {Protseq: binding.TCP, Endpoint: "x"}, {Protseq: binding.TCP, Endpoint: "65536"},
		{Protseq: binding.TCP, Host: "::1"}, {Protseq: binding.TCP, Host: "host"},
		{Protseq: binding.Ncalrpc, Endpoint: strings.Repeat("x", MaxTower)},
	} {
		if got, err := AppendTower([]byte{1}, winreg, dcerpc.NDR, b); !errors.Is(err, errBinding) || len(got) != 1 {
			t.Errorf("%s: %v, %d bytes", b, err, len(got))
		}
	}
}

func TestParseTowerDoesNotAllocate(t *testing.T) {
	b := unhex(t, towers[0].hex)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := ParseTower(b); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzTower(f *testing.F) {
	for _, tt := range towers {
		f.Add(unhex(f, tt.hex))
	}
	f.Add([]byte{5, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		tower, err := ParseTower(b)
		if err != nil {
			return
		}
		if n := len(tower.Floors()); n < 1 || n > maxFloors {
			t.Fatalf("%d floors", n)
		}
		for _, fl := range tower.Floors() {
			if !bytes.Equal(b[fl.at:fl.at+len(fl.RHS)], fl.RHS) {
				t.Fatalf("right side is not at %d", fl.at)
			}
		}
		binding, ok := tower.Binding()
		if !ok {
			return
		}
		again, err := AppendTower(nil, tower.Interface, tower.Transfer, binding)
		if err != nil {
			t.Fatalf("%s: %v", binding, err)
		}
		second, err := ParseTower(again)
		if err != nil {
			t.Fatalf("%s: %v", binding, err)
		}
		if b, ok := second.Binding(); !ok || b != binding {
			t.Fatalf("%s became %s", binding, b)
		}
	})
}
