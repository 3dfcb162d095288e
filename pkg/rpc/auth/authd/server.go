// SPDX-License-Identifier: Apache-2.0

package authd

// This file owns the side of msrpc-auth: handshakes of rpcds, each with an end. One
// that is not answered for any reason is closed, which the rpcd sees.

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/rpc/auth"
)

// Bounds.
const (
	maxHandshakes = 512 // at once; each holds a descriptor and at most one packet
	maxEnding     = 64  // that have been closed to make room, and are still there
	handshakeTime = 60 * time.Second
	stepTime      = 15 * time.Second
)

// Server does handshakes.
type Server struct {
	Mechanisms []auth.Mechanism
	Idle       time.Duration // without a handshake, after which Serve returns

	active  atomic.Int32
	mu      sync.Mutex
	waiting list.List // of connections, under mu: the longest waiting for a token first
	wait    sync.WaitGroup
}

// Serve takes handshakes from a socket of datagrams until it is idle.
func (s *Server) Serve(socket *net.UnixConn) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer s.wait.Wait()
	defer cancel()
	b, oob := make([]byte, 16), make([]byte, unix.CmsgSpace(4*8))
	for {
		socket.SetReadDeadline(time.Now().Add(s.Idle))
		_, n, _, _, err := socket.ReadMsgUnix(b, oob)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if s.active.Load() == 0 {
				return nil
			}
			continue
		}
		if err != nil {
			return err
		}
		if conn := connOf(oob[:n]); conn != nil {
			s.begin(ctx, conn)
		}
	}
}

// connOf is the connection in a control message, nil without exactly one.
func connOf(oob []byte) (conn *net.UnixConn) {
	messages, _ := unix.ParseSocketControlMessage(oob)
	var files []*os.File
	for i := range messages {
		fds, _ := unix.ParseUnixRights(&messages[i])
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "rpcd"))
		}
	}
	if len(files) == 1 {
		unix.SetNonblock(int(files[0].Fd()), true)
		conn, _ = packetConn(files[0])
	}
	for _, f := range files {
		f.Close()
	}
	return conn
}

func (s *Server) begin(ctx context.Context, conn *net.UnixConn) {
	if n := s.active.Add(1); n > maxHandshakes+maxEnding || n > maxHandshakes && !s.makeRoom() {
		s.active.Add(-1)
		conn.Close()
		return
	}
	s.wait.Add(1)
	go func() {
		defer s.wait.Done()
		defer s.active.Add(-1)
		defer conn.Close()
		ctx, cancel := context.WithTimeout(ctx, handshakeTime)
		defer cancel()
		end, _ := ctx.Deadline()
		conn.SetDeadline(end)
		s.handshake(ctx, conn)
	}()
}

// makeRoom ends the handshake that has waited for its client the longest.
func (s *Server) makeRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.waiting.Front()
	if e != nil {
		s.waiting.Remove(e).(*net.UnixConn).Close()
	}
	return e != nil
}

// read waits for a packet.
func (s *Server) read(conn *net.UnixConn, b []byte) (int, error) {
	s.mu.Lock()
	e := s.waiting.PushBack(conn)
	s.mu.Unlock()
	n, err := conn.Read(b)
	s.mu.Lock()
	s.waiting.Remove(e)
	s.mu.Unlock()
	return n, err
}

// handshake answers the tokens of one security context.
func (s *Server) handshake(ctx context.Context, conn *net.UnixConn) {
	var first request
	var c auth.Context
	b := make([]byte, headSize+auth.MaxToken+1)
	for range auth.MaxSteps {
		n, err := s.read(conn, b)
		q, ok := parseRequest(b[:n])
		if err != nil || !ok || c != nil && (q.service != first.service || q.level != first.level) {
			return
		}
		if c == nil {
			first = q
			if c, err = s.context(q); err == nil {
				defer c.Close()
			}
		}
		var a answer
		if err == nil {
			a, err = step(ctx, c, q.token)
		}
		if err != nil {
			a = answerOf(err)
		}
		packet := a.append(nil)
		_, err = conn.Write(packet)
		clear(packet)
		clear(a.state)
		if err != nil || a.verdict != goOn {
			return
		}
	}
}

func (s *Server) context(q request) (auth.Context, error) {
	for _, m := range s.Mechanisms {
		if m.Service() == q.service {
			return m.Begin(q.level)
		}
	}
	return nil, auth.Fail(auth.NotServed, auth.ErrUnavailable, "msrpc-auth does not know authentication service %d", q.service)
}

// step takes a token. A context that is done is closed with its handshake: there
// is one holder of its state only.
func step(ctx context.Context, c auth.Context, token []byte) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	var over bool
	if a.reply, over, err = c.Step(ctx, token); err != nil || !over {
		return a, err
	}
	a.verdict = done
	if a.state, err = c.Save(nil); err == nil && len(a.state) > maxState {
		err = fmt.Errorf("%w: the account is in more groups than msrpc-auth can pass on", auth.ErrDenied)
	}
	return a, err
}
