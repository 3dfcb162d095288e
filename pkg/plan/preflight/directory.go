// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Directory is one that has to be there with an exact mode, owned by root (the
// user of the process, in tests).
type Directory struct {
	Path string
	Mode os.FileMode
}

// Errors of Check beside those of the file system.
var (
	ErrNotDirectory = errors.New("it is not a directory")
	ErrOwner        = errors.New("it does not belong to root")
	ErrMode         = errors.New("it has a wrong mode")
)

// Check reports whether the directory is as it has to be. The last component
// must not be a symbolic link; those before it may.
func (d Directory) Check() error {
	f, err := d.open()
	if err != nil {
		return err
	}
	defer f.Close()
	return d.check(f)
}

func (d Directory) open() (*os.File, error) {
	f, err := os.OpenFile(d.Path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("directory %s: %w", d.Path, ErrNotDirectory)
	}
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	return f, nil
}

func (d Directory) check(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("directory %s: %w", d.Path, err)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("directory %s: %w but to uid %d", d.Path, ErrOwner, st.Uid)
	}
	if mode := os.FileMode(st.Mode & 0o7777); mode != d.Mode {
		return fmt.Errorf("directory %s: %w: %04o instead of %04o", d.Path, ErrMode, mode, d.Mode)
	}
	return nil
}

// Make makes the directory, its parents with 0755, and corrects owner and mode.
// What is there instead of a directory, a symbolic link included, is renamed.
// changed: something was done.
func (d Directory) Make() (changed bool, err error) {
	if err := os.MkdirAll(filepath.Dir(d.Path), 0o755); err != nil {
		return false, fmt.Errorf("make directory: %w", err)
	}
	if st, err := os.Lstat(d.Path); err == nil && !st.IsDir() {
		if err := os.Rename(d.Path, fmt.Sprintf("%s.aside-%d", d.Path, os.Getpid())); err != nil {
			return false, fmt.Errorf("make directory: %w", err)
		}
	}
	err = os.Mkdir(d.Path, d.Mode)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, fmt.Errorf("make directory: %w", err)
	}
	changed = err == nil
	f, err := d.open()
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err = d.check(f); errors.Is(err, ErrOwner) {
		if err := f.Chown(os.Geteuid(), os.Getegid()); err != nil {
			return false, fmt.Errorf("directory %s: %w", d.Path, err)
		}
		changed, err = true, d.check(f)
	}
	if !errors.Is(err, ErrMode) {
		return changed, err
	}
	if err := f.Chmod(d.Mode); err != nil { // umask, or another program's idea
		return false, fmt.Errorf("directory %s: %w", d.Path, err)
	}
	return true, nil
}
