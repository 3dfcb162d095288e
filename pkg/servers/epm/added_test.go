// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

func TestInsertedEntriesOutliveTheProcess(t *testing.T) {
	object := uuid.New()
	one, two := made(t, uuid.UUID{}, "one \"1\"\n", binding.TCP, "5000"), made(t, object, "", binding.Ncalrpc, "two")
	a := added{path: filepath.Join(t.TempDir(), "entries")}
	for _, tt := range []struct {
		name    string
		e       entry
		replace bool
		want    []string
	}{
		{"the first", one, false, []string{"one \"1\"\n ncacn_ip_tcp:[5000]"}},
		{"for an object", two, false, []string{" ncalrpc:[two]", "one \"1\"\n ncacn_ip_tcp:[5000]"}},
		{"the same again", one, false, []string{" ncalrpc:[two]", "one \"1\"\n ncacn_ip_tcp:[5000]"}},
		{"another annotation", made(t, uuid.UUID{}, "1", binding.TCP, "5000"), false, []string{" ncalrpc:[two]", "1 ncacn_ip_tcp:[5000]"}},
		{"another port", made(t, uuid.UUID{}, "1", binding.TCP, "5001"), false, []string{" ncalrpc:[two]", "1 ncacn_ip_tcp:[5000]", "1 ncacn_ip_tcp:[5001]"}},
		{"instead of the others", made(t, uuid.UUID{}, "1", binding.TCP, "5002"), true, []string{" ncalrpc:[two]", "1 ncacn_ip_tcp:[5002]"}},
		{"of another object", made(t, uuid.New(), "3", binding.TCP, "5003"), true, []string{" ncalrpc:[two]", "1 ncacn_ip_tcp:[5002]", "3 ncacn_ip_tcp:[5003]"}},
	} {
		check.OK(t, a.insert([]entry{tt.e}, tt.replace))
		again := added{path: a.path}
		check.OK(t, again.load())
		check.SameIn(t, tt.name, tt.want, endpoints(t, a.entries))
		if d := cmp.Diff(tt.want, endpoints(t, again.entries)); d != "" {
			t.Errorf("%s, read again: (-want +got)\n%s", tt.name, d)
		}
	}
	if found, err := a.remove(two.same); !found || err != nil {
		t.Error(found, err)
	}
	if found, err := a.remove(two.same); found || err != nil {
		t.Error(found, err)
	}
	again := added{path: a.path}
	if err := again.load(); err != nil || len(again.entries) != 2 {
		t.Errorf("%v, %d entries", err, len(again.entries))
	}
}

func TestInsertedEntriesAreBounded(t *testing.T) {
	a := added{path: filepath.Join(t.TempDir(), "entries")}
	e := made(t, uuid.UUID{}, "x", binding.TCP, "1")
	many := make([]entry, maxAdded)
	for i := range many {
		many[i] = e
		many[i].object = uuid.New()
	}
	check.OK(t, a.insert(many, false))
	if err := a.insert([]entry{e}, false); err != errAddedFull || len(a.entries) != maxAdded {
		t.Errorf("%v, %d entries", err, len(a.entries))
	}
	again := added{path: a.path}
	if err := again.load(); err != nil || len(again.entries) != maxAdded {
		t.Errorf("%v, %d entries", err, len(again.entries))
	}
}

func TestInsertNeedsAPlace(t *testing.T) {
	e := made(t, uuid.UUID{}, "x", binding.TCP, "1")
	for _, path := range []string{"", filepath.Join(t.TempDir(), "missing", "entries")} {
		a := added{path: path}
		if err := a.load(); err != nil {
			t.Errorf("%q: %v", path, err)
		}
		if err := a.insert([]entry{e}, false); err == nil || len(a.entries) > 0 {
			t.Errorf("%q: %v, %d entries", path, err, len(a.entries))
		}
	}
}

func TestDamagedFileOfInsertedEntries(t *testing.T) {
	e := made(t, uuid.UUID{}, "x", binding.TCP, "1")
	good := string(formatAdded([]entry{e}))
	for _, bad := range []string{"x", "a b c", good[:40], strings.Replace(good, " 05", " 04", 1), strings.TrimSuffix(good, "\"\n"), strings.Repeat("x", maxAddedLine+1)} {
		a := added{path: filepath.Join(t.TempDir(), "entries")}
		check.OK(t, os.WriteFile(a.path, []byte(good+bad), 0o600))
		if err := a.load(); err == nil || len(a.entries) != 1 {
			t.Errorf("%.80q: %v, %d entries", bad, err, len(a.entries))
		}
	}
}

func FuzzAdded(f *testing.F) {
	f.Add(formatAdded([]entry{made(f, uuid.New(), "a\x00\"é", binding.TCP, "1"), made(f, uuid.UUID{}, "", binding.NP, `\pipe\x`)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		es, _ := parseAdded(bytes.NewReader(b))
		text := formatAdded(es)
		again, err := parseAdded(bytes.NewReader(text))
		if err != nil || !bytes.Equal(formatAdded(again), text) {
			t.Fatalf("%v: %q", err, text)
		}
	})
}
