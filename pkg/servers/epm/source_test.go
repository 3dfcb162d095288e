// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
)

func TestSourceFollows(t *testing.T) {
	dir := t.TempDir()
	c, cfg := samba417(t)
	s := &Source{Catalogue: filepath.Join(dir, "catalogue.db"), LastGood: filepath.Join(dir, "last"), Units: [2]string{filepath.Join(dir, "units"), filepath.Join(dir, "runtime")},
		Config: func() (*config.Config, error) { return cfg, nil }}
	for _, dir := range s.Units {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Unix(1000, 0)
	check := func(what string, changed bool, n int) {
		t.Helper()
		if got := s.Changed(now); got != changed {
			t.Errorf("%s: changed %v", what, got)
		}
		if !changed {
			return
		}
		table, err := s.Load()
		if n < 0 {
			if err == nil || !strings.Contains(err.Error(), "run msrpcctl refresh") {
				t.Errorf("%s: %v", what, err)
			}
		} else if err != nil || len(table.entries) != n {
			t.Errorf("%s: %v, %v entries, want %d", what, err, table, n)
		}
	}
	check("nothing is there", true, -1)
	if err := catalogue.Write(s.Catalogue, c); err != nil {
		t.Fatal(err)
	}
	check("within a second", false, 0)
	now = now.Add(time.Second)
	all := len(table417(t).entries)
	check("the first refresh", true, all)
	now = now.Add(time.Second)
	check("nothing new", false, 0)
	if err := os.Symlink("/dev/null", filepath.Join(s.Units[0], "msrpc-tcp-winreg.socket")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	check("a mask", true, all-1)
	mask := filepath.Join(s.Units[1], "msrpc-tcp-lsad.socket")
	if err := os.Symlink("/dev/null", mask); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	if !s.Changed(now) {
		t.Error("a mask until the next boot is not noticed")
	}
	if table, err := s.Load(); err != nil || len(table.entries) >= all-1 {
		t.Errorf("a mask until the next boot: %v, %d entries", err, len(table.entries))
	}
	if err := os.Remove(mask); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	check("that mask is gone", true, all-1)
	c.Rpcds = slices.DeleteFunc(c.Rpcds, func(e catalogue.Entry) bool { return e.Name == "winreg" })
	if err := catalogue.Write(s.Catalogue, c); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	check("another refresh", true, all-3)
	now = now.Add(-time.Hour)
	check("the clock was set back", false, 0)
	if err := os.WriteFile(s.LastGood, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	check("the units changed", true, all-3)
}
