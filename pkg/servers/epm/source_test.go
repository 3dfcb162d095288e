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
	"msrpcd/tests/tools/check"
)

// A watched is a Source of files in a directory of its own, and the clock it is
// asked at.
type watched struct {
	*Source
	t   *testing.T
	now time.Time
}

func watch(t *testing.T) *watched {
	return &watched{testSource(t, t.TempDir()), t, time.Unix(1000, 0)}
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
	c, _ := samba417(t)
	s := watch(t)
	s.check("nothing is there", true, -1)
	check.OK(t, catalogue.Write(s.Catalogue, c))
	s.check("within a second", false, 0)
	s.now = s.now.Add(time.Second)
	all := len(table417(t).entries)
	s.check("the first refresh", true, all)
	s.now = s.now.Add(time.Second)
	s.check("nothing new", false, 0)
	check.OK(t, os.Symlink("/dev/null", filepath.Join(s.Root, config.MaskDirs[0], "msrpc-tcp-winreg.socket")))
	s.now = s.now.Add(time.Second)
	s.check("a mask", true, all-1)
	mask := filepath.Join(s.Root, config.MaskDirs[1], "msrpc-tcp-lsad.socket")
	check.OK(t, os.Symlink("/dev/null", mask))
	s.now = s.now.Add(time.Second)
	if !s.Changed(s.now) {
		t.Error("a mask until the next boot is not noticed")
	}
	if table, err := s.Load(); err != nil || len(table.entries) >= all-1 {
		t.Errorf("a mask until the next boot: %v, %d entries", err, len(table.entries))
	}
	check.OK(t, os.Remove(mask))
	s.now = s.now.Add(time.Second)
	s.check("that mask is gone", true, all-1)
	c.Rpcds = slices.DeleteFunc(c.Rpcds, func(e catalogue.Entry) bool { return e.Name == "winreg" })
	check.OK(t, catalogue.Write(s.Catalogue, c))
	s.now = s.now.Add(time.Second)
	s.check("another refresh", true, all-3)
	s.now = s.now.Add(-time.Hour)
	s.check("the clock was set back", false, 0)
	check.OK(t, os.WriteFile(s.LastGood, []byte("x"), 0o644))
	s.now = s.now.Add(time.Second)
	s.check("the units changed", true, all-3)
}
