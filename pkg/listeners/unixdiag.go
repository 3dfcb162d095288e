// SPDX-License-Identifier: Apache-2.0

// Which node belongs to which unix socket: the kernel tells over netlink
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
	diagReqSize      = 24
	diagMsgSize      = 16
	diagTimeoutSec   = 2
)

var errDiag = errors.New("malformed answer of unix_diag")

// unixNodes maps inodes of listening sockets, and of unconnected datagram
// sockets, to inodes of their nodes.
func unixNodes() (map[uint64]uint64, error) {
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
	nodes := map[uint64]uint64{}
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("unix_diag: %w", err)
		}
		done, err := parseDiag(buf[:n], nodes)
		if done || err != nil {
			return nodes, err
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
	le.PutUint32(req[12:], udiagShowVFS)
	return b
}

// parseDiag adds the sockets of one datagram to nodes; done: it was the last.
func parseDiag(b []byte, nodes map[uint64]uint64) (done bool, err error) {
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
			if node, ok := vfsAttr(body[diagMsgSize:]); ok {
				nodes[uint64(ne.Uint32(body[4:]))] = node
			}
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false, nil
}

func vfsAttr(b []byte) (uint64, bool) {
	ne := binary.NativeEndian
	for len(b) >= unix.SizeofRtAttr {
		size := int(ne.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return 0, false
		}
		if ne.Uint16(b[2:]) == unixDiagVFS && size >= unix.SizeofRtAttr+8 {
			return uint64(ne.Uint32(b[unix.SizeofRtAttr:])), true
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return 0, false
}
