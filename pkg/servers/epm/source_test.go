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

// A watched is a Source of files in a directory of its own, and the clock it is
// asked at.
type watched struct {
	*Source
	t   *testing.T
	now time.Time
}

func watch(t *testing.T, cfg *config.Config) *watched {
	dir := t.TempDir()
	s := &Source{Catalogue: filepath.Join(dir, "catalogue.db"), LastGood: filepath.Join(dir, "last"), Units: [2]string{filepath.Join(dir, "units"), filepath.Join(dir, "runtime")},
		Config: func() (*config.Config, error) { return cfg, nil }}
	for _, dir := range s.Units {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &watched{s, t, time.Unix(1000, 0)}
}

// check asks whether it changed, and loads n entries if so; none for n below 0.
func (w *watched) check(what string, changed bool, n int) {
	w.t.Helper()
	if got := w.Changed(w.now); got != changed {
		w.t.Errorf("%s: changed %v", what, got)
	}
	if !changed {
		return
	}
	table, err := w.Load()
	if n < 0 {
		if err == nil || !strings.Contains(err.Error(), "run msrpcctl refresh") {
			w.t.Errorf("%s: %v", what, err)
		}
	} else if err != nil || len(table.entries) != n {
		w.t.Errorf("%s: %v, %v entries, want %d", what, err, table, n)
	}
}

func TestSourceFollows(t *testing.T) {
	c, cfg := samba417(t)
	s := watch(t, cfg)
	s.check("nothing is there", true, -1)
	if err := catalogue.Write(s.Catalogue, c); err != nil {
		t.Fatal(err)
	}
	s.check("within a second", false, 0)
	s.now = s.now.Add(time.Second)
	all := len(table417(t).entries)
	s.check("the first refresh", true, all)
	s.now = s.now.Add(time.Second)
	s.check("nothing new", false, 0)
	if err := os.Symlink("/dev/null", filepath.Join(s.Units[0], "msrpc-tcp-winreg.socket")); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	s.check("a mask", true, all-1)
	mask := filepath.Join(s.Units[1], "msrpc-tcp-lsad.socket")
	if err := os.Symlink("/dev/null", mask); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	if !s.Changed(s.now) {
		t.Error("a mask until the next boot is not noticed")
	}
	if table, err := s.Load(); err != nil || len(table.entries) >= all-1 {
		t.Errorf("a mask until the next boot: %v, %d entries", err, len(table.entries))
	}
	if err := os.Remove(mask); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	s.check("that mask is gone", true, all-1)
	c.Rpcds = slices.DeleteFunc(c.Rpcds, func(e catalogue.Entry) bool { return e.Name == "winreg" })
	if err := catalogue.Write(s.Catalogue, c); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	s.check("another refresh", true, all-3)
	s.now = s.now.Add(-time.Hour)
	s.check("the clock was set back", false, 0)
	if err := os.WriteFile(s.LastGood, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	s.check("the units changed", true, all-3)
}
