// SPDX-License-Identifier: Apache-2.0

// Waiting until packages are unpacked in the directories of the rpcds. Change times (ctime) show it: package managers set modification times to
// those of the archive.

package refresh

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	quietWindow = time.Second      // without a change
	quietLimit  = 30 * time.Second // waited at most
)

// clock is what waitQuiet knows of time; tests have their own.
type clock struct {
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error
}

var systemClock = clock{now: time.Now, sleep: func(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}}

// waitQuiet returns once no directory and no file in files() has changed for
// quietWindow and no directory has a file that a package manager is about to
// rename. After quietLimit it goes on and says so in problem.
func waitQuiet(ctx context.Context, c clock, files func() []string) (problem string, err error) {
	start := c.now()
	for {
		last, unpacking := lastChange(files())
		now := c.now()
		age := now.Sub(last)
		if unpacking == "" && (age >= quietWindow || age < -quietWindow) {
			return "", nil // a change in the future is a clock that was set back
		}
		if now.Sub(start) >= quietLimit {
			if unpacking != "" {
				return fmt.Sprintf("%s is still there after %v: a package is half unpacked; run msrpcctl refresh again when that is done",
					unpacking, quietLimit), nil
			}
			return fmt.Sprintf("the programs of the rpcds still change after %v: run msrpcctl refresh again when they do not", quietLimit), nil
		}
		if err := c.sleep(ctx, min(quietWindow, max(quietWindow-age, quietWindow/10))); err != nil {
			return "", err
		}
	}
}

// lastChange is the newest change of files and their directories, and a file
// that is being unpacked there, "" for none.
func lastChange(files []string) (last time.Time, unpacking string) {
	all := slices.Clone(files)
	dirs := map[string]bool{}
	for _, f := range files {
		dir := filepath.Dir(f)
		if dirs[dir] {
			continue
		}
		dirs[dir] = true
		all = append(all, dir)
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if unpacking == "" && temporary(e.Name()) {
				unpacking = filepath.Join(dir, e.Name())
			}
		}
	}
	return newest(all), unpacking
}

// newest is the last change of any of these paths; those that are not there
// do not count.
func newest(paths []string) (last time.Time) {
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil {
			if sys, ok := st.Sys().(*syscall.Stat_t); ok {
				if t := time.Unix(sys.Ctim.Unix()); t.After(last) {
					last = t
				}
			}
		}
	}
	return last
}

// temporary knows the names that dpkg and rpm unpack rpcds under.
func temporary(name string) bool {
	base := strings.TrimPrefix(name, ".")
	if !strings.HasPrefix(base, "rpcd_") && !strings.HasPrefix(base, "npsd_") {
		return false
	}
	return strings.HasSuffix(name, ".dpkg-new") || strings.HasSuffix(name, ".dpkg-tmp") ||
		strings.Contains(name, ";")
}
