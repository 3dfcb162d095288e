// SPDX-License-Identifier: Apache-2.0

package status

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Copy reads the status file at path for a program that only shows it: unlike
// with Open, a process that changes the length of the file meanwhile makes no
// reader fault. Whether lines are locked is asked of the file itself.
func Copy(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("status file %s: %w: it is a symbolic link", path, ErrFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("open status file: %w", err)
	}
	s, err := copyFile(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("status file %s: %w", path, err)
	}
	return s, nil
}

func copyFile(f *os.File) (*File, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	n := int(st.Size())
	if !st.Mode().IsRegular() || n < size(1) || n > size(MaxWorkers) {
		return nil, ErrFormat
	}
	words := make([]uint64, (n+7)/8) // lines are aligned as in a mapping
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
	if got, err := f.ReadAt(mem, 0); err == io.EOF && got < n {
		return nil, ErrFormat // it became shorter
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	capacity, err := checkHeader(mem, n)
	if err != nil {
		return nil, err
	}
	return &File{f: f, mem: mem, capacity: capacity, copied: true}, nil
}

// Check says what is wrong with the status file at path, nil for nothing: it has
// to be as Prepare makes it. A user that may not read it learns of its type, length,
// mode and owner.
func Check(path string, workers, uid, gid int) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fmt.Errorf("status file %s: %w", path, err)
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("status file %s "+format, append([]any{path}, args...)...)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return wrong("is %s", kinds[st.Mode&unix.S_IFMT])
	case st.Size < int64(size(1)) || st.Size > int64(size(MaxWorkers)):
		return wrong("has %d bytes", st.Size)
	case int(st.Uid) != uid || int(st.Gid) != gid:
		return wrong("belongs to %d:%d instead of %d:%d", st.Uid, st.Gid, uid, gid)
	case st.Mode&0o7777 != fileMode:
		return wrong("has mode %04o instead of %04o", st.Mode&0o7777, fileMode)
	}
	f, err := Copy(path)
	if errors.Is(err, os.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if f.capacity < workers {
		return wrong("has room for %d workers instead of %d", f.capacity, workers)
	}
	return nil
}

// kinds are the types of files that a status file is not.
var kinds = map[uint32]string{
	unix.S_IFIFO: "a FIFO", unix.S_IFLNK: "a symbolic link", unix.S_IFDIR: "a directory", unix.S_IFSOCK: "a socket",
	unix.S_IFCHR: "a device", unix.S_IFBLK: "a device",
}
