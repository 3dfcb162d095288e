// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/source"
)

// This file owns the look at the rpcd's connections, through copies of its
// descriptors (pidfd_getfd(2)) that live as long as the look at one. Only those of
// clients are looked at: TCP at a port that clients were handed over from, and the
// endpoints of ncalrpc and of named pipes. A client of smbd has a process of smbd to
// itself, which the kernel knows, unless it is in a namespace of its own.

// socket is a connection of the rpcd.
type socket struct {
	fd     int // the rpcd's
	from   source.Source
	remote netip.AddrPort // TCP
	node   uint64         // of the socket
	idle   uint64         // the more, the longer
	rank   int            // among those of its source, the last used one has 1
}

// look shuts down what is too much, and tells how many clients may come before the
// next look can find something.
func (s *shedder) look(pid, pidfd int, ports []uint16) (shut, left int, err error) {
	list, err := s.sockets(pid, pidfd, ports)
	if err != nil {
		return 0, s.limit.Total, err
	}
	list, left = choose(list, s.limit)
	for _, k := range list {
		now, copied, err := s.identify(pidfd, k.fd, ports)
		if err != nil {
			continue
		}
		if now.node == k.node && now.remote == k.remote && unix.Shutdown(copied, unix.SHUT_RDWR) == nil {
			shut++
		}
		unix.Close(copied)
	}
	return shut, left, nil
}

// sockets are the connections of clients that have a share.
func (s *shedder) sockets(pid, pidfd int, ports []uint16) (list []socket, err error) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(0)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		k, copied, err := s.identify(pidfd, fd, ports)
		switch {
		case err == nil:
			unix.Close(copied)
			list = append(list, k)
		case errors.Is(err, unix.EBADF), errors.Is(err, errNotClient):
		default:
			return nil, fmt.Errorf("pidfd_getfd: %w", err)
		}
	}
	return list, nil
}

var errNotClient = errors.New("not a client's connection")

// identify copies a descriptor of the rpcd and asks the kernel what it is. Only
// with a client's connection the copy is left to the caller.
func (s *shedder) identify(pidfd, fd int, ports []uint16) (k socket, copied int, err error) {
	if copied, err = unix.PidfdGetfd(pidfd, fd, 0); err != nil {
		return k, -1, err
	}
	k.fd = fd
	var peer inbox.Peer
	var st unix.Stat_t
	switch {
	case peer.Identify(copied, s.dirs) != nil || unix.Fstat(copied, &st) != nil:
	case peer.Transport.IP() && slices.Contains(ports, peer.Local.Port()):
		if info, e := unix.GetsockoptTCPInfo(copied, unix.IPPROTO_TCP, unix.TCP_INFO); e == nil {
			k.from, k.remote, k.node, k.idle = source.Address(peer.Remote.Addr()), peer.Remote, st.Ino, uint64(info.Last_data_recv)
			return k, copied, nil
		}
	case peer.Transport.Local() && peer.Cred.Uid != 0:
		// Nothing tells when it was used last: older ones have smaller numbers.
		k.from, k.node, k.idle = source.User(peer.Cred.Uid), st.Ino, ^st.Ino
		return k, copied, nil
	case peer.Transport.Relayed() && peer.Cred.Pid > 0:
		k.from, k.node, k.idle = source.Process(peer.Cred.Pid), st.Ino, ^st.Ino
		return k, copied, nil
	}
	unix.Close(copied)
	return k, -1, errNotClient
}

// choose takes from a list what has to go: of a source with more than its share
// and, where there are more than the total, of the largest ones, always the longest
// idle. So that a look is worth it a bit more goes.
func choose(list []socket, limit source.Limit) (victims []socket, left int) {
	// The clock of idle counts milliseconds: of two alike, the newer one stays.
	slices.SortFunc(list, func(a, b socket) int {
		return cmp.Or(cmp.Compare(a.idle, b.idle), cmp.Compare(b.node, a.node))
	})
	count := map[source.Source]int{}
	for i := range list {
		count[list[i].from]++
		list[i].rank = count[list[i].from]
	}
	slices.SortStableFunc(list, func(a, b socket) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(b.idle, a.idle))
	})
	need, have := 0, len(list)
	if have > limit.Total {
		need = have - limit.Total + limit.Total/16
	}
	left = min(limit.Total, limit.Address, limit.User) // of one that is not seen yet
	shares := map[source.Source]int{}
	for from, n := range count {
		shares[from] = limit.Share(from)
		if n > shares[from] {
			left = min(left, shares[from]/8) // what it has again
			shares[from] -= shares[from] / 8
		} else {
			left = min(left, shares[from]-n)
			shares[from] = n
		}
	}
	for i, k := range list {
		if i < need || k.rank > shares[k.from] {
			victims = append(victims, k)
		}
	}
	left = min(left, limit.Total-have+len(victims))
	return victims, max(left, min(limit.Total, limit.Address, limit.User)/16, 1)
}
