// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Errno is the kernel's error number, 0 for success.
type Errno = unix.Errno

func ptr(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return unsafe.Pointer(&zero)
	}
	return unsafe.Pointer(&b[0])
}

var zero byte

// Accept takes one connection from a listener: non-blocking, close-on-exec.
func Accept(fd int) (int, Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), e
}

// Close closes fd. The descriptor is gone whatever the kernel says.
func Close(fd int) {
	unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// Recv is recv(2); flags such as unix.MSG_PEEK.
func Recv(fd int, b []byte, flags int) (int, Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(ptr(b)), uintptr(len(b)),
			uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

// Send is send(2) without SIGPIPE.
func Send(fd int, b []byte) (int, Errno) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(ptr(b)), uintptr(len(b)),
			unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
		if e != unix.EINTR {
			return int(n), e
		}
	}
}

// SendQueue is how many bytes sent through fd the receiver has not read
// (SIOCOUTQ; on AF_UNIX sockets memory of queued messages, 0 when all are read).
func SendQueue(fd int) (int, Errno) {
	var n int32
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	return int(n), e
}

// Available is how many bytes wait to be read (FIONREAD).
func Available(fd int) (int, Errno) {
	var n int32
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	return int(n), e
}

// Locked reports whether another open file has a write lock in n bytes from start on.
func Locked(fd int, start, n int64) bool {
	lk := unix.Flock_t{Type: unix.F_WRLCK, Start: start, Len: n}
	var e error
	if bits.UintSize == 32 { // fcntl64(2)
		e = unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lk)
	} else if _, _, errno := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_OFD_GETLK, uintptr(unsafe.Pointer(&lk))); errno != 0 {
		e = errno
	}
	return e == nil && lk.Type != unix.F_UNLCK
}

// PeerCred is SO_PEERCRED: the process that connected a unix socket. On other sockets the
// kernel says pid 0, uid and gid -1 without an error.
func PeerCred(fd int) (unix.Ucred, Errno) {
	var c unix.Ucred
	l := uint32(unsafe.Sizeof(c))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERCRED,
		uintptr(unsafe.Pointer(&c)), uintptr(unsafe.Pointer(&l)), 0)
	return c, e
}

// Name is getsockname(2), or getpeername(2) when peer is true, into a; it
// returns the length of the address.
func Name(fd int, peer bool, a *unix.RawSockaddrAny) (int, Errno) {
	l := uint32(unsafe.Sizeof(*a))
	trap := uintptr(unix.SYS_GETSOCKNAME)
	if peer {
		trap = unix.SYS_GETPEERNAME
	}
	_, _, e := unix.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(&l)))
	return int(l), e
}

// DescriptorLimit is how many descriptors this process may have (RLIMIT_NOFILE).
// prlimit(2), which is all that some machines have to ask with, can change the
// limits of others too, so it is forbidden to brokers; /proc says the same.
func DescriptorLimit() (int, error) {
	const most = 1 << 30
	var r unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	if err == nil {
		return int(min(r.Cur, most)), nil
	}
	text, e := os.ReadFile("/proc/self/limits")
	if e != nil {
		return 0, fmt.Errorf("limit of descriptors: %w, %w", err, e)
	}
	return parseLimits(text)
}

// parseLimits finds the soft limit of descriptors in the text of proc(5).
func parseLimits(text []byte) (int, error) {
	const label = "Max open files"
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, label); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				if n, err := strconv.ParseUint(f[0], 10, 30); err == nil {
					return int(n), nil
				}
			}
		}
	}
	return 0, fmt.Errorf("no limit of descriptors in /proc/self/limits")
}
