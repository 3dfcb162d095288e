// SPDX-License-Identifier: Apache-2.0

package authd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/rpc/auth/authtest"
	"msrpcd/pkg/rpc/auth/hashes"
	"msrpcd/pkg/rpc/auth/ntlm"
	"msrpcd/pkg/wire/dcerpc"
)

// start runs a server that knows User, until the test ends.
func start(t *testing.T, accounts auth.Accounts) (socket string) {
	t.Helper()
	if accounts == nil {
		f, err := hashes.Parse("User:1000:X:A4F49C406510BDCAB6824EE7C30FD852:[U]:")
		if err != nil {
			t.Fatal(err)
		}
		accounts = f
	}
	socket = filepath.Join(t.TempDir(), "socket")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	s := Server{Mechanisms: []auth.Mechanism{&ntlm.Mechanism{Accounts: accounts}}, Idle: time.Hour}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(c) }()
	t.Cleanup(func() { c.Close(); <-ended })
	return socket
}

// handshake authenticates a client by a server.
func handshake(t *testing.T, socket string, c *authtest.NTLM) (auth.Context, error) {
	t.Helper()
	s, err := Mechanisms(socket)[0].Begin(dcerpc.LevelPrivacy)
	if err != nil {
		t.Fatal(err)
	}
	challenge, _, err := s.Step(context.Background(), c.Negotiate())
	if err != nil {
		return s, err
	}
	_, over, err := s.Step(context.Background(), c.Authenticate(challenge))
	if over != (err == nil) {
		t.Errorf("over: %v, %v", over, err)
	}
	return s, err
}

func user() *authtest.NTLM {
	return &authtest.NTLM{Account: "user", Domain: "DOM", Hash: authtest.Hash}
}

func TestAnRpcdGetsWhatIsLeftOfAHandshake(t *testing.T) {
	socket, c := start(t, nil), user()
	s, err := handshake(t, socket, c)
	if err != nil {
		t.Fatal(err)
	}
	if who := s.Caller(); who.Account != "User" || string(who.SessionKey) != string(c.Key[:]) || len(who.SIDs) != 1 {
		t.Errorf("%+v", who)
	}
	peer := ntlm.Mirror(c.Key, dcerpc.LevelPrivacy)
	f := authtest.Fragment(64, s.SignatureSize(), true)
	if err := s.Protect(f); err != nil || peer.Unprotect(f) != nil {
		t.Errorf("a fragment of the rpcd is refused (%v)", err)
	}
	s.Close()
	if s.Caller() != nil && s.Caller().SessionKey[0] != 0 {
		t.Error("keys are there after Close")
	}
}

func TestErrorsKeepTheirKindAndText(t *testing.T) {
	socket, c := start(t, nil), user()
	c.Hash[0] ^= 1
	s, err := handshake(t, socket, c)
	if !errors.Is(err, auth.ErrDenied) || s.Caller() != nil {
		t.Errorf("wrong password: %v", err)
	}
	if f := auth.FailureOf(err); f.Cause != auth.WrongPassword || f.Account != `DOM\user` || !strings.HasSuffix(f.Error(), "the password is not that of the file of hashes") {
		t.Errorf("wrong password: %+v", f)
	}
	s, _ = Mechanisms(socket)[1].Begin(dcerpc.LevelPrivacy)
	if _, _, err := s.Step(context.Background(), []byte("x")); !errors.Is(err, auth.ErrUnavailable) || auth.FailureOf(err).Cause != auth.NotServed {
		t.Errorf("no keytab: %v", err)
	}
	if _, _, err := s.Step(context.Background(), nil); !errors.Is(err, auth.ErrState) {
		t.Errorf("after an error: %v", err)
	}
	none := filepath.Join(t.TempDir(), "none")
	if _, err := handshake(t, none, user()); auth.FailureOf(err).Cause != auth.AuthUnreachable || !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("no socket: %v", err)
	}
}

// slow are accounts that nothing is known of until the caller gives up.
type slow struct{ auth.Accounts }

func (slow) Names(ctx context.Context) (auth.Names, error) {
	<-ctx.Done()
	return auth.Names{}, auth.ErrUnavailable
}

func TestAStepEndsWithItsContext(t *testing.T) {
	s, _ := Mechanisms(start(t, slow{}))[0].Begin(dcerpc.LevelPrivacy)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, _, err := s.Step(ctx, user().Negotiate()); !errors.Is(err, auth.ErrUnavailable) || time.Since(begin) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
}

func TestOthersThanPairsOfPacketsAreLetGo(t *testing.T) {
	socket := start(t, nil)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
		pair, _ := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		for _, fds := range [][]int{{pair[1]}, {pair[1], pair[1]}, {int(os.Stdin.Fd())}} {
			if err := unix.Sendmsg(fd, []byte("x"), unix.UnixRights(fds...), &unix.SockaddrUnix{Name: socket}, 0); err != nil {
				t.Fatal(err)
			}
		}
		unix.Close(pair[1])
		if kind == unix.SOCK_STREAM { // others do not end
			unix.SetsockoptTimeval(pair[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5})
			if n, err := unix.Read(pair[0], make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("a stream is kept: %d, %v", n, err)
			}
		}
		unix.Close(pair[0])
	}
	unix.Sendmsg(fd, nil, nil, &unix.SockaddrUnix{Name: socket}, 0)
	for _, packet := range [][]byte{nil, {version}, {2, 10, 5}, make([]byte, 3+auth.MaxToken+1)} {
		c, err := dial(socket)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		c.Write(packet)
		if n, err := c.Read(make([]byte, 10)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%.10x is answered: %d, %v", packet, n, err)
		}
		c.Close()
	}
	if _, err := handshake(t, socket, user()); err != nil {
		t.Errorf("a handshake after all that: %v", err)
	}
}

func TestAServerWithoutHandshakesEnds(t *testing.T) {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "socket"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := (&Server{Idle: 10 * time.Millisecond}).Serve(c); err != nil {
		t.Error(err)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(request{10, 5, []byte("token")}.append(nil))
	f.Add(answer{done, []byte("reply"), []byte("state")}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, ok := parseRequest(b); ok && string(q.append(nil)) != string(b) {
			t.Error("a request is not what it was")
		}
		if a, err := parseAnswer(b); err == nil && string(a.append(nil)) != string(b) {
			t.Error("an answer is not what it was")
		}
	})
}

// When there are too many handshakes the oldest one makes room.
func TestANewHandshakeIsNeverRefusedForOldOnes(t *testing.T) {
	socket := start(t, nil)
	m := Mechanisms(socket)[0]
	var waiting []auth.Context
	for range 3 * maxHandshakes {
		s, err := m.Begin(dcerpc.LevelPrivacy)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, _, err := s.Step(context.Background(), user().Negotiate()); err != nil {
			t.Fatalf("handshake %d: %v", len(waiting), err)
		}
		waiting = append(waiting, s)
	}
	if _, err := handshake(t, socket, user()); err != nil {
		t.Errorf("one that does not wait: %v", err)
	}
	if _, _, err := waiting[0].Step(context.Background(), []byte("x")); !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("the oldest: %v", err)
	}
}
