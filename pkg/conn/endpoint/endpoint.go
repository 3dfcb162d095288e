// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/listing"
)

// Endpoint is one place where clients connect.
type Endpoint struct {
	Transport layout.Transport
	Name      string // "\pipe\winreg", "135", "EPMAPPER"
}

var protseqs = map[layout.Transport]string{
	layout.NP: listing.ProtseqNP, layout.TCP: listing.ProtseqTCP, layout.Ncalrpc: listing.ProtseqNcalrpc,
}

const pipePrefix = `\pipe\`

// Protseq is the protocol sequence, such as "ncacn_np".
func (e Endpoint) Protseq() string { return protseqs[e.Transport] }

// Pipe is the name of a named pipe without "\pipe\".
func (e Endpoint) Pipe() string { return strings.TrimPrefix(e.Name, pipePrefix) }

// String is the binding string, such as "ncacn_np:[\pipe\winreg]".
func (e Endpoint) String() string { return e.Protseq() + ":[" + e.Name + "]" }

// Parse reads a binding string that String wrote.
func Parse(text string) (e Endpoint, ok bool) {
	protseq, name, ok := strings.Cut(text, ":[")
	name, ok2 := strings.CutSuffix(name, "]")
	for t, p := range protseqs {
		if ok && ok2 && p == protseq {
			return Endpoint{t, name}, true
		}
	}
	return e, false
}

var errFamily = errors.New("is of another address family than its name says")

// Of is the endpoint of a listener of transport t, from getsockname.
func Of(fd int, t layout.Transport) (Endpoint, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return Endpoint{}, fmt.Errorf("getsockname: %w", err)
	}
	e := Endpoint{Transport: t}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		if t == layout.TCP {
			e.Name = strconv.Itoa(sa.Port)
			return e, nil
		}
	case *unix.SockaddrInet6:
		if t == layout.TCP {
			e.Name = strconv.Itoa(sa.Port)
			return e, nil
		}
	case *unix.SockaddrUnix:
		switch t {
		case layout.NP:
			e.Name = pipePrefix + path.Base(sa.Name)
			return e, nil
		case layout.Ncalrpc:
			e.Name = path.Base(sa.Name)
			return e, nil
		}
	}
	return e, errFamily
}

// Listener is a listening socket that systemd owns.
type Listener struct {
	FD int
	Endpoint
}

// Listeners are the listeners among the passed descriptors. Those whose names
// begin with other, unless that is "", are something else. unit is for the
// error when there is none.
func Listeners(fds []sys.PassedFD, unit, other string) ([]Listener, error) {
	var ls []Listener
	for _, p := range fds {
		if other != "" && strings.HasPrefix(p.Name, other) {
			continue
		}
		t := layout.Transport(p.Name)
		if protseqs[t] == "" {
			return nil, fmt.Errorf("descriptor %d has the unknown name %q; a drop-in of a socket unit must keep FileDescriptorName=", p.FD, p.Name)
		}
		if v, err := unix.GetsockoptInt(p.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || v == 0 {
			return nil, fmt.Errorf("descriptor %d (%s) is no listening stream socket", p.FD, p.Name)
		}
		e, err := Of(p.FD, t)
		if err != nil {
			return nil, fmt.Errorf("listener %d (%s): %w", p.FD, p.Name, err)
		}
		ls = append(ls, Listener{p.FD, e})
	}
	if len(ls) == 0 {
		return nil, fmt.Errorf("no listener was passed: start %s, not this service", unit)
	}
	return ls, nil
}
