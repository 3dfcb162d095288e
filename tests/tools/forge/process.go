// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
)

// This file owns what a process can do to another one. Arguments are its pid and,
// for its memory, an address in it, hexadecimal.

// others are verbs with arguments that are no path.
var others = map[string]func(args []string) error{
	"confine":    func([]string) error { return sys.Confine(sys.FilesKeepLength) }, // as brokers and native rpcds do at their start
	"notify":     notify,
	"see":        see,
	"vm-read":    func(a []string) error { return vm(a, unix.SYS_PROCESS_VM_READV) },
	"vm-write":   func(a []string) error { return vm(a, unix.SYS_PROCESS_VM_WRITEV) },
	"ptrace":     func(a []string) error { return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, pid(a), 0, 0) },
	"getfd":      func(a []string) error { return onPidfd(a, unix.SYS_PIDFD_GETFD, 0) },
	"pidfd-kill": func(a []string) error { return onPidfd(a, unix.SYS_PIDFD_SEND_SIGNAL, harmless) },
	"kcmp":       func(a []string) error { return call(unix.SYS_KCMP, uintptr(os.Getpid()), pid(a), 0, 0) },
	"kill":       func(a []string) error { return call(unix.SYS_KILL, pid(a), harmless) },
	"kill-all":   func([]string) error { return call(unix.SYS_KILL, ^uintptr(0), harmless) },
	"tkill":      func(a []string) error { return call(unix.SYS_TKILL, pid(a), harmless) },
	"tgkill":     func(a []string) error { return call(unix.SYS_TGKILL, pid(a), pid(a), harmless) },
	"sigqueue":   sigqueue,
	"owner":      owner,
	"prlimit":    prlimit,
	"affinity":   func(a []string) error { return affinity(a) },
	"scheduler": func(a []string) error {
		return call(unix.SYS_SCHED_SETSCHEDULER, pid(a), unix.SCHED_IDLE, pointer(&[8]byte{}))
	},
	"priority": func([]string) error { return call(unix.SYS_SETPRIORITY, unix.PRIO_USER, uintptr(os.Getuid()), 19) },
	"robust": func(a []string) error {
		var p, n uintptr
		return call(unix.SYS_GET_ROBUST_LIST, pid(a), pointer(&p), pointer(&n))
	},
}

// harmless is a signal that a running process does not notice.
const harmless = uintptr(unix.SIGCONT)

func init() {
	for verb, f := range kernel {
		others[verb] = f
	}
	for verb, f := range network {
		others[verb] = f
	}
}

func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, e := unix.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); e != 0 {
		return e
	}
	return nil
}

func pointer[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

func pid(args []string) uintptr {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		panic("bad pid " + args[0])
	}
	return uintptr(n)
}

// see finds other processes in /proc.
func see([]string) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n != os.Getpid() {
			return nil
		}
	}
	return errors.New("only this process is there")
}

func vm(args []string, number uintptr) error {
	address, err := strconv.ParseUint(args[1], 16, 64)
	if err != nil {
		panic(err)
	}
	var buf [8]byte
	local := unix.Iovec{Base: &buf[0], Len: 0}
	if number == unix.SYS_PROCESS_VM_READV {
		local.SetLen(len(buf))
	}
	remote := unix.RemoteIovec{Base: uintptr(address), Len: int(local.Len)}
	return call(number, pid(args), pointer(&local), 1, pointer(&remote), 1, 0)
}

func pidfd(args []string) (int, error) { return unix.PidfdOpen(int(pid(args)), 0) }

func onPidfd(args []string, number, arg uintptr) error {
	fd, err := pidfd(args)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return call(number, uintptr(fd), arg, 0, 0)
}

func sigqueue(args []string) error {
	var info [128]byte
	*(*int32)(unsafe.Pointer(&info[8])) = -1 // SI_QUEUE
	return call(unix.SYS_RT_SIGQUEUEINFO, pid(args), harmless, pointer(&info))
}

// owner lets the kernel signal another process about a descriptor.
func owner(args []string) error {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	_, err = unix.FcntlInt(uintptr(p[0]), unix.F_SETOWN, int(pid(args)))
	if err == nil {
		_, err = unix.FcntlInt(uintptr(p[0]), unix.F_SETSIG, int(harmless))
	}
	return err
}

func prlimit(args []string) error {
	r := unix.Rlimit{Cur: 1 << 30, Max: 1 << 30}
	return call(unix.SYS_PRLIMIT64, pid(args), unix.RLIMIT_FSIZE, pointer(&r), 0)
}

func affinity(args []string) error {
	runtime.LockOSThread()
	mask := ^uint64(0)
	return call(unix.SYS_SCHED_SETAFFINITY, pid(args), 8, pointer(&mask))
}

// notify tells systemd something, and works: what comes of it is another question.
func notify(args []string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, []byte(args[0]), 0, &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")})
}

// report makes an error of a condition that is as it should be.
func report(worked bool, why string) error {
	if worked {
		return nil
	}
	return fmt.Errorf("%s", why)
}
