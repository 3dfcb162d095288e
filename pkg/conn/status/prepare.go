// SPDX-License-Identifier: Apache-2.0

package status

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"msrpcd/pkg/host/sys"

	"golang.org/x/sys/unix"
)

const fileMode = 0o660

// Prepare makes the status file at path for indices below workers (spares
// included): uid is that of the workers, gid the group of the broker.
//
// Processes may have it mapped. So a file is never made shorter than it may have
// been, and gets length and header back in place: what is mapped is whole again.
// Anything but a file is replaced by a new one.
func Prepare(path string, workers, uid, gid int) error {
	if workers < 1 || workers > MaxWorkers {
		return fmt.Errorf("status file %s: %d workers are out of range 1 to %d", path, workers, MaxWorkers)
	}
	kept, err := keep(path, workers, uid, gid)
	if kept || err != nil {
		return err
	}
	err = sys.Replace(path, func(f *os.File) error {
		if err := reshape(f, capacityFor(workers)); err != nil {
			return err
		}
		if err := give(f, uid, gid); err != nil {
			return err
		}
		return aside(path)
	})
	if err != nil {
		return fmt.Errorf("make status file: %w", err)
	}
	return nil
}

// keep keeps the file that is there, if it can be made to do.
func keep(path string, workers, uid, gid int) (kept bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, nil
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return false, nil
	}
	n := capacityFor(workers)
	if k := (int(st.Size()) - size(0)) / (size(1) - size(0)); k <= MaxWorkers && int64(size(k)) == st.Size() {
		n = max(n, k)
	}
	if err := reshape(f, n); err != nil {
		return false, fmt.Errorf("status file %s: %w", path, err)
	}
	return true, give(f, uid, gid)
}

// reshape gives a file the length and the header for capacity indices, where it
// has others. Lines that are new are zero. All of it has room on its file system:
// which SIGBUS would end when a hole cannot be filled.
func reshape(f *os.File, capacity int) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() != int64(size(capacity)) {
		if err := f.Truncate(int64(size(capacity))); err != nil {
			return err
		}
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(size(capacity))); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return &os.PathError{Op: "allocate", Path: f.Name(), Err: err}
	}
	var is, wanted [16]byte
	binary.NativeEndian.PutUint64(wanted[:], magic)
	binary.NativeEndian.PutUint32(wanted[8:], version)
	binary.NativeEndian.PutUint32(wanted[12:], uint32(capacity))
	if _, err := f.ReadAt(is[:], 0); err == nil && is == wanted {
		return nil
	}
	_, err = f.WriteAt(wanted[:], 0)
	return err
}

// aside gives a directory at path, which a file cannot be renamed over, a name of
// its own.
func aside(path string) error {
	if st, err := os.Lstat(path); err != nil || !st.IsDir() {
		return nil
	}
	return os.Rename(path, fmt.Sprintf("%s.aside-%d", path, os.Getpid()))
}

func capacityFor(workers int) int {
	capacity := minCapacity
	for capacity < workers {
		capacity *= 2
	}
	return capacity
}

// give sets owner and mode where they differ: two accounts write into one file,
// and neither is a member of the other's group.
func give(f *os.File, uid, gid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("status file %s: %w", f.Name(), err)
	}
	if int(st.Uid) != uid || int(st.Gid) != gid {
		if err := f.Chown(uid, gid); err != nil {
			return fmt.Errorf("status file: %w", err)
		}
	}
	if st.Mode&0o7777 != fileMode {
		if err := f.Chmod(fileMode); err != nil {
			return fmt.Errorf("status file: %w", err)
		}
	}
	return nil
}
