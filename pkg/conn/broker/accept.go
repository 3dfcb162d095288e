// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/pipeauth"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

// binding is where a connection came from. Parked connections of an earlier
// incarnation have one even when its listener is gone.
type binding struct {
	endpoint.Endpoint
	name string // the binding string
	text []byte // the same
	pipe pipeauth.Pipe
	raw  bool // np: no DCE/RPC (npsd)
}

// openDoor adopts the listeners among the passed descriptors.
func (b *Broker) openDoor(fds []sys.PassedFD) (err error) {
	b.door = endpoint.Door{Loop: b.loop, Log: b.log, Causes: &b.limiter, Take: b.take, MakeRoom: b.closeOldestSilent,
		Few: func(fd int) bool { return fd >= b.fdLimit }}
	b.door.Listeners, err = endpoint.Listeners(fds, "msrpc-*-"+b.cfg.Name+".socket", layout.FDNameParking)
	if err != nil {
		return err
	}
	// Some descriptors are kept for what serves those who wait: ways to workers and
	// slots of the parking.
	have, err := sys.DescriptorLimit()
	if err != nil {
		return err
	}
	b.fdLimit = have - min(len(b.workers.inboxes)+2*parking.MaxSlots+16, have/3)
	for _, l := range b.door.Listeners {
		b.accepts = append(b.accepts, b.bindingIndex(l.Endpoint))
	}
	b.door.Open(kindListener)
	return nil
}

// bindingIndex finds or adds a binding.
func (b *Broker) bindingIndex(e endpoint.Endpoint) int {
	for i := range b.bindings {
		if b.bindings[i].Endpoint == e {
			return i
		}
	}
	n := binding{Endpoint: e, name: e.String(), text: []byte(e.String()), pipe: pipeauth.RPC}
	if p, ok := b.cfg.Pipes[e.Node()]; ok && e.Transport.Relayed() {
		n.pipe, n.raw = p, true
	}
	b.bindings = append(b.bindings, n)
	return len(b.bindings) - 1
}

func (b *Broker) bindingsText() string {
	var s []string
	for _, i := range b.accepts {
		s = append(s, b.bindings[i].String())
	}
	return strings.Join(s, " ")
}

// take begins with a new connection, and reports whether it waits now.
func (b *Broker) take(fd, listener int) bool {
	b.last.active = b.loop.Now
	b.status.Broker().Accepted.Add(1)
	i := b.accepts[listener]
	c := b.admit(fd, i)
	c.state = wantBind
	if b.bindings[i].Transport.Relayed() {
		if cred, errno := sys.PeerCred(fd); errno != 0 || cred.Uid != b.rootUID {
			b.logOnce(slog.LevelWarn, "np peer", journal.IDBadPeer, fd, "peer of a named pipe socket is not root: closed",
				"UID", cred.Uid)
			b.refuse(fd)
			return false
		}
		c.state = wantNPA
	}
	b.advance(fd)
	b.keepLimits(fd)
	return b.conns[fd].state != free
}

// logOnce logs a cause once, with what is known of the connection.
func (b *Broker) logOnce(level slog.Level, cause, id string, fd int, msg string, args ...any) {
	bind := &b.bindings[b.conns[fd].binding]
	args = append(args, journal.Transport, string(bind.Transport), journal.Binding, bind.String(),
		journal.Client, b.clientText(fd))
	if g := b.conns[fd].groupID; g != 0 {
		args = append(args, journal.AssocGroup, fmt.Sprintf("%08x", g))
	}
	b.limiter.Log(b.log, level, string(bind.Transport)+" "+cause, id, msg, args...)
}

// clientText describes the peer of a conn, for the log.
func (b *Broker) clientText(fd int) string {
	sa, err := unix.Getpeername(fd)
	if err != nil {
		return "unknown"
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr).String()
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(sa.Addr).Unmap().String()
	}
	if cred, errno := sys.PeerCred(fd); errno == 0 {
		return fmt.Sprintf("uid %d", cred.Uid)
	}
	return "unknown"
}
