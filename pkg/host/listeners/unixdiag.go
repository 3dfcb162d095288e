// SPDX-License-Identifier: Apache-2.0

// Which node belongs to which unix socket: the kernel says it over netlink
// (sock_diag(7), unix_diag_req with UDIAG_SHOW_VFS). /proc/net/unix has names
// only.

package listeners

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY, linux/sock_diag.h
	udiagShowVFS     = 2  // UDIAG_SHOW_VFS, linux/unix_diag.h
	unixDiagVFS      = 1  // UNIX_DIAG_VFS: u32 inode, u32 device
	udiagShowRQLen   = 16 // UDIAG_SHOW_RQLEN
	unixDiagRQLen    = 4  // UNIX_DIAG_RQLEN: u32 bytes to receive, u32 bytes sent
	diagReqSize      = 24
	diagMsgSize      = 16
	diagTimeoutSec   = 2
)

// diag is what the kernel says of one socket.
type diag struct {
	node   uint64 // inode of its node, 0 = none
	queued bool   // it has something to receive
}

var errDiag = errors.New("malformed answer of unix_diag")

// unixSockets lists listening sockets and of unconnected datagram sockets,
// by inode.
func unixSockets() (map[uint64]diag, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("unix_diag: %w", err)
	}
	defer unix.Close(fd)
	tv := unix.Timeval{Sec: diagTimeoutSec}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, fmt.Errorf("unix_diag: %w", err)
	}
	if err := unix.Sendto(fd, diagRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("unix_diag: %w", err)
	}
	sockets := map[uint64]diag{}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("unix_diag: %w", err)
		}
		done, err := parseDiag(buf[:n], sockets)
		if done || err != nil {
			return sockets, err
		}
	}
}

func diagRequest() []byte {
	le := binary.NativeEndian
	b := make([]byte, unix.NLMSG_HDRLEN+diagReqSize)
	le.PutUint32(b, uint32(len(b)))
	le.PutUint16(b[4:], sockDiagByFamily)
	le.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req := b[unix.NLMSG_HDRLEN:]
	req[0] = unix.AF_UNIX
	le.PutUint32(req[4:], 1<<tcpListen|1<<tcpClose)
	le.PutUint32(req[12:], udiagShowVFS|udiagShowRQLen)
	return b
}

// parseDiag adds those of one datagram to sockets; done: it was the last.
func parseDiag(b []byte, sockets map[uint64]diag) (done bool, err error) {
	ne := binary.NativeEndian
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(ne.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return false, errDiag
		}
		body := b[unix.NLMSG_HDRLEN:size]
		switch ne.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) >= 4 {
				return false, fmt.Errorf("unix_diag: %w", unix.Errno(-int32(ne.Uint32(body))))
			}
			return false, errDiag
		case sockDiagByFamily:
			if len(body) < diagMsgSize {
				return false, errDiag
			}
			var d diag
			d.add(body[diagMsgSize:])
			sockets[uint64(ne.Uint32(body[4:]))] = d
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false, nil
}

// add takes in the attributes of one socket.
func (d *diag) add(b []byte) {
	ne := binary.NativeEndian
	for len(b) >= unix.SizeofRtAttr {
		size := int(ne.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return
		}
		switch kind := ne.Uint16(b[2:]); {
		case kind == unixDiagVFS && size >= unix.SizeofRtAttr+8:
			d.node = uint64(ne.Uint32(b[unix.SizeofRtAttr:]))
		case kind == unixDiagRQLen && size >= unix.SizeofRtAttr+8:
			d.queued = ne.Uint32(b[unix.SizeofRtAttr:]) > 0
		}
		b = b[min(len(b), (size+3)&^3):]
	}
}
