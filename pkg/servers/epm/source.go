// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
)

// Source is the plan of msrpcd: what the generator makes units of, without the
// listeners that are masked. It follows a refresh, and msrpcctl transport, by
// looking once a second at most whether one of its files was replaced.
type Source struct {
	Catalogue string    // path
	LastGood  string    // path of the generator's last output: it changes with the units
	Units     [2]string // directories of masks: for good, and until the next boot
	Config    func() (*config.Config, error)

	seen   [4]stamp
	looked time.Time
}

// checkEvery is how long a change may go unnoticed.
const checkEvery = time.Second

// DefaultSource is that of the installed system.
func DefaultSource() *Source {
	return &Source{
		Catalogue: layout.Catalogue(), LastGood: layout.LastUnits(), Units: [2]string{layout.AdminUnits, layout.RuntimeUnits},
		Config: func() (*config.Config, error) { return config.Load("") },
	}
}

// stamp tells one version of a file from the next.
type stamp struct {
	inode, device uint64
	size          int64
	mtime, ctime  unix.Timespec
}

func stampOf(path string) stamp {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return stamp{}
	}
	return stamp{uint64(st.Ino), uint64(st.Dev), st.Size, st.Mtim, st.Ctim}
}

// Changed reports whether Load is to be called (again).
func (s *Source) Changed(now time.Time) bool {
	if since := now.Sub(s.looked); since >= 0 && since < checkEvery {
		return false
	}
	s.looked = now
	stamps := [4]stamp{stampOf(s.Catalogue), stampOf(s.LastGood), stampOf(s.Units[0]), stampOf(s.Units[1])}
	if s.seen == stamps {
		return false
	}
	s.seen = stamps
	return true
}

// Load reads the plan and makes its table.
func (s *Source) Load() (*Table, error) {
	c, err := catalogue.Read(s.Catalogue)
	if err != nil {
		return nil, fmt.Errorf("%w; run msrpcctl refresh", err)
	}
	cfg, err := s.Config()
	if err != nil {
		return nil, err
	}
	return NewTable(plan.New(c, cfg), s.masked), nil
}

// masked reports whether the administrator has masked a unit.
func (s *Source) masked(unit string) bool {
	for _, dir := range s.Units {
		if target, err := os.Readlink(filepath.Join(dir, unit)); err == nil && target == os.DevNull {
			return true
		}
	}
	return false
}

// statePath is the file for entries of other servers, in the directory that
// systemd makes (RuntimeDirectory=), "" without one.
func statePath() string {
	dir := os.Getenv("RUNTIME_DIRECTORY")
	if !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Join(dir, "entries")
}
