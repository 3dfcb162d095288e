// SPDX-License-Identifier: Apache-2.0

package status

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"msrpcd/tests/tools/check"
)

func prepare(t *testing.T, workers int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "status")
	check.OK(t, Prepare(path, workers, os.Getuid(), os.Getgid()))
	return path
}

func open(t *testing.T, path string, write bool) *File {
	t.Helper()
	f, err := Open(path, write)
	check.OK(t, err)
	t.Cleanup(func() {
		if f.mem != nil {
			f.Close()
		}
	})
	return f
}

func TestEveryLineHas64Bytes(t *testing.T) {
	for name, size := range map[string]uintptr{
		"BrokerLine": unsafe.Sizeof(BrokerLine{}),
		"SentLine":   unsafe.Sizeof(SentLine{}), "WorkerLine": unsafe.Sizeof(WorkerLine{}),
	} {
		if size != lineSize {
			t.Errorf("%s has %d bytes", name, size)
		}
	}
}

func TestWritersAndReadersSeeOneFile(t *testing.T) {
	path := prepare(t, 37)
	w, r := open(t, path, true), open(t, path, false)
	if w.Len() < 37 {
		t.Fatalf("room for %d workers, want 37", w.Len())
	}
	last := w.Len() - 1
	w.Sent(last).Sent.Store(7)
	w.Worker(last).Received.Store(5)
	w.Worker(last).Closed.Store(2)
	w.Broker().Accepted.Store(9)
	if r.Sent(last).Sent.Load() != 7 || r.Worker(last).Open() != 3 || r.Broker().Accepted.Load() != 9 {
		t.Error("the reader sees other numbers")
	}
	w.Worker(0).Closed.Store(1)
	check.Is(t, "more closed than received: open", 0, w.Worker(0).Open())
}

func TestLineIsHeldByTheLiving(t *testing.T) {
	path := prepare(t, 2)
	a, b := open(t, path, true), open(t, path, true)
	if b.WorkerAlive(0) || b.BrokerAlive() {
		t.Error("alive before anybody took the line")
	}
	check.OK(t, a.LockWorker(0))
	check.OK(t, a.LockBroker())
	if !b.WorkerAlive(0) || b.WorkerAlive(1) || !b.BrokerAlive() {
		t.Error("the wrong lines are alive")
	}
	if err := b.LockWorker(0); !errors.Is(err, ErrLocked) {
		t.Errorf("second holder: %v", err)
	}
	a.Close()
	if b.WorkerAlive(0) || b.BrokerAlive() {
		t.Error("alive after the end")
	}
}

func TestPrepareKeepsWhatHasRoom(t *testing.T) {
	path := prepare(t, 5)
	f := open(t, path, true)
	f.Worker(0).Received.Store(1)
	check.OK(t, Prepare(path, minCapacity, os.Getuid(), os.Getgid()))
	if open(t, path, false).Worker(0).Received.Load() != 1 {
		t.Error("a file with room was replaced")
	}
	check.OK(t, Prepare(path, minCapacity+1, os.Getuid(), os.Getgid()))
	if open(t, path, false).Len() <= minCapacity {
		t.Error("a file without room was kept")
	}
	if err := Prepare(path, MaxWorkers+1, 0, 0); err == nil {
		t.Error("too many workers were accepted")
	}
}

// Brokers write as the group, native workers as the owner; a file of the wrong
// ones is kept, since it may be mapped.
func TestPrepareGivesTheFileToItsWriters(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root gives files away: owner and group are this user's")
	}
	path := prepare(t, 1)
	check.OK(t, os.Chmod(path, 0o600))
	before, err := os.Stat(path)
	check.OK(t, err)
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 12345, 54321
	}
	check.OK(t, Prepare(path, 1, uid, gid))
	after, err := os.Stat(path)
	check.OK(t, err)
	sys := after.Sys().(*syscall.Stat_t)
	if !os.SameFile(before, after) || after.Mode().Perm() != 0o660 || int(sys.Uid) != uid || int(sys.Gid) != gid {
		t.Errorf("same file %v, mode %v, owner %d:%d; want %d:%d", os.SameFile(before, after), after.Mode(), sys.Uid, sys.Gid, uid, gid)
	}
}

func TestOpenRefusesWhatIsNoStatusFile(t *testing.T) {
	path := prepare(t, 1)
	good := check.File(t, path)
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"empty": nil, "short": good[:100], "longer": append(append([]byte{}, good...), 0),
		"other": append([]byte{1}, good[1:]...),
	} {
		p := filepath.Join(dir, name)
		os.WriteFile(p, data, 0o600)
		if _, err := Open(p, false); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	link := filepath.Join(dir, "link")
	os.Symlink(path, link)
	if _, err := Open(link, false); err == nil {
		t.Error("a symbolic link was followed")
	}
	if _, err := Open(dir, false); err == nil {
		t.Error("a directory was opened")
	}
}
