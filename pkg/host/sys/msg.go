// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxFDs is how many descriptors one message carries at most (SCM_MAX_FD).
const MaxFDs = 253

// Msg sends and receives messages with descriptors (SCM_RIGHTS). It holds all
// buffers of a call, so that a call allocates nothing; it belongs to one loop.
type Msg struct {
	FDs  [MaxFDs]int32 // received descriptors: FDs[:n]; the caller owns them
	Cred unix.Ucred    // the sender, valid when HasCred (SO_PASSCRED is needed)

	HasCred   bool
	Truncated bool // data or descriptors were cut

	hdr unix.Msghdr
	iov unix.Iovec
	ctl [ctlSize]byte
}

const (
	cmsgHdr = unix.SizeofCmsghdr
	ctlSize = 1088 // cmsghdr + 253 descriptors, cmsghdr + ucred, aligned
)

// Address is where a unix socket is, as the kernel takes it.
type Address struct {
	raw    unix.RawSockaddrUnix
	length uint32
}

// NewAddress makes an address of a path, or of an abstract name that begins
// with "@".
func NewAddress(path string) (*Address, error) {
	a := &Address{raw: unix.RawSockaddrUnix{Family: unix.AF_UNIX}}
	if path == "" || len(path) >= len(a.raw.Path) || strings.IndexByte(path, 0) >= 0 {
		return nil, fmt.Errorf("%q cannot be the path of a socket", path)
	}
	for i := range len(path) {
		a.raw.Path[i] = int8(path[i])
	}
	a.length = uint32(unsafe.Offsetof(a.raw.Path)) + uint32(len(path)) + 1
	if path[0] == '@' {
		a.raw.Path[0] = 0
		a.length-- // its length ends the name
	}
	return a, nil
}

func align(n int) int { return (n + 7) &^ 7 }

// Send sends b with the first n descriptors of fds (0 <= n <= MaxFDs) through
// the connected socket fd; nothing blocks.
func (m *Msg) Send(fd int, b []byte, fds []int32) Errno { return m.SendTo(fd, nil, b, fds) }

// SendTo is Send through a socket that is not connected, to the address. Whoever
// sends so needs no connect(2), which would also turn an accepted TCP connection
// into one to anywhere: the units of brokers and native rpcds forbid it.
func (m *Msg) SendTo(fd int, to *Address, b []byte, fds []int32) Errno {
	m.iov.Base = (*byte)(ptr(b))
	m.iov.SetLen(len(b))
	m.hdr = unix.Msghdr{Iov: &m.iov}
	if to != nil {
		m.hdr.Name, m.hdr.Namelen = (*byte)(unsafe.Pointer(&to.raw)), to.length
	}
	m.hdr.SetIovlen(1)
	if len(fds) > 0 {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&m.ctl[0]))
		h.Level, h.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
		h.SetLen(cmsgHdr + 4*len(fds))
		copy(unsafe.Slice((*int32)(unsafe.Pointer(&m.ctl[cmsgHdr])), len(fds)), fds)
		m.hdr.Control = &m.ctl[0]
		m.hdr.SetControllen(align(cmsgHdr + 4*len(fds)))
	}
	for {
		_, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.hdr)),
			unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if e != unix.EINTR {
			return e
		}
	}
}

// Recv receives one message into b: n bytes and nfds descriptors in m.FDs,
// close-on-exec. flags such as unix.MSG_PEEK. On an error nothing is received.
func (m *Msg) Recv(fd int, b []byte, flags int) (n, nfds int, errno Errno) {
	m.iov.Base = (*byte)(ptr(b))
	m.iov.SetLen(len(b))
	m.hdr = unix.Msghdr{Iov: &m.iov, Control: &m.ctl[0]}
	m.hdr.SetIovlen(1)
	m.hdr.SetControllen(len(m.ctl))
	m.HasCred, m.Truncated = false, false
	var r uintptr
	for {
		r, _, errno = unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.hdr)),
			uintptr(flags|unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC))
		if errno != unix.EINTR {
			break
		}
	}
	if errno != 0 {
		return 0, 0, errno
	}
	m.Truncated = m.hdr.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0
	for off, end := 0, int(m.hdr.Controllen); off+cmsgHdr <= end; {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&m.ctl[off]))
		l := int(h.Len)
		if l < cmsgHdr || off+l > end {
			break
		}
		data := off + cmsgHdr
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_RIGHTS {
			k := (l - cmsgHdr) / 4
			nfds += copy(m.FDs[nfds:], unsafe.Slice((*int32)(unsafe.Pointer(&m.ctl[data])), k))
		}
		if h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_CREDENTIALS && l >= cmsgHdr+unix.SizeofUcred {
			m.Cred = *(*unix.Ucred)(unsafe.Pointer(&m.ctl[data]))
			m.HasCred = true
		}
		off += align(l)
	}
	return int(r), nfds, 0
}

// CloseFDs closes the first n received descriptors.
func (m *Msg) CloseFDs(n int) {
	for _, fd := range m.FDs[:n] {
		Close(int(fd))
	}
}
