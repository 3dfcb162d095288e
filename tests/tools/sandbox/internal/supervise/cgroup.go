// SPDX-License-Identifier: Apache-2.0

// This file owns the box's control group: a directory below the root of the
// cgroup2 hierarchy, locked while its supervisor lives, so that the next run
// can tell what a killed one has left behind.

package supervise

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CgroupPrefix is what all control groups of sandboxes begin with.
const CgroupPrefix = "msrpcd-sandbox-"

type cgroup struct {
	dir      *os.File // root of the box's own hierarchy, locked
	visitors string   // directory of processes that were not started by the box's systemd
}

func (c *cgroup) fd() int { return int(c.dir.Fd()) }

// newCgroup makes a control group of a fresh name and removes abandoned ones.
func newCgroup() (*cgroup, error) {
	mount, err := CgroupMount()
	if err != nil {
		return nil, err
	}
	sweep(mount)
	for {
		path, err := os.MkdirTemp(mount, CgroupPrefix)
		if err != nil {
			return nil, fmt.Errorf("sandbox: cannot make a control group (is %s writable?): %w", mount, err)
		}
		dir, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a sweeper was faster than our lock
		}
		if err != nil {
			return nil, err
		}
		locked := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
		visitors := filepath.Join(path, "visitors")
		if !locked || os.Mkdir(visitors, 0o755) != nil {
			dir.Close()
			continue
		}
		return &cgroup{dir: dir, visitors: visitors}, nil
	}
}

// CgroupMount finds where the cgroup2 hierarchy is mounted: /sys/fs/cgroup, or
// beside the old hierarchies on a hybrid host.
func CgroupMount() (string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) > 2 && fields[2] == "cgroup2" {
			return fields[1], nil
		}
	}
	return "", errors.New("sandbox: no cgroup2 file system is mounted; " +
		"mount one: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")
}

// sweep removes control groups whose supervisor was killed.
func sweep(mount string) {
	found, _ := filepath.Glob(filepath.Join(mount, CgroupPrefix+"*"))
	for _, path := range found {
		dir, err := os.Open(path)
		if err != nil {
			continue
		}
		if unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			dir.Close()
			continue
		}
		c := cgroup{dir: dir}
		c.kill()
		c.remove()
	}
}

// kill sends SIGKILL to every process of the group and of groups below it.
func (c *cgroup) kill() {
	_ = os.WriteFile(filepath.Join(c.dir.Name(), "cgroup.kill"), []byte("1"), 0)
}

// remove deletes the tree from its leaves up. A killed process stays in its
// group for a moment, therefore it tries for up to five seconds.
func (c *cgroup) remove() {
	defer c.dir.Close()
	root := c.dir.Name()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			_ = unix.Rmdir(dirs[i])
		}
		if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
