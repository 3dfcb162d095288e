// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/journal"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/npa"
	"msrpcd/pkg/sys"
)

// This file limits silent conns, those without a complete bind: in all, and for
// each source, so that one that floods the rpcd pushes out only its own. Always
// the oldest goes; a client that binds in the time that the others need to open
// that many connections is never touched. Only conns that wait are looked at: one
// whose bind is there at once has no source.

// source is who opened a connection: an address (TCP, and named pipes as smbd
// tells) or a user (ncalrpc).
type source struct {
	kind uint8
	id   [16]byte
}

const (
	fromAddress = 1 + iota
	fromUser
)

// crowd are the silent conns of one source, the oldest first.
type crowd struct {
	source
	list
}

// crowds are those of all sources that have silent conns now, so there are
// never more than silent conns.
type crowds struct {
	index map[source]int32
	all   []crowd
	free  []int32
}

// get finds or adds the crowd of a source.
func (s *crowds) get(from source) int32 {
	if i, ok := s.index[from]; ok {
		return i
	}
	var i int32
	if n := len(s.free); n > 0 {
		i, s.free = s.free[n-1], s.free[:n-1]
	} else {
		i = int32(len(s.all))
		s.all = append(s.all, crowd{})
	}
	s.all[i] = crowd{from, newList(bySource)}
	s.index[from] = i
	return i
}

// put forgets a crowd that nobody is in; with the last one goes the memory.
func (s *crowds) put(i int32) {
	delete(s.index, s.all[i].source)
	if s.free = append(s.free, i); len(s.index) == 0 {
		*s = crowds{index: map[source]int32{}}
	}
}

// none of the crowds.
const noCrowd = int32(-1)

// count puts a silent conn into the crowd of its source, whose oldest goes when
// there are too many.
func (b *Broker) count(fd int) {
	from, ok := b.sourceOf(fd)
	if !ok {
		return
	}
	limit, setting := b.cfg.MaxUnboundPerSource, "MaxUnboundPerSource="
	if from.kind == fromUser {
		limit, setting = b.cfg.MaxUnboundPerUser, "MaxUnboundPerUser="
	}
	if i, ok := b.crowds.index[from]; ok {
		for n := b.crowds.all[i].n; n >= limit; n-- {
			b.evict(int(b.crowds.all[i].head), setting, limit)
		}
	}
	i := b.crowds.get(from)
	b.conns[fd].crowd = i
	b.conns.push(&b.crowds.all[i].list, fd)
}

func (b *Broker) uncount(fd int) {
	c := &b.conns[fd]
	if c.crowd == noCrowd {
		return
	}
	l := &b.crowds.all[c.crowd].list
	if b.conns.remove(l, fd); l.n == 0 {
		b.crowds.put(c.crowd)
	}
	c.crowd = noCrowd
}

// makeRoom closes the oldest silent conns until there is room for one more.
func (b *Broker) makeRoom() {
	for b.silent.n >= b.cfg.MaxUnbound {
		b.evict(int(b.silent.head), "MaxUnbound=", b.cfg.MaxUnbound)
	}
}

// evict closes a silent conn for a limit.
func (b *Broker) evict(fd int, setting string, limit int) {
	b.complain(slog.LevelWarn, setting, journal.IDLimit, fd,
		fmt.Sprintf("more than %d connections without a bind: the oldest are closed; see %s in msrpcd.conf(5)", limit, setting))
	b.refuse(fd)
}

// sourceOf tells whose a conn is; ok is false where no limit but MaxUnbound=
// holds: for root, and on a named pipe for calls that no address comes with.
func (b *Broker) sourceOf(fd int) (from source, ok bool) {
	c := &b.conns[fd]
	switch b.bindings[c.binding].Transport {
	case layout.TCP:
		var a unix.RawSockaddrAny
		if _, errno := sys.Name(fd, true, &a); errno != 0 {
			return from, false
		}
		switch a.Addr.Family {
		case unix.AF_INET:
			return addressSource(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&a)).Addr)), true
		case unix.AF_INET6:
			return addressSource(netip.AddrFrom16((*unix.RawSockaddrInet6)(unsafe.Pointer(&a)).Addr)), true
		}
	case layout.NP:
		req, rej := npa.Parse(c.npa)
		if rej != nil {
			return from, false
		}
		a, err := netip.ParseAddr(string(req.ClientAddr))
		return addressSource(a), err == nil
	case layout.Ncalrpc:
		cred, errno := sys.PeerCred(fd)
		from.kind = fromUser
		from.id[0], from.id[1], from.id[2], from.id[3] = byte(cred.Uid), byte(cred.Uid>>8), byte(cred.Uid>>16), byte(cred.Uid>>24)
		return from, errno == 0 && cred.Uid != 0
	}
	return from, false
}

// addressSource takes an IPv4 address as it is, and of an IPv6 address the
// network of 64 bits, all of whose addresses a single host may have; of a
// link-local one all.
func addressSource(a netip.Addr) source {
	a = a.Unmap()
	s := source{kind: fromAddress, id: a.As16()}
	if a.Is6() && !a.IsLinkLocalUnicast() && !a.IsLoopback() {
		clear(s.id[8:])
	}
	return s
}
