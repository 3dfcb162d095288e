// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// FileSystem is what a path lies on.
type FileSystem struct {
	Mount       string // where it is mounted, "" when that cannot be seen
	ReadOnly    bool
	Free, Total uint64 // bytes, for root
	FreeFiles   uint64 // how many more it takes
}

// FileSystemOf looks at the file system of path, or of the next parent that is
// there.
func FileSystemOf(path string) (FileSystem, error) {
	path = filepath.Clean(path)
	var st unix.Statfs_t
	err := unix.Statfs(path, &st)
	for ; errors.Is(err, fs.ErrNotExist) && path != "/" && path != "."; err = unix.Statfs(path, &st) {
		path = filepath.Dir(path)
	}
	if err != nil {
		return FileSystem{}, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	s := FileSystem{Mount: mountOf(path), ReadOnly: st.Flags&unix.ST_RDONLY != 0,
		Free: st.Bfree * uint64(st.Bsize), Total: st.Blocks * uint64(st.Bsize), FreeFiles: st.Ffree}
	if st.Files == 0 {
		s.FreeFiles = ^uint64(0) // it has no such limit
	}
	return s, nil
}

// mountOf is the mount that path lies on: of all above it the longest.
func mountOf(path string) (mount string) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	text, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 5 || len(f[4]) < len(mount) {
			continue
		}
		if at := f[4]; at == "/" || path == at || strings.HasPrefix(path, at+"/") {
			mount = at
		}
	}
	return mount
}

// Hint adds to an error of the file system which one it is, and what people can
// do about it.
func Hint(err error) error {
	if os.Geteuid() != 0 && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)) {
		return fmt.Errorf("%w; run this as root", err)
	}
	readOnly := errors.Is(err, unix.EROFS)
	if !readOnly && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	which := "that file system"
	if path := pathOf(err); path != "" {
		if s, e := FileSystemOf(path); e == nil && s.Mount != "" {
			which = "the file system " + s.Mount
		}
	}
	if readOnly {
		return fmt.Errorf("%w; make %s writable", err, which)
	}
	return fmt.Errorf("%w; make room on %s", err, which)
}

// pathOf is the path that an error is about, "" when it does not say.
func pathOf(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Path
	case errors.As(err, &link):
		return link.New
	}
	return ""
}
