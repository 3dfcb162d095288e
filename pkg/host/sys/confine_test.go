// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

var memory int // a file

// TestConfine does it in a process of its own, on whichever threads there are.
func TestConfine(t *testing.T) {
	if os.Getenv("MSRPC_TEST_CONFINE") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestConfine$")
		cmd.Env = append(os.Environ(), "MSRPC_TEST_CONFINE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	a, b := pair(t, unix.SOCK_STREAM)
	var err error
	if memory, err = unix.MemfdCreate("file", 0); err == nil {
		err = unix.Ftruncate(memory, 4096)
	}
	check.OK(t, err)
	ready, done, results := make(chan bool), make(chan bool), make(chan error, 4)
	for range 4 { // threads that are there before
		go func() {
			runtime.LockOSThread()
			ready <- true
			<-done
			results <- confined(a, b)
		}()
		<-ready
	}
	if err := confined(a, b); err == nil {
		t.Fatal("confined before")
	}
	check.OK(t, Confine(FilesKeepLength))
	close(done)
	for range 4 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func confined(fd, peer int) error {
	for what, err := range map[string]error{
		"F_SETOWN":    setInt(fd, unix.F_SETOWN, os.Getpid()),
		"F_SETOWN_EX": setInt(fd, unix.F_SETOWN_EX, 0),
		"F_SETSIG":    setInt(fd, unix.F_SETSIG, int(unix.SIGKILL)),
		"FIOSETOWN":   unix.IoctlSetPointerInt(fd, fioSetOwn, os.Getpid()),
		"SIOCSPGRP":   unix.IoctlSetPointerInt(fd, siocSetPgrp, os.Getpid()),
	} {
		if err != unix.EPERM {
			return fmt.Errorf("%s: %v", what, err)
		}
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); dumpable != 0 || err != nil {
		return fmt.Errorf("dumpable %d, %v", dumpable, err)
	}
	for flags, want := range map[int]error{unix.O_TRUNC | unix.O_RDWR: unix.EPERM, unix.O_RDWR: nil} {
		f, err := unix.Open(os.DevNull, flags, 0)
		if err != want {
			return fmt.Errorf("open with flags %#x: %v, want %v", flags, err, want)
		}
		if err == nil {
			unix.Close(f)
		}
	}
	if err := keepsLength(); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil {
		return fmt.Errorf("F_GETFL: %w", err)
	}
	if _, e := Send(peer, []byte("x")); e != 0 {
		return e
	}
	if n, e := Available(fd); n == 0 || e != 0 {
		return fmt.Errorf("FIONREAD: %d, %v", n, e)
	}
	return nil
}

// keepsLength tries on a file of its own what is denied, and what is not.
func keepsLength() error {
	name := fmt.Sprintf("/proc/self/fd/%d", memory)
	mapped, err := unix.Mmap(memory, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	defer unix.Munmap(mapped)
	for what, err := range map[string]error{
		"MADV_REMOVE": unix.Madvise(mapped, unix.MADV_REMOVE),
		"fallocate":   unix.Fallocate(memory, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096),
		"fchmod":      unix.Fchmod(memory, 0o622),
		"fchmodat":    unix.Fchmodat(unix.AT_FDCWD, name, 0o602, 0),
	} {
		if err != unix.EPERM {
			return fmt.Errorf("%s: %v", what, err)
		}
	}
	return errors.Join(unix.Madvise(mapped, unix.MADV_DONTNEED), unix.Fchmod(memory, 0o644), unix.Fchmodat(unix.AT_FDCWD, name, 0o600, 0))
}

func setInt(fd, cmd, value int) error {
	_, err := unix.FcntlInt(uintptr(fd), cmd, value)
	return err
}
