// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// execID tells whether the file at a path is still the same program. Looking
// costs one system call and no allocation.
type execID struct {
	ino, size          uint64
	sec                int64
	nsec               uint32
	devMajor, devMinor uint32
}

// execFile is a path to look at again and again.
type execFile struct {
	path *byte // with NUL
	stat unix.Statx_t
}

func newExecFile(path string) (*execFile, error) {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("path of the rpcd %q: %w", path, err)
	}
	return &execFile{path: p}, nil
}

// id returns the identity of what is at the path now; ok is false when there
// is nothing: a package in the middle of its upgrade, or removed.
func (f *execFile) id() (id execID, ok bool) {
	const dirfd = 0 // not used: the path is absolute
	_, _, e := unix.RawSyscall6(unix.SYS_STATX, dirfd, uintptr(unsafe.Pointer(f.path)), 0,
		unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&f.stat)), 0)
	s := &f.stat
	return execID{
		ino: s.Ino, size: s.Size, sec: s.Mtime.Sec, nsec: s.Mtime.Nsec,
		devMajor: s.Dev_major, devMinor: s.Dev_minor,
	}, e == 0
}

// String is size, time of change in nanoseconds and inode, as in the catalogue.
func (id execID) String() string {
	return fmt.Sprintf("%d:%d:%d", id.size, id.sec*1e9+int64(id.nsec), id.ino)
}
