// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// This file owns what is asked of the kernel that neither brokers nor native rpcds
// need, and what of the file system is open that should not be.

var kernel = map[string]func(args []string) error{
	"new-user":    func([]string) error { return clone(unix.CLONE_NEWUSER | uintptr(unix.SIGCHLD)) },
	"wait":        func([]string) error { return call(unix.SYS_WAITID, unix.P_ALL, 0, 0, unix.WEXITED|unix.WNOHANG) },
	"perf":        perf,
	"io_uring":    func([]string) error { return call(unix.SYS_IO_URING_SETUP, 4, pointer(&[120]byte{})) },
	"userfaultfd": func([]string) error { return call(unix.SYS_USERFAULTFD, 1) },
	"keyring":     func([]string) error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true); return err },
	"shm":         func([]string) error { return call(unix.SYS_SHMGET, unix.IPC_PRIVATE, 4096, 0o1600) },
	"semaphore":   func([]string) error { return call(unix.SYS_SEMGET, unix.IPC_PRIVATE, 1, 0o1600) },
	"queue":       func([]string) error { return call(unix.SYS_MSGGET, unix.IPC_PRIVATE, 0o1600) },
	"mqueue":      mqueue,
	"executable":  executable,
	"personality": func([]string) error { return call(unix.SYS_PERSONALITY, 0x0040000) },
	"grow":        grow,
	"empty":       empty,
	"punch":       punch,
	"remove-page": removePage,
	"open-up":     func(a []string) error { return os.Chmod(a[0], 0o666) },
	"shrink":      func(a []string) error { return os.Truncate(a[0], 0) },
	"group-files": groupFiles,
	"writable":    writable,
}

func perf([]string) error {
	_, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: 112}, 0, -1, -1, 0)
	return err
}

func mqueue([]string) error {
	name := []byte("q\x00")
	return call(unix.SYS_MQ_OPEN, pointer(&name[0]), unix.O_CREAT|unix.O_RDWR, 0o600, 0)
}

func clone(flags uintptr) error {
	child, _, e := unix.RawSyscall6(unix.SYS_CLONE, flags, 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if child == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

// executable wants memory that is written and run.
func executable([]string) error {
	_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	return err
}

// empty cuts a file short by opening it.
func empty(args []string) error {
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_TRUNC, 0)
	if err == nil {
		f.Close()
	}
	return err
}

// grow writes far behind the end of a file, "PATH".
func grow(args []string) error {
	fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Pwrite(fd, make([]byte, 4096), 200<<20)
	return err
}

// punch makes a hole in a file, "PATH".
func punch(args []string) error {
	fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096)
}

// removePage does it through a mapping.
func removePage(args []string) error {
	fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	mem, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	defer unix.Munmap(mem)
	return unix.Madvise(mem, unix.MADV_REMOVE)
}

// walk looks at every file below a directory but those of /proc, until visit says
// that it is one that should not be open.
func walk(top string, but []string, visit func(path string, st *unix.Stat_t) bool) (found string) {
	filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if path == "/proc" || slices.Contains(but, path) {
			return fs.SkipDir
		}
		var st unix.Stat_t
		if err == nil && unix.Lstat(path, &st) == nil && visit(path, &st) {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	os.Stderr.WriteString(found + "\n")
	return found
}

// groupFiles looks for files that only their group, which is ours, opens.
func groupFiles(but []string) error {
	found := walk("/", but, func(path string, st *unix.Stat_t) bool {
		return st.Mode&unix.S_IFMT == unix.S_IFREG && int(st.Gid) == os.Getegid() && st.Mode&0o44 == 0o40 && unix.Access(path, unix.R_OK) == nil
	})
	return report(found != "", "there is none")
}

// writable looks for a file or directory that can be written, but in the given
// directories: on what is not mounted read-only.
func writable(but []string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	found := ""
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 5 && found == "" && !slices.Contains(strings.Split(f[5], ","), "ro") {
			found = walk(f[4], but, func(path string, st *unix.Stat_t) bool {
				kind := st.Mode & unix.S_IFMT
				return kind != unix.S_IFLNK && kind != unix.S_IFSOCK && kind != unix.S_IFCHR && unix.Access(path, unix.W_OK) == nil
			})
		}
	}
	return report(found != "", "there is none")
}
