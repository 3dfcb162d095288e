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
	Catalogue string // path
	LastGood  string // path of the generator's last output: it changes with the units
	Root      string // of the configuration and of masks, "" = "/"

	seen   [4]stamp
	looked time.Time
}

// checkEvery is how long a change may go unnoticed.
const checkEvery = time.Second

// DefaultSource is that of the installed system.
func DefaultSource() *Source {
	return &Source{Catalogue: layout.Catalogue(), LastGood: layout.LastUnits()}
}

// stamp distinguishes one version of a file from the next.
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
	stamps := [4]stamp{stampOf(s.Catalogue), stampOf(s.LastGood), stampOf(s.Root + config.MaskDirs[0]), stampOf(s.Root + config.MaskDirs[1])}
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
	cfg, err := config.Load(s.Root)
	if err != nil {
		return nil, err
	}
	return NewTable(plan.New(c, cfg)), nil
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
