// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

var savedStates = map[string]saved{
	"new":      {},
	"auth":     {flags: savedWantNPA},
	"bound":    {flags: savedBound | savedMultiplex, maxFrag: 5840, group: 0x30001, contexts: []savedContext{{testID, 0, false, false}, {otherID, 7, true, false}, {otherID, 8, false, true}}},
	"bytes":    {flags: savedBound, maxFrag: 4280, group: 1, in: []byte{5, 0, 0}, out: []byte("answer")},
	"system":   {flags: savedBound | savedSecure | savedExplicit | savedSignHeader | savedKeepOrphan, maxFrag: 4280, group: 1, securities: []savedSecurity{{id: 1 << 30, typ: 10, level: 6, state: []byte("keys")}, {id: 7, typ: 200, level: 2, implied: true, ofCall: true}}},
	"lost":     {flags: savedBound | savedHandles | savedLost, maxFrag: 4280, group: 1, generation: 9},
	"handles":  {flags: savedBound | savedHandles, maxFrag: 4280, group: 1, generation: 1 << 40, handles: []savedHandle{{[16]byte{1}, testID, []byte("state")}, {[16]byte{2}, otherID, nil}}},
	"fragment": {flags: savedBound | savedCall, maxFrag: 4280, group: 1, call: dcerpc.Call{Header: dcerpc.Header{Type: dcerpc.PTypeRequest, Flags: dcerpc.FlagFirst | dcerpc.FlagObject, Drep: dcerpc.LittleEndian, CallID: 4}, Request: dcerpc.Request{AllocHint: 3, ContextID: 2, Opnum: 1, Object: testID.UUID, Stub: []byte("stub")}}},
}

var savedOptions = cmp.Options{cmp.AllowUnexported(saved{}, savedContext{}, savedHandle{}, savedSecurity{}), cmpopts.EquateEmpty()}

func TestStateRoundTrip(t *testing.T) {
	for name, s := range savedStates {
		b := s.append(nil)
		got, err := parseSaved(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check.SameIn(t, name, s, got, savedOptions)
		for cut := range b {
			if _, err := parseSaved(b[:cut]); err == nil {
				t.Errorf("%s: %d of %d bytes were accepted", name, cut, len(b))
			}
		}
		if _, err := parseSaved(append(b, 0)); err == nil {
			t.Errorf("%s: a byte too many was accepted", name)
		}
	}
}

func TestFileOfAConnection(t *testing.T) {
	state := []byte("state")
	b := appendFile(nil, true, 7, []byte("identity"), state)
	f, err := parseFile(b[:fileHeader], int64(len(b)))
	want := savedFile{mark: true, level: 7, npa: 8, at: fileHeader + 8, n: 5, length: len(b)}
	if err != nil || f != want {
		t.Errorf("%+v, %v; want %+v", f, err, want)
	}
	if _, err := parseFile(b[:fileHeader], int64(len(b)-1)); err == nil {
		t.Error("a state beyond the end was accepted")
	}
	for i := range 6 {
		bad := append([]byte(nil), b...)
		bad[i]++
		if _, err := parseFile(bad[:fileHeader], int64(len(b))); err == nil {
			t.Errorf("another byte %d was accepted", i)
		}
	}
}

func FuzzState(f *testing.F) {
	for _, s := range savedStates {
		f.Add(s.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSaved(b)
		if err != nil {
			return
		}
		again, err := parseSaved(s.append(nil))
		if d := cmp.Diff(s, again, savedOptions); err != nil || d != "" {
			t.Errorf("%x does not come back: %v\n%s", b, err, d)
		}
	})
}
