// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/rpc/auth/hashes"
)

// This file owns --listen: a program that is started by hand, for development,
// makes its listeners itself. Every interface is offered at each of them.

// addresses are the values of --listen.
type addresses []string

func (a *addresses) String() string { return strings.Join(*a, " ") }

func (a *addresses) Set(text string) error {
	network, _, ok := strings.Cut(text, ":")
	if !ok || network != string(layout.TCP) && network != string(layout.Ncalrpc) {
		return fmt.Errorf("%q is neither tcp:HOST:PORT nor ncalrpc:/PATH", text)
	}
	*a = append(*a, text)
	return nil
}

// open makes the listeners, and says on out where they are.
func (a addresses) open(out io.Writer) (fds []sys.PassedFD, err error) {
	for _, text := range a {
		network, address, _ := strings.Cut(text, ":")
		name := network
		if network == string(layout.Ncalrpc) {
			network = "unix"
		}
		ln, err := net.Listen(network, address)
		if err != nil {
			return nil, fmt.Errorf("--listen %s: %w", text, err)
		}
		fd, err := descriptor(ln)
		if err != nil {
			return nil, fmt.Errorf("--listen %s: %w", text, err)
		}
		fds = append(fds, sys.PassedFD{FD: fd, Name: name})
		fmt.Fprintf(out, "listening on %s:%s\n", name, ln.Addr())
	}
	return fds, nil
}

// authenticateBy puts the accounts of a file in the place of Auth.
func (s *Server) authenticateBy(path string, listen addresses) error {
	if len(listen) == 0 {
		return errors.New("only with --listen; under systemd msrpc-auth has the accounts")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	defer clear(text)
	f, err := hashes.Parse(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s.Auth = f.Mechanisms()
	return nil
}

// descriptor is a copy of the descriptor of a listener or connection of package
// net, ready for epoll.
func descriptor(c any) (int, error) {
	f, ok := c.(interface{ File() (*os.File, error) })
	if !ok {
		return -1, fmt.Errorf("%T has no descriptor", c)
	}
	file, err := f.File()
	if err != nil {
		return -1, err
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, unix.SetNonblock(fd, true)
}

// offered reports whether an interface is served at an endpoint.
func (l *loop) offered(i *Interface, e *endpoint.Endpoint) bool {
	return l.byHand || i.offered(e.Transport.Protseq(), e.Name)
}
