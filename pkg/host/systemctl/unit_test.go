// SPDX-License-Identifier: Apache-2.0

package systemctl

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	godbus "github.com/godbus/dbus/v5"

	"msrpcd/tests/tools/check"
)

func TestProperties(t *testing.T) {
	p := Properties{
		"Id":        "msrpc.target",
		"After":     []string{"basic.target"},
		"CanReload": true,
		"MainPID":   uint32(17),

		"LoadCredential": [][]any{{"krb5.keytab", "/etc/krb5.keytab"}},
		"MemoryCurrent":  ^uint64(0),
		"TasksCurrent":   godbus.MakeVariant(uint64(3)),
	}
	check.Is(t, "Text", "msrpc.target", p.Text("Id")+p.Text("After")+p.Text("gone"))
	check.Same(t, []string{"basic.target"}, p.Texts("After"))
	if !p.Flag("CanReload") || p.Flag("Id") {
		t.Error("Flag")
	}
	for name, want := range map[string]struct {
		n  uint64
		ok bool
	}{"MainPID": {17, true}, "TasksCurrent": {3, true}, "Id": {0, false}, "gone": {0, false}} {
		if n, ok := p.Number(name); n != want.n || ok != want.ok {
			t.Errorf("Number(%s) = %d, %v", name, n, ok)
		}
	}
	check.Same(t, [][2]string{{"krb5.keytab", "/etc/krb5.keytab"}}, p.Pairs("LoadCredential"))
	if _, ok := p.Number("MemoryCurrent"); ok {
		t.Error("a number that is not set reads as set")
	}
}

func TestUnitStates(t *testing.T) {
	for _, tc := range []struct {
		unit       Unit
		up, queued bool
	}{
		{Unit{Active: "active"}, true, false},
		{Unit{Active: "activating", Job: "start"}, true, true},
		{Unit{Active: "inactive", Job: "start"}, false, true},
		{Unit{Active: "active", Job: "restart"}, true, true},
		{Unit{Active: "deactivating", Job: "stop"}, false, false},
		{Unit{Active: "failed"}, false, false},
	} {
		if tc.unit.Up() != tc.up || tc.unit.Queued() != tc.queued {
			t.Errorf("%+v: up %v, queued %v", tc.unit, tc.unit.Up(), tc.unit.Queued())
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	denied := explain(fmt.Errorf("call: %w", godbus.Error{Name: errAccess, Body: []any{"Access denied"}}))
	if !strings.HasSuffix(denied.Error(), "; run this as root") {
		t.Errorf("access: %v", denied)
	}
	masked := explain(godbus.Error{Name: errUnitMasked, Body: []any{"Unit x is masked."}})
	if !errors.Is(masked, ErrMasked) {
		t.Errorf("masked: %v", masked)
	}
	job := &JobError{Verb: "start", Unit: "msrpc.target", Result: "dependency"}
	if got, want := job.Error(), "start msrpc.target: dependency; look at systemctl status msrpc.target"; got != want {
		t.Errorf("job: %q", got)
	}
}
