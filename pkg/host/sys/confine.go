// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Files says what a confined process may do to the length of files.
type Files bool

// Of brokers and native rpcds, and of those native rpcds that cut files of their own.
const (
	FilesKeepLength Files = true
	FilesAsBefore   Files = false
)

// This file owns what brokers and native rpcds give up for themselves, beside
// what units/hardening.conf takes from them: a filter of a unit knows system
// calls, not their arguments.

// Confine gives up, for all threads and for good, what one process could do to
// others of its account, which the programs of msrpcd share:
//
//   - its memory and /proc directory are root's (PR_SET_DUMPABLE), also where the
//     program's file could be read
//   - a descriptor's owner cannot be set: with F_SETOWN and F_SETSIG any process
//     of the account gets any signal
//
// With FilesKeepLength it cannot take from a file what others have mapped either,
// which SIGBUS would end: no truncation (the units forbid ftruncate(2) only),
// no holes; and it lets no other account write what is its own, to do that.
//
// A kernel without seccomp(2) is an error that is to be logged, no more.
func Confine(files Files) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: not dumpable: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: no new privileges: %w", err)
	}
	filter := newFilter(files)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return fmt.Errorf("confine: seccomp: %w", e)
	}
	return nil
}

// filter is a program for seccomp(2): EPERM for what it denies, all else is as it
// was.
type filter []unix.SockFilter

const (
	bpfLoad  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	bpfEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	bpfBits  = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	bpfJump  = unix.BPF_JMP | unix.BPF_JA
	bpfGive  = unix.BPF_RET | unix.BPF_K

	denied = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
)

// deny denies a system call.
func (f *filter) deny(call uint32) {
	*f = append(*f, unix.SockFilter{Code: bpfLoad}, unix.SockFilter{Code: bpfEqual, K: call, Jf: 1}, unix.SockFilter{Code: bpfGive, K: denied})
}

// denyArg denies a system call whose argument (0 to 5), as far as its low 32 bits
// go, is one of the values, or with bpfBits has one of these bits.
func (f *filter) denyArg(call uint32, arg int, compare uint16, values ...uint32) {
	at := uint32(16 + 8*arg) // in struct seccomp_data
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		at += 4
	}
	n := uint8(len(values))
	*f = append(*f, unix.SockFilter{Code: bpfLoad}, unix.SockFilter{Code: bpfEqual, K: call, Jf: n + 3}, unix.SockFilter{Code: bpfLoad, K: at})
	for i, v := range values {
		*f = append(*f, unix.SockFilter{Code: compare, K: v, Jt: n - uint8(i)})
	}
	*f = append(*f, unix.SockFilter{Code: bpfJump, K: 1}, unix.SockFilter{Code: bpfGive, K: denied})
}

func newFilter(files Files) filter {
	var f filter
	f.denyArg(unix.SYS_FCNTL, 1, bpfEqual, unix.F_SETOWN, unix.F_SETOWN_EX, unix.F_SETSIG)
	f.denyArg(unix.SYS_IOCTL, 1, bpfEqual, fioSetOwn, siocSetPgrp)
	if files == FilesKeepLength {
		f.denyArg(unix.SYS_OPENAT, 2, bpfBits, unix.O_TRUNC)
		f.denyArg(unix.SYS_MADVISE, 2, bpfEqual, unix.MADV_REMOVE)
		f.denyArg(unix.SYS_FCHMOD, 1, bpfBits, othersWrite)
		f.denyArg(unix.SYS_FCHMODAT, 2, bpfBits, othersWrite)
		f.denyArg(unix.SYS_FCHMODAT2, 2, bpfBits, othersWrite)
		f.deny(unix.SYS_FALLOCATE)
		f.deny(unix.SYS_OPENAT2) // its flags are in memory
		for _, call := range legacyFiles {
			f.deny(call)
		}
	}
	return append(f, unix.SockFilter{Code: bpfGive, K: unix.SECCOMP_RET_ALLOW})
}

// othersWrite are the modes that let group or others write.
const othersWrite = 0o022

// Requests of ioctl(2), the same on all machines but mips, which has its own.
const (
	fioSetOwn   = 0x8901
	siocSetPgrp = 0x8902
)
