// SPDX-License-Identifier: Apache-2.0

package listeners

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// TCP is one row of /proc/net/tcp or tcp6.
type TCP struct {
	Addr      string // local address, numeric; "0.0.0.0" and "::" are wildcards
	Port      int    // local port
	Listening bool
	Inode     uint64 // of the socket, 0 once its process has let go of it
}

// Unix is a listening or bound AF_UNIX socket with a node.
type Unix struct {
	Path      string // as bound
	Listening bool
	Inode     uint64 // of the socket
	Node      uint64 // inode of the node, low 32 bits, 0 = not known
	Queued    bool   // it has something to receive
}

// Snapshot is what listened when it was taken.
type Snapshot struct {
	TCP  []TCP
	Unix []Unix

	proc    string
	holders map[uint64][]Holder // socket inode -> processes, filled by Holders
}

// Read looks at the network namespace of this process.
func Read() (*Snapshot, error) {
	s, err := take("/proc")
	if err != nil {
		return nil, err
	}
	// Without unix_diag nodes are matched by name alone.
	if sockets, err := unixSockets(); err == nil {
		for i := range s.Unix {
			d := sockets[s.Unix[i].Inode]
			s.Unix[i].Node, s.Unix[i].Queued = d.node, d.queued
		}
	}
	return s, nil
}

func take(proc string) (*Snapshot, error) {
	s := &Snapshot{proc: proc}
	for _, f := range []struct {
		name  string
		parse func([]byte) error
	}{
		{"tcp", func(b []byte) error { return s.addTCP(b) }},
		{"tcp6", func(b []byte) error { return s.addTCP(b) }},
		{"unix", func(b []byte) error { return s.addUnix(b) }},
	} {
		path := filepath.Join(proc, "self/net", f.name)
		b, err := os.ReadFile(path)
		if f.name == "tcp6" && errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("look for listeners: %w", err)
		}
		if err := f.parse(b); err != nil {
			return nil, fmt.Errorf("look for listeners: %s: %w", path, err)
		}
	}
	return s, nil
}

// NodeState says what is behind a socket node.
type NodeState int

// States of a node.
const (
	NodeAbsent NodeState = iota // no node, or no socket
	NodeDead                    // a node without a listener
	NodeLive                    // a listening socket is behind it
)

// Node says what is behind the socket node at path; for NodeLive with the
// socket's inode.
func (s *Snapshot) Node(path string) (NodeState, uint64) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return NodeAbsent, 0
	}
	return s.node(path, st.Ino, hasStableInodes(path), true)
}

// Bound is Node for a datagram socket, which does not listen.
func (s *Snapshot) Bound(path string) (NodeState, uint64) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return NodeAbsent, 0
	}
	return s.node(path, st.Ino, hasStableInodes(path), false)
}

// Queued reports whether the datagram socket bound to path has something that its
// process has not read. Without unix_diag it has not.
func (s *Snapshot) Queued(path string) bool {
	state, inode := s.Bound(path)
	for _, u := range s.Unix {
		if state == NodeLive && u.Inode == inode {
			return u.Queued
		}
	}
	return false
}

func (s *Snapshot) node(path string, ino uint64, exact, listening bool) (NodeState, uint64) {
	for _, u := range s.Unix {
		if u.Listening != listening || u.Path != path {
			continue
		}
		if u.Node == 0 || !exact || u.Node == ino&0xffffffff {
			return NodeLive, u.Inode
		}
	}
	return NodeDead, 0
}

// hasStableInodes is false on overlayfs, whose stat(2) shows other inode
// numbers than the kernel keeps with the socket.
func hasStableInodes(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(filepath.Dir(path), &st) == nil && st.Type != unix.OVERLAYFS_SUPER_MAGIC
}

// ListenersOn returns the listening TCP sockets on port.
func (s *Snapshot) ListenersOn(port int) []TCP { return s.tcp(port, true) }

// UsersOf returns all TCP sockets whose local port is port. A connection in
// TIME-WAIT has no socket, and keeps no listener away.
func (s *Snapshot) UsersOf(port int) []TCP { return s.tcp(port, false) }

func (s *Snapshot) tcp(port int, listeningOnly bool) []TCP {
	var r []TCP
	for _, t := range s.TCP {
		if t.Port == port && t.Inode != 0 && (t.Listening || !listeningOnly) {
			r = append(r, t)
		}
	}
	return r
}
