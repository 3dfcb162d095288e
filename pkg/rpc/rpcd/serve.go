// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
)

// This file owns a Server that is a part of another program, without systemd: an SMB
// server, a test. Serve and ServeConn hand connections to one loop, which the first
// of them starts and Shutdown ends. All interfaces are offered on each connection.
// Neither signals nor the environment of the program are touched.

// ErrShutdown is returned after Shutdown.
var ErrShutdown = errors.New("the server was shut down")

// Serve serves the connections of a listener, TCP or unix, until it fails or is
// closed, or until Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.begin(); err != nil {
		return err
	}
	go func() {
		<-s.stopped
		ln.Close()
	}()
	for {
		c, err := ln.Accept()
		if err != nil {
			select {
			case <-s.stopped:
				return ErrShutdown
			default:
				return err
			}
		}
		if _, err := s.hand(c, nil); err != nil {
			return err
		}
	}
}

// ServeConn serves one connection to its end: any stream that carries PDUs and
// nothing around them. who is the client as the program has authenticated it, nil
// when it has not; of its Level it says itself how well the stream is protected.
func (s *Server) ServeConn(c net.Conn, who *Caller) error {
	if err := s.begin(); err != nil {
		return err
	}
	over, err := s.hand(c, who)
	if err != nil {
		return err
	}
	select {
	case <-over:
		return nil
	case <-s.stopped:
		return ErrShutdown
	}
}

// Shutdown ends all connections, after the calls in progress.
func (s *Server) Shutdown() {
	if s.begin() == nil {
		s.running.Raise(unix.SIGTERM)
		<-s.stopped
	}
}

// begin starts the loop, once.
func (s *Server) begin() error {
	s.starting.Do(func() {
		s.embedded, s.stopped = true, make(chan struct{})
		env := setting.Defaults()
		env.Name, env.Idle = s.Name, 0
		if s.running, s.failed = newLoop(s, env, slog.Default()); s.failed != nil {
			return
		}
		s.running.byHand = true
		if s.Start != nil {
			if s.failed = s.Start(); s.failed != nil {
				return
			}
		}
		go func() {
			defer close(s.stopped)
			if err := s.running.run(); err != nil {
				slog.Error(fmt.Sprintf("rpcd %s ended: %v", s.Name, err))
			}
		}()
	})
	select {
	case <-s.stopped:
		return ErrShutdown
	default:
		return s.failed
	}
}

// guest is a connection that comes to the loop.
type guest struct {
	fd   int
	at   endpoint.Endpoint
	who  *Caller
	over chan struct{}
}

// hand gives a connection to the loop.
func (s *Server) hand(c net.Conn, who *Caller) (over chan struct{}, err error) {
	g := &guest{at: endpoint.Endpoint{Transport: layout.TCP}, over: make(chan struct{})}
	if g.fd, err = streamOf(c); err != nil {
		c.Close()
		return nil, err
	}
	switch e, err := endpoint.Of(g.fd, layout.TCP); {
	case err == nil:
		g.at = e
	case who == nil: // the kernel knows the client's process
		if e, err := endpoint.Of(g.fd, layout.Ncalrpc); err == nil {
			g.at = e
		}
	}
	if who != nil {
		g.who = &Caller{Transport: layout.TCP, Remote: who.Remote, Local: who.Local, Level: max(who.Level, 1), Service: who.Service,
			Account: who.Account, Domain: who.Domain, SIDs: who.SIDs, SessionKey: who.SessionKey, anonymous: who.Account == "" && len(who.SIDs) == 0}
	}
	s.running.deliver(g)
	return g.over, nil
}

// ended is the arrival, on the loop.
func (g *guest) ended(l *loop) {
	if l.draining {
		unix.Close(g.fd)
		close(g.over)
		return
	}
	c := l.add(g.fd, l.endpointIndex(g.at))
	c.caller, c.over = g.who, g.over
	l.received()
	c.readable(l)
}

// streamOf is a descriptor of a connection, which is closed. What has none is
// copied through a pair of sockets.
func streamOf(c net.Conn) (int, error) {
	if _, ok := c.(interface{ File() (*os.File, error) }); ok {
		defer c.Close()
		return descriptor(c)
	}
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	f := os.NewFile(uintptr(p[1]), "rpcd")
	end := func() { c.Close(); f.Close() }
	go func() { io.Copy(f, c); end() }()
	go func() { io.Copy(c, f); end() }()
	return p[0], nil
}
