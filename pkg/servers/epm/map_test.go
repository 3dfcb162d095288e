// SPDX-License-Identifier: Apache-2.0

package epm

// ept_map over the wire.

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

// ask is a request of ept_map.
func ask(t *testing.T, id dcerpc.SyntaxID, protseq string, max uint32) *MapRequest {
	t.Helper()
	return &MapRequest{Tower: towerRef(t, id, dcerpc.NDR, binding.Binding{Protseq: protseq}), MaxTowers: max}
}

func leads(t *testing.T, out *MapResponse) (s []string) {
	t.Helper()
	for _, ref := range out.Towers.Elem {
		s = append(s, bindingOf(t, ref).String())
	}
	return s
}

func TestMapGoesOnByItsHandle(t *testing.T) {
	c := start(t).dial(false, 0, 0)
	lsarpc := dcerpc.SyntaxID{UUID: uuid.MustParse("12345778-1234-abcd-ef00-0123456789ab")}
	var out MapResponse
	c.call(OpMap, ask(t, winreg, binding.TCP, 1), &out)
	if d := cmp.Diff([]string{"ncacn_ip_tcp:127.0.0.1[49158]"}, leads(t, &out)); d != "" || out.Status != OK || !out.Handle.IsNil() {
		t.Errorf("winreg: %s, %v\n%s", out.Status, out.Handle, d)
	}
	in := ask(t, lsarpc, binding.NP, 1)
	c.call(OpMap, in, &out)
	if d := cmp.Diff([]string{`ncacn_np:[\pipe\lsarpc]`}, leads(t, &out)); d != "" || out.Status != OK || out.Handle.IsNil() {
		t.Errorf("lsarpc: %s, %v\n%s", out.Status, out.Handle, d)
	}
	in.Handle = out.Handle
	c.call(OpMap, in, &out)
	if d := cmp.Diff([]string{`ncacn_np:[\pipe\lsass]`}, leads(t, &out)); d != "" || out.Status != OK || !out.Handle.IsNil() {
		t.Errorf("its second pipe: %s, %v\n%s", out.Status, out.Handle, d)
	}
	if err := c.try(OpMap, in, &out); err == nil {
		t.Error("a handle that came to its end was taken")
	}
}

func TestMapSaysWhatItFound(t *testing.T) {
	c := start(t).dial(false, 0, 0)
	object := ask(t, winreg, binding.TCP, 1)
	object.HasObject, object.Object = true, [16]byte(uuid.New())
	var out MapResponse
	for what, tt := range map[string]struct {
		in   *MapRequest
		want Status
	}{
		"unknown":           {ask(t, dcerpc.SyntaxID{UUID: uuid.New()}, binding.TCP, 4), NotRegistered},
		"other protocols":   {ask(t, winreg, binding.HTTP, 4), NotRegistered},
		"no tower":          {&MapRequest{MaxTowers: 1}, CantPerformOp},
		"no room":           {ask(t, winreg, binding.TCP, 0), CantPerformOp},
		"more than a page":  {ask(t, winreg, binding.TCP, 1<<31), OK},
		"damaged":           {&MapRequest{MaxTowers: 1, Tower: TowerRef{true, TowerOctets{[]byte{5, 0, 1}}}}, CantPerformOp},
		"an unknown object": {object, OK},
	} {
		if c.call(OpMap, tt.in, &out); out.Status != tt.want || !out.Handle.IsNil() || (len(out.Towers.Elem) > 0) != (tt.want == OK) {
			t.Errorf("%s: %s, %d towers", what, out.Status, len(out.Towers.Elem))
		}
	}
}
