// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
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
// A kernel without seccomp(2) is an error that is to be logged, no more.
func Confine() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: not dumpable: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: no new privileges: %w", err)
	}
	filter := ownerFilter()
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return fmt.Errorf("confine: seccomp: %w", e)
	}
	return nil
}

// ownerFilter is a program for seccomp(2): EPERM for what makes a process the
// owner of a descriptor, everything else is as before.
func ownerFilter() []unix.SockFilter {
	const (
		load, equal, give = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		number, argument1 = 0, 24 // in struct seccomp_data
	)
	low := uint32(argument1)
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		low += 4
	}
	return []unix.SockFilter{
		{Code: load, K: number},
		{Code: equal, K: unix.SYS_FCNTL, Jf: 5},
		{Code: load, K: low},
		{Code: equal, K: unix.F_SETOWN, Jt: 7},
		{Code: equal, K: unix.F_SETOWN_EX, Jt: 6},
		{Code: equal, K: unix.F_SETSIG, Jt: 5},
		{Code: give, K: unix.SECCOMP_RET_ALLOW},
		{Code: equal, K: unix.SYS_IOCTL, Jf: 4},
		{Code: load, K: low},
		{Code: equal, K: fioSetOwn, Jt: 1},
		{Code: equal, K: siocSetPgrp, Jf: 1},
		{Code: give, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: give, K: unix.SECCOMP_RET_ALLOW},
	}
}

// Requests of ioctl(2), the same on all machines but mips, which has its own.
const (
	fioSetOwn   = 0x8901
	siocSetPgrp = 0x8902
)
