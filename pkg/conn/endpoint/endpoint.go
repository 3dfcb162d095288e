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
)

// Endpoint is one place where clients connect.
type Endpoint struct {
	Transport layout.Transport
	Name      string // "\pipe\winreg", "135", "EPMAPPER"
}

// Node is the name without what the transport puts before it, such as "\pipe\".
func (e Endpoint) Node() string { return strings.TrimPrefix(e.Name, e.Transport.Prefix()) }

// Secondary is the secondary address of a bind_ack, the name as Windows spells it.
func (e Endpoint) Secondary() string { return strings.ToUpper(e.Transport.Prefix()) + e.Node() }

// String is the binding string, such as "ncacn_np:[\pipe\winreg]".
func (e Endpoint) String() string { return e.Transport.Protseq() + ":[" + e.Name + "]" }

// Parse reads a binding string that String wrote.
func Parse(text string) (e Endpoint, ok bool) {
	protseq, name, ok := strings.Cut(text, ":[")
	name, ok2 := strings.CutSuffix(name, "]")
	t, ok3 := layout.TransportOf(protseq)
	return Endpoint{t, name}, ok && ok2 && ok3
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
		e.Name = strconv.Itoa(sa.Port)
	case *unix.SockaddrInet6:
		e.Name = strconv.Itoa(sa.Port)
	case *unix.SockaddrUnix:
		e.Name = t.Prefix() + path.Base(sa.Name)
	}
	if _, local := sa.(*unix.SockaddrUnix); e.Name == "" || local == t.IP() {
		return Endpoint{}, errFamily
	}
	return e, nil
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
		if !t.Valid() {
			return nil, fmt.Errorf("descriptor %d has the unknown name %q; a drop-in of a socket unit must keep FileDescriptorName=", p.FD, p.Name)
		}
		if v, err := unix.GetsockoptInt(p.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || v == 0 {
			return nil, fmt.Errorf("descriptor %d (%s) is not a listening stream socket", p.FD, p.Name)
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
