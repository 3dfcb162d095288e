// SPDX-License-Identifier: Apache-2.0

package program

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ID says whether the file at a path is still the same program. Looking
// costs one system call and no allocation.
type ID struct {
	ino, size          uint64
	sec                int64
	nsec               uint32
	devMajor, devMinor uint32
}

// File is a path to look at again and again.
type File struct {
	path *byte // with NUL
	stat unix.Statx_t
}

// NewFile returns the File of an absolute path.
func NewFile(path string) (*File, error) {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("path of a program %q: %w", path, err)
	}
	return &File{path: p}, nil
}

// Stat is statx(2) of what is at the path now, valid until the next call; ok is
// false when there is nothing.
func (f *File) Stat() (s *unix.Statx_t, ok bool) {
	const dirfd = 0 // not used: the path is absolute
	_, _, e := unix.RawSyscall6(unix.SYS_STATX, dirfd, uintptr(unsafe.Pointer(f.path)), 0,
		unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&f.stat)), 0)
	return &f.stat, e == 0
}

// ID returns the identity of what is at the path now; ok is false when there
// is nothing: a package in the middle of its upgrade, or removed.
func (f *File) ID() (id ID, ok bool) {
	s, ok := f.Stat()
	return ID{
		ino: s.Ino, size: s.Size, sec: s.Mtime.Sec, nsec: s.Mtime.Nsec,
		devMajor: s.Dev_major, devMinor: s.Dev_minor,
	}, ok
}

// String is size, time of change in nanoseconds and inode, as in the catalogue.
func (id ID) String() string {
	return fmt.Sprintf("%d:%d:%d", id.size, id.sec*1e9+int64(id.nsec), id.ino)
}
