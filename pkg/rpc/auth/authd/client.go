// SPDX-License-Identifier: Apache-2.0

package authd

// This file owns the side of an rpcd.

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/krb5"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/rpc/auth/spnego"
)

// Host is how clients authenticate themselves to this host: NTLM, Kerberos and SPNEGO
// by msrpc-auth, see msrpc-auth(8). It is for rpcd.Server.Auth.
func Host() []auth.Mechanism { return Mechanisms(layout.AuthSocket()) }

// Mechanisms are NTLM, Kerberos and SPNEGO over them, with handshakes by the
// msrpc-auth that has a socket.
func Mechanisms(socket string) []auth.Mechanism {
	n, k := &ntlm.Mechanism{}, krb5.Restorer()
	return []auth.Mechanism{&Mechanism{n, socket}, &Mechanism{k, socket}, &Mechanism{spnego.New(n, k), socket}}
}

// Mechanism has its handshakes done by msrpc-auth; what is left of them goes on
// here, in a mechanism that knows no account.
type Mechanism struct {
	auth.Mechanism
	socket string
}

// Begin implements auth.Mechanism.
func (m *Mechanism) Begin(level byte) (auth.Context, error) {
	if !auth.ValidLevel(level) {
		return nil, auth.ErrState
	}
	return &remote{m: m, level: level}, nil
}

// remote is a security context: until it is done, it is msrpc-auth's.
type remote struct {
	m     *Mechanism
	level byte
	conn  *net.UnixConn // nil before the first token, and after the last
	local auth.Context  // nil until it is done
	dead  bool
}

// Step implements auth.Context.
func (r *remote) Step(ctx context.Context, token []byte) (reply []byte, over bool, err error) {
	if r.dead || r.local != nil {
		return nil, false, auth.ErrState
	}
	a, err := r.ask(ctx, token)
	if err == nil {
		err = a.err()
	}
	if err == nil && a.verdict == done {
		over = true
		r.hangUp()
		r.local, err = r.m.Restore(a.state)
		clear(a.state)
	}
	if err != nil {
		r.Close()
		return nil, false, err
	}
	return a.reply, over, nil
}

func (r *remote) ask(ctx context.Context, token []byte) (a answer, err error) {
	if r.conn == nil {
		if r.conn, err = dial(r.m.socket); err != nil {
			return a, unreachable("msrpc-auth.socket: %w", err)
		}
	}
	end, _ := ctx.Deadline()
	conn := r.conn // which may be closed when the function below comes late
	conn.SetDeadline(end)
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := r.conn.Write(request{r.m.Service(), r.level, token}.append(nil)); err != nil {
		return a, unreachable("msrpc-auth: %w", err)
	}
	b := make([]byte, maxPacket+1)
	n, err := r.conn.Read(b)
	if err != nil || n == 0 || n > maxPacket {
		return a, unreachable("msrpc-auth does not answer, or has no room for another handshake (%v)", err)
	}
	return parseAnswer(b[:n])
}

func unreachable(format string, args ...any) error {
	return auth.Fail(auth.AuthUnreachable, auth.ErrUnavailable, format, args...)
}

// dial passes one end of a pair to msrpc-auth and returns the other: an rpcd's
// sandbox lets it send datagrams, not connect.
func dial(socket string) (*net.UnixConn, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pair[1])
	f := os.NewFile(uintptr(pair[0]), "msrpc-auth")
	defer f.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Sendmsg(fd, []byte{version}, unix.UnixRights(pair[1]), &unix.SockaddrUnix{Name: socket}, unix.MSG_NOSIGNAL); err != nil {
		return nil, err
	}
	return packetConn(f)
}

// packetConn is the connection of a file, which stays open.
func packetConn(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok || u.LocalAddr().Network() != "unixpacket" {
		c.Close()
		return nil, fmt.Errorf("not a socket of packets")
	}
	return u, nil
}

func (r *remote) hangUp() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// Caller implements auth.Context.
func (r *remote) Caller() *auth.Caller {
	if r.local == nil {
		return nil
	}
	return r.local.Caller()
}

// SignatureSize implements auth.Context.
func (r *remote) SignatureSize() int {
	if r.local == nil {
		return 0
	}
	return r.local.SignatureSize()
}

// Protect implements auth.Context.
func (r *remote) Protect(f auth.Fragment) error {
	if r.local == nil {
		return auth.ErrState
	}
	return r.local.Protect(f)
}

// Unprotect implements auth.Context.
func (r *remote) Unprotect(f auth.Fragment) error {
	if r.local == nil {
		return auth.ErrState
	}
	return r.local.Unprotect(f)
}

// Save implements auth.Context.
func (r *remote) Save(dst []byte) ([]byte, error) {
	if r.local == nil {
		return dst, auth.ErrState
	}
	return r.local.Save(dst)
}

// Close implements auth.Context.
func (r *remote) Close() {
	r.hangUp()
	if r.local != nil {
		r.local.Close()
	}
	r.dead = true
}
