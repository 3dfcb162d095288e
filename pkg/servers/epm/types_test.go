// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// stubs are those of Samba, by direction.
func stubs(t testing.TB) (in, out [][]byte) {
	t.Helper()
	text := vectors.Read(t, "ndr/samba-4.17-lookup.txt")
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if f[0] == "#" {
			continue
		}
		b, err := hex.DecodeString(f[1])
		check.OK(t, err)
		if f[0] == "in" {
			in = append(in, b)
		} else {
			out = append(out, b)
		}
	}
	return in, out
}

func answers(t testing.TB, out [][]byte) (rs []LookupResponse) {
	t.Helper()
	for _, b := range out {
		var r LookupResponse
		d := ndr.NewDecoder(b, 0)
		d.Params(&r)
		check.OK(t, d.Close())
		rs = append(rs, r)
	}
	return rs
}

// Samba numbers referents from 1, pkg/wire/ndr as Windows does; nothing else differs.
func sambaReferents(b []byte) {
	next := uint32(0)
	for i := 0; i+4 <= len(b); i += 4 {
		if binary.LittleEndian.Uint32(b[i:]) == 0x20000+4*next {
			next++
			binary.LittleEndian.PutUint32(b[i:], next)
		}
	}
}

func TestLookupOfSamba(t *testing.T) {
	in, out := stubs(t)
	for _, b := range in {
		var r LookupRequest
		d := ndr.NewDecoder(b, 0)
		d.Params(&r)
		if err := d.Close(); err != nil || r.Inquiry != AllElements || r.Versions != VersionsAll || r.MaxEntries != 3 || !r.Handle.IsNil() {
			t.Errorf("%+v, %v", r, err)
		}
	}
	bindings := map[string]bool{}
	for i, r := range answers(t, out) {
		for _, e := range r.Entries.Elem {
			tower := parsed(t, e.Tower)
			b, ok := tower.Binding()
			if !ok {
				t.Errorf("%s: unknown protocols", e.Annotation)
			}
			bindings[string(e.Annotation)+" "+b.String()] = true
			again, err := AppendTower(nil, tower.Interface, tower.Transfer, b)
			if err != nil || !bytes.Equal(again, e.Tower.Tower.Octets) {
				t.Errorf("%s: %v: another tower\n%x\n%x", b, err, again, e.Tower.Tower.Octets)
			}
		}
		if want := Status(0); i == len(out)-1 {
			want = NotRegistered
			if r.Status != want || !r.Handle.IsNil() {
				t.Errorf("the last answer has status %s and handle %v", r.Status, r.Handle)
			}
		} else if r.Status != want || r.Handle.IsNil() || len(r.Entries.Elem) != 3 || r.Entries.Max != 3 {
			t.Errorf("answer %d: %s, %d entries", i, r.Status, len(r.Entries.Elem))
		}
		e := ndr.NewEncoder(nil, 0)
		e.Params(&r)
		sambaReferents(e.Bytes())
		if e.Err() != nil || !bytes.Equal(e.Bytes(), out[i]) {
			t.Errorf("answer %d written again: %v\n%x\n%x", i, e.Err(), e.Bytes(), out[i])
		}
	}
	for _, b := range []string{"winreg ncacn_ip_tcp:127.0.0.1[49154]", `eventlog ncacn_np:[\pipe\eventlog]`, "epmapper ncalrpc:[EPMAPPER]", "epmapper ncacn_http:[593]"} {
		if !bindings[b] {
			t.Errorf("%s is not among %d bindings", b, len(bindings))
		}
	}
}

// calls has all arguments and results with something in them.
func calls(t testing.TB) []ndr.Value {
	t.Helper()
	ref := towerRef(t, winreg, dcerpc.NDR, binding.Binding{Protseq: binding.TCP, Host: "192.0.2.1", Endpoint: "49152"})
	id := uuid.MustParse("6f8e4b02-0d3a-4a3f-a9d0-97a3dc2d8b0f")
	h := ndr.ContextHandle{UUID: id}
	entries := []Entry{{id, ref, []byte("one")}, {uuid.UUID{}, TowerRef{}, []byte{}}, {id, ref, bytes.Repeat([]byte("x"), maxAnnotation-1)}}
	return []ndr.Value{
		&LookupRequest{MatchByBoth, true, ndr.UUID(id), true, InterfaceID{winreg.UUID, 1, 2}, VersionUpTo, h, 500},
		&LookupRequest{},
		&LookupResponse{h, ndr.VaryingArray[Entry, *Entry]{Max: 500, Elem: entries}, OK},
		&LookupResponse{Entries: ndr.VaryingArray[Entry, *Entry]{Max: 1, Elem: []Entry{}}, Status: NotRegistered},
		&MapRequest{true, ndr.UUID(id), ref, h, 4},
		&MapRequest{},
		&MapResponse{h, ndr.VaryingArray[TowerRef, *TowerRef]{Max: 4, Elem: []TowerRef{ref, {}, ref}}, OK},
		&Entries{entries},
		&InsertRequest{Entries{entries}, 1},
		&MgmtDeleteRequest{1, true, ndr.UUID(id), ref},
		&HandleFree{h},
	}
}

var formats = []ndr.Format{0, ndr.BigEndian, ndr.NDR64, ndr.NDR64 | ndr.BigEndian}

func TestCallsAreReadAsWritten(t *testing.T) {
	for i, want := range calls(t) {
		for _, f := range formats {
			e := ndr.NewEncoder(nil, f)
			e.Params(want)
			got := calls(t)[i]
			d := ndr.NewDecoder(e.Bytes(), f)
			d.Params(got)
			if err := d.Close(); err != nil || e.Err() != nil {
				t.Errorf("%T, format %d: %v, %v", want, f, e.Err(), err)
				continue
			}
			again := ndr.NewEncoder(nil, f)
			again.Params(got)
			if !bytes.Equal(e.Bytes(), again.Bytes()) {
				t.Errorf("%T, format %d:\n%x\n%x", want, f, e.Bytes(), again.Bytes())
			}
		}
	}
}

// A tower whose own length is not that of the array is refused.
func TestTowerLengthsMustAgree(t *testing.T) {
	e := ndr.NewEncoder(nil, 0)
	e.Params(&MapRequest{Tower: TowerRef{true, TowerOctets{make([]byte, 16)}}})
	b := e.Bytes()
	binary.LittleEndian.PutUint32(b[12:], 8)
	d := ndr.NewDecoder(b, 0)
	d.Params(&MapRequest{})
	if d.Err() == nil {
		t.Error("it was taken")
	}
}

func FuzzCalls(f *testing.F) {
	in, out := stubs(f)
	for _, b := range in {
		f.Add(byte(0), byte(0), b)
	}
	for _, b := range out {
		f.Add(byte(2), byte(0), b)
	}
	for i, v := range calls(f) {
		for k, format := range formats {
			e := ndr.NewEncoder(nil, format)
			e.Params(v)
			f.Add(byte(i), byte(k), e.Bytes())
		}
	}
	f.Fuzz(func(t *testing.T, which, format byte, b []byte) {
		vs := calls(t)
		v, nf := vs[int(which)%len(vs)], formats[int(format)%len(formats)]
		d := ndr.NewDecoder(b, nf)
		d.Params(v)
		if d.Err() != nil {
			return
		}
		e := ndr.NewEncoder(nil, nf)
		e.Params(v)
		if e.Err() != nil {
			t.Fatalf("%T: read and not written: %v", v, e.Err())
		}
	})
}
