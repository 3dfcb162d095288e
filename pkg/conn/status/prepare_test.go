// SPDX-License-Identifier: Apache-2.0

package status

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

// damages are what a subverted process, or a person, may make of a status file.
var damages = map[string]func(path string) error{
	"truncated":      func(p string) error { return os.Truncate(p, 0) },
	"shorter":        func(p string) error { return os.Truncate(p, 100) },
	"huge":           func(p string) error { return os.Truncate(p, 200<<20) },
	"rubbish":        func(p string) error { return overwrite(p, "rubbish, and more of it") },
	"other capacity": func(p string) error { return overwriteAt(p, "\xff\xff\xff\xff", 12) },
	"mode":           func(p string) error { return os.Chmod(p, 0o666) },
	"FIFO":           func(p string) error { return errors.Join(os.Remove(p), unix.Mkfifo(p, 0o660)) },
	"socket":         func(p string) error { return errors.Join(os.Remove(p), unix.Mknod(p, unix.S_IFSOCK|0o660, 0)) },
	"link":           func(p string) error { return errors.Join(os.Rename(p, p+"-"), os.Symlink(p+"-", p)) },
	"dangling link":  func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/nowhere", p)) },
	"directory":      func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
	"full directory": func(p string) error { return errors.Join(os.Remove(p), os.MkdirAll(p+"/x", 0o755)) },
	"gone":           os.Remove,
}

func overwrite(path, text string) error { return overwriteAt(path, text, 0) }

func overwriteAt(path, text string, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte(text), at)
	return err
}

func TestEveryDamageIsFoundAndMended(t *testing.T) {
	uid, gid := os.Geteuid(), os.Getegid()
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "status")
			check.OK(t, Prepare(path, 10, uid, gid))
			check.OK(t, Check(path, 10, uid, gid))
			check.OK(t, damage(path))
			if err := Check(path, 10, uid, gid); err == nil {
				t.Error("it is not found")
			}
			if f, err := Copy(path); err == nil && name != "mode" {
				f.Close()
				t.Error("it is read")
			}
			check.OK(t, Prepare(path, 10, uid, gid))
			if err := Check(path, 10, uid, gid); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is mapped is whole again after a file was shortened: the file is the
// same, and so is the lock on a line.
func TestAMappedFileIsMendedInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	uid, gid := os.Geteuid(), os.Getegid()
	check.OK(t, Prepare(path, 70, uid, gid))
	worker, err := Open(path, true)
	check.OK(t, err)
	defer worker.Close()
	check.OK(t, worker.LockWorker(69))
	for _, length := range []int64{0, 200 << 20} {
		check.OK(t, os.Truncate(path, length))
		check.OK(t, Prepare(path, 70, uid, gid))
		worker.Worker(69).Received.Store(7)
		f, err := Copy(path)
		check.OK(t, err)
		if got := f.Worker(69).Received.Load(); got != 7 || !f.WorkerAlive(69) || f.Len() != 128 {
			t.Errorf("after %d bytes: received %d, alive %v, capacity %d", length, got, f.WorkerAlive(69), f.Len())
		}
		f.Close()
	}
}

func TestACopyDoesNotFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	check.OK(t, Prepare(path, 10, os.Geteuid(), os.Getegid()))
	f, err := Copy(path)
	check.OK(t, err)
	defer f.Close()
	check.OK(t, os.Truncate(path, 0))
	for i := range f.Len() {
		if f.Worker(i).Received.Load() != 0 || f.Sent(i).Sent.Load() != 0 {
			t.Error(i)
		}
	}
}

// No page of a file has to be found room for when it is used: on a full file
// system that would end who has it mapped.
func TestAllOfAFileHasRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	for range 2 {
		check.OK(t, Prepare(path, MaxWorkers, os.Geteuid(), os.Getegid()))
		var st unix.Stat_t
		check.OK(t, unix.Stat(path, &st))
		if st.Blocks*512 < st.Size {
			t.Errorf("%d of %d bytes have room", st.Blocks*512, st.Size)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		check.OK(t, err)
		defer f.Close()
		if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 8192, 65536); err != nil {
			t.Skip("this file system knows no holes: ", err)
		}
	}
}
