// SPDX-License-Identifier: Apache-2.0

// This file owns the box's file systems: an overlay of stage and root whose
// upper layer is a tmpfs, fresh /dev, /run and /tmp, and kernel interfaces of
// which only those of the box's own namespaces can be written.

package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mounter mounts below one directory and remembers its first error.
type mounter struct {
	root string
	err  error
}

func (m *mounter) path(p string) string { return filepath.Join(m.root, p) }

func (m *mounter) mount(what, where, fstype string, flags uintptr, data string) {
	if m.err != nil {
		return
	}
	where = m.path(where)
	if err := os.MkdirAll(where, 0o755); err != nil {
		m.err = err
	} else if err := unix.Mount(what, where, fstype, flags, data); err != nil {
		m.err = fmt.Errorf("mount %s on %s: %w", fstype, where, err)
	}
}

// bind binds a directory or a file, making the place for it.
func (m *mounter) bind(from, to string) {
	if m.err != nil {
		return
	}
	to = m.path(to)
	st, err := os.Stat(from)
	switch {
	case err != nil:
		m.err = err
		return
	case st.IsDir():
		err = os.MkdirAll(to, 0o755)
	default:
		if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
			if _, there := os.Lstat(to); there != nil {
				err = os.WriteFile(to, nil, 0o644)
			}
		}
	}
	if err == nil {
		err = unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, "")
	}
	if err != nil {
		m.err = fmt.Errorf("bind %s to %s: %w", from, to, err)
	}
}

// readOnly makes a part read-only where the kernel has it; mounts below it
// stay as they are.
func (m *mounter) readOnly(p string) {
	if _, err := os.Lstat(m.path(p)); m.err != nil || errors.Is(err, os.ErrNotExist) {
		return
	}
	if m.bind(m.path(p), p); m.err == nil {
		m.err = unix.Mount("", m.path(p), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	}
}

func (m *mounter) link(target, name string) {
	if m.err == nil {
		m.err = os.Symlink(target, m.path(name))
	}
}

// mountRoot builds the tree and makes it the root of this process.
func mountRoot(c Config) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("sandbox: cannot keep mounts private: %w", err)
	}
	terminal, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return fmt.Errorf("sandbox: console: %w", err)
	}
	base := filepath.Join(c.Out, "tree")
	m := &mounter{root: base}
	m.mount("tmpfs", "", "tmpfs", 0, "mode=755")
	for _, sub := range []string{"", "usr", "var"} {
		m.overlay(c, sub)
	}
	m.root = filepath.Join(base, "box")

	m.mount("proc", "proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	m.bind(m.path("proc/sys/net"), "proc/sys/net") // stays writable: it is the box's own
	m.readOnly("proc/sys")
	m.readOnly("proc/sysrq-trigger")
	m.mount("sysfs", "sys", "sysfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	m.mount("cgroup2", "sys/fs/cgroup", "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	m.mount("tmpfs", "run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755")
	m.mount("tmpfs", "tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
	m.bind(filepath.Join(c.Out, "host"), "run/host")
	m.devices(terminal)
	for _, b := range c.Binds {
		from, to, ok := strings.Cut(b, ":")
		if !ok {
			to = from
		}
		m.bind(from, to)
	}
	if m.err != nil {
		return fmt.Errorf("sandbox: %w", m.err)
	}
	if err := pivot(m.root); err != nil {
		return err
	}
	// As on a host, so that systemd can show what it mounts for a service, such as
	// credentials; nothing of it is seen outside.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// overlay lays a tmpfs over stage over root. A part of the root that is a file
// system of its own, such as /var, gets its own overlay: lower layers do not
// cross mounts.
func (m *mounter) overlay(c Config, sub string) {
	lower, separate := filepath.Join(c.Root, sub), sub == ""
	if !separate {
		separate = device(lower) != device(c.Root) && device(lower) != 0
	}
	if m.err != nil || !separate {
		return
	}
	if c.Stage != "" {
		if stage := filepath.Join(c.Stage, sub); device(stage) != 0 {
			lower = stage + ":" + lower
		}
	}
	name := "root" + sub
	m.err = errors.Join(os.MkdirAll(m.path(name+"/upper"), 0o755), os.MkdirAll(m.path(name+"/work"), 0o755))
	m.mount("overlay", filepath.Join("box", sub), "overlay", 0,
		fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, m.path(name+"/upper"), m.path(name+"/work")))
	if errors.Is(m.err, unix.ELOOP) {
		m.err = fmt.Errorf("%w: the stage and the root lie on one file system; stage into a tmpfs such as /dev/shm", m.err)
	}
}

// device is the file system of a directory, 0 when there is no directory.
func device(path string) uint64 {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return 0
	}
	return st.Dev
}

func (m *mounter) devices(terminal string) {
	m.mount("tmpfs", "dev", "tmpfs", unix.MS_NOSUID, "mode=755")
	m.mount("tmpfs", "dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
	m.mount("devpts", "dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=666,mode=620")
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		m.bind("/dev/"+name, "dev/"+name)
	}
	m.bind(terminal, "dev/console")
	m.link("pts/ptmx", "dev/ptmx")
	m.link("/proc/self/fd", "dev/fd")
	m.link("/proc/self/fd/0", "dev/stdin")
	m.link("/proc/self/fd/1", "dev/stdout")
	m.link("/proc/self/fd/2", "dev/stderr")
}

func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("sandbox: pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("sandbox: cannot let go of the old root: %w", err)
	}
	return os.Chdir("/")
}
