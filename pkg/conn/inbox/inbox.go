// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

// What may be wrong with a hand-over beside the message itself.
var (
	ErrDescriptors = errors.New("hand-over does not carry the descriptors that it says")
	ErrTruncated   = errors.New("hand-over is longer than the largest one allowed")
	ErrSocket      = errors.New("descriptor of the hand-over is not a connection")
	ErrDirectory   = errors.New("socket of the connection is in neither directory of this host's endpoints")
	ErrSender      = errors.New("sender is neither root nor the brokers' user")
	ErrBinding     = errors.New("binding string does not agree with the socket of the connection")
	ErrPipePeer    = errors.New("client of a named pipe is not root, only smbd may connect to it")
	ErrNoIdentity  = errors.New("named pipe auth request is missing for a client of a named pipe")
	ErrIdentity    = errors.New("named pipe auth request for a client that did not come through a named pipe")
	ErrNotPipe     = errors.New("connection without DCE/RPC did not come through a named pipe")
	ErrMemfd       = errors.New("second descriptor is not a memfd of the length that the hand-over says")
)

// Inbox is the inbox of one worker. Message, Peer and the descriptors are those
// of the hand-over that Receive took last.
type Inbox struct {
	FD      int
	Dirs    Directories
	Message handoff.Message
	Peer    Peer
	RootUID uint32    // of the peer whose named pipe identities count: 0, except in tests
	Trusted [2]uint32 // uids that may hand over: root's and the brokers'

	rx       sys.Msg
	datagram []byte
	fds      int
}

// Take finds the inbox among the passed descriptors and closes all others. unit
// is named in errors.
func Take(fds []sys.PassedFD, unit string, dirs Directories) (*Inbox, error) {
	fd := -1
	for _, f := range fds {
		if f.Name == layout.FDNameInbox && fd < 0 {
			fd = f.FD
		} else {
			unix.Close(f.FD)
		}
	}
	if fd < 0 {
		return nil, fmt.Errorf("no inbox was passed (LISTEN_FDNAMES=%s); start the worker by its socket: systemctl start %s", layout.FDNameInbox, unit)
	}
	if sockopt(fd, unix.SO_TYPE) != unix.SOCK_DGRAM || sockopt(fd, unix.SO_DOMAIN) != unix.AF_UNIX {
		return nil, fmt.Errorf("the inbox that was passed is not a unix datagram socket; %s needs ListenDatagram= with a path", unit)
	}
	if sockopt(fd, unix.SO_PASSCRED) != 1 {
		return nil, fmt.Errorf("the inbox does not name its senders; %s needs PassCredentials=yes", unit)
	}
	return New(fd, dirs), nil
}

// New returns the Inbox of a datagram socket that has SO_PASSCRED.
func New(fd int, dirs Directories) *Inbox {
	in := &Inbox{FD: fd, Dirs: dirs, RootUID: uint32(os.Geteuid()), datagram: make([]byte, handoff.MaxDatagram)}
	in.Trusted = [2]uint32{in.RootUID, in.RootUID}
	if u, err := user.Lookup(layout.User); err == nil {
		if uid, err := strconv.ParseUint(u.Uid, 10, 32); err == nil {
			in.Trusted[1] = uint32(uid)
		}
	}
	return in
}

// Receive takes one datagram: EAGAIN when there is none. Its descriptors are
// the Inbox's until Release or Discard.
func (in *Inbox) Receive() (n int, errno sys.Errno) {
	n, in.fds, errno = in.rx.Recv(in.FD, in.datagram, 0)
	in.Message, in.Peer.Transport = handoff.Message{}, ""
	return n, errno
}

// Empty reports whether nothing waits in the inbox.
func (in *Inbox) Empty() bool {
	_, errno := sys.Recv(in.FD, in.datagram[:1], unix.MSG_PEEK)
	return errno == unix.EAGAIN
}

// Check decodes the n bytes that Receive took into Message, and Peer from the
// descriptor, and holds one against the other.
func (in *Inbox) Check(n int) error {
	m, p := &in.Message, &in.Peer
	if !in.rx.HasCred || in.rx.Cred.Uid != in.Trusted[0] && in.rx.Cred.Uid != in.Trusted[1] {
		return ErrSender
	}
	if in.rx.Truncated {
		return ErrTruncated
	}
	if err := m.Parse(in.datagram[:n]); err != nil {
		return err
	}
	if in.fds != m.Descriptors() {
		return ErrDescriptors
	}
	if err := p.Identify(in.Conn(), &in.Dirs); err != nil {
		return err
	}
	if !p.Agrees(m.Binding) {
		return ErrBinding
	}
	return in.checkIdentity()
}

// checkIdentity: a named pipe's client is the one that the request of its peer, which
// must be root, says; no other client has such a request.
func (in *Inbox) checkIdentity() error {
	m, p := &in.Message, &in.Peer
	if !p.Transport.Relayed() {
		if m.Flags&handoff.FlagNoPDU != 0 {
			return ErrNotPipe
		}
		if m.NPALevel != 0 {
			return ErrIdentity
		}
		return nil
	}
	if p.Cred.Uid != in.RootUID {
		return ErrPipePeer
	}
	if m.NPALevel == 0 {
		return ErrNoIdentity
	}
	return nil
}

// Sender is the process that sent the datagram.
func (in *Inbox) Sender() unix.Ucred { return in.rx.Cred }

// Conn is the connection that was handed over.
func (in *Inbox) Conn() int { return int(in.rx.FDs[0]) }

// Release closes all descriptors but the connection, which is the caller's now.
func (in *Inbox) Release() {
	for _, fd := range in.rx.FDs[min(1, in.fds):in.fds] {
		sys.Close(int(fd))
	}
	in.fds = 0
}

// Discard closes all descriptors of a refused hand-over.
func (in *Inbox) Discard() {
	in.rx.CloseFDs(in.fds)
	in.fds = 0
}

// AppendNPA appends the named pipe auth bytes (from offset 16 of the request),
// which are in the message or in a memfd; dst must have room for a memfd's.
func (in *Inbox) AppendNPA(dst []byte) ([]byte, error) {
	m := &in.Message
	if m.Flags&handoff.FlagNPAInMemfd == 0 {
		return append(dst, m.NPA...), nil
	}
	fd, n, at := int(in.rx.FDs[1]), int(m.NPALength), len(dst)
	var st unix.Stat_t
	// Seals exist only on files in memory, which never make a reader wait.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err != nil || unix.Fstat(fd, &st) != nil || st.Size != int64(n) {
		return nil, ErrMemfd
	}
	if cap(dst)-at < n {
		return nil, ErrMemfd
	}
	dst = dst[:at+n]
	if got, err := unix.Pread(fd, dst[at:], 0); err != nil || got != n {
		return nil, ErrMemfd
	}
	return dst, nil
}
