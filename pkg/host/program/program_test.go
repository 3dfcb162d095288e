// SPDX-License-Identifier: Apache-2.0

package program

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
)

func must(t *testing.T, err error) {
	t.Helper()
	check.OK(t, err)
}

func TestReplacedProgramIsNoticed(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "program"), filepath.Join(dir, "exe")
	must(t, os.WriteFile(path, []byte("old"), 0o755))
	must(t, os.Symlink(path, link))
	s := SelfOf(link)
	if s.Path != path || s.Replaced(0) {
		t.Fatalf("%q, replaced %v", s.Path, s.Replaced(0))
	}
	must(t, os.Remove(path))
	if s.Replaced(lookEvery) {
		t.Error("a missing program counts as replaced")
	}
	must(t, os.WriteFile(path, []byte("new one"), 0o755))
	if s.Replaced(2*lookEvery - 1) {
		t.Error("it looks more often than once a second")
	}
	if !s.Replaced(2*lookEvery) || !s.Replaced(0) {
		t.Error("the new program is not noticed")
	}
	if SelfOf(filepath.Join(dir, "none")).Replaced(time.Hour) {
		t.Error("without /proc a program counts as replaced")
	}
}

// A program that is replaced between its start and its first look.
func TestProgramReplacedBeforeTheFirstLook(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	must(t, err)
	b := check.File(t, sleep)
	path := filepath.Join(t.TempDir(), "sleep")
	must(t, os.WriteFile(path, b, 0o755))
	cmd := exec.Command(path, "60")
	must(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	must(t, os.WriteFile(path+".new", b, 0o755))
	must(t, os.Rename(path+".new", path))
	if s := SelfOf(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "exe")); s.Path != path || !s.Replaced(0) {
		t.Errorf("%q, replaced %v", s.Path, s.Replaced(0))
	}
}

func TestLookDoesNotAllocate(t *testing.T) {
	s, now := NewSelf(), time.Duration(0)
	if s.Path == "" {
		t.Skip("no /proc")
	}
	if n := testing.AllocsPerRun(100, func() { now += lookEvery; s.Replaced(now) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLibraries(t *testing.T) {
	const lines = `55d0c0a00000-55d0c0a01000 r-xp 00001000 fe:01 1234   /usr/libexec/samba/rpcd_winreg (deleted)
7f0000000000-7f0000001000 rw-p 00000000 00:01 5      /dev/zero (deleted)
7f0000001000-7f0000002000 r--p 00000000 fe:01 77     /usr/lib/libtalloc.so.2.3.4 (deleted)
7f0000002000-7f0000003000 r-xp 00001000 fe:01 78     /usr/lib/libtdb.so.1.4.8
7f0000003000-7f0000004000 r-xp 00000000 00:00 0      [vdso]
`
	check.Is(t, "counts as a replaced library", "", deletedLibrary([]byte(lines)))
	const gone = "7f0000005000-7f0000006000 r-xp 00001000 fe:01 79     /usr/lib/a b/libtalloc.so.2.3.4 (deleted)\n"
	check.Is(t, "replaced library", "/usr/lib/a b/libtalloc.so.2.3.4", deletedLibrary([]byte(lines+gone)))
	check.Is(t, "this test runs a replaced library", "", ReplacedLibrary(os.Getpid()))
}

func FuzzLibraries(f *testing.F) {
	f.Add([]byte("7f0-7f1 r-xp 0 fe:01 79 /lib/x.so (deleted)\n"))
	f.Fuzz(func(t *testing.T, maps []byte) { deletedLibrary(maps) })
}
