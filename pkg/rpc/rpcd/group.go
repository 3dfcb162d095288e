// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	crand "crypto/rand"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
)

// group is an association group (C706 9.3.3.6.3, MS-RPCE 3.3.1.5.6): the
// connections of one client that share context handles. It lives as long as
// one of its connections. Groups belong to the loop; handles do so too.
type group struct {
	id        uint32
	transport layout.Transport
	conns     int
	handles   map[[16]byte]handle
	owner     *holder // that made it: its handles count for that source
	user      string  // the first of its clients that is authenticated, "": none is known

	// Of keep.go:
	kept       int         // of conns, those that are parked
	keeper     *conn       // the kept one whose file has the handles, nil while there are none to keep
	generation uint64      // of what was written last
	dirty      atomic.Bool // handles have changed since
	lost       bool        // a handle cannot be kept, as was found then
}

// keepable reports whether every handle can be written down for the next process.
func (gs *groups) keepable(lock *sync.Mutex) bool {
	lock.Lock()
	defer lock.Unlock()
	for _, g := range gs.byID {
		for _, h := range g.handles {
			if _, ok := h.value.(Snapshotter); !ok || h.iface.Restore == nil {
				return false
			}
		}
	}
	return true
}

// handle is what a context handle stands for.
type handle struct {
	iface *Interface // the interface that made it; another one must not use it
	value any
}

// Rundowner is a handle's value that wants to know that its client has gone
// without closing it (context handle rundown, C706 5.1.6).
type Rundowner interface{ Rundown() }

// groups is the table of all association groups of the process. Ids cannot be
// guessed: they are random but for the worker's index.
type groups struct {
	byID      map[uint32]*group
	index     uint32 // of this worker, in the high bits of each id
	indexBits int
	random    *rand.ChaCha8
	ledger    *source.Ledger[crowd]
}

func newGroups(index, indexBits int, ledger *source.Ledger[crowd]) *groups {
	var seed [32]byte
	crand.Read(seed[:])
	return &groups{byID: map[uint32]*group{}, index: uint32(index), indexBits: indexBits, random: rand.NewChaCha8(seed), ledger: ledger}
}

// add makes a new group with one connection; nil when there are too many.
func (gs *groups) add(t layout.Transport, owner *holder) *group {
	room := uint32(1)<<(32-gs.indexBits) - 1 // ids but 0
	if uint32(len(gs.byID)) >= room {
		return nil
	}
	for {
		low := uint32(gs.random.Uint64()) & room
		id := gs.index<<(32-gs.indexBits) | low
		if low == 0 || gs.byID[id] != nil {
			continue
		}
		g := &group{id: id, transport: t, conns: 1, owner: gs.ledger.Again(owner)}
		gs.byID[id] = g
		return g
	}
}

// resume makes the group of a kept connection, its owner not known yet, or adds
// the connection to it; nil when it cannot be one of this worker.
func (gs *groups) resume(id uint32, t layout.Transport) *group {
	g := gs.byID[id]
	if g != nil && g.transport != t || g == nil && id>>(32-gs.indexBits) != gs.index {
		return nil
	}
	if g == nil {
		g = &group{id: id, transport: t}
		gs.byID[id] = g
	}
	g.conns++
	return g
}

// join adds a connection to the group id, or to a new one. There is no such group for
// one of another transport, or of another source, unless both are authenticated as the
// same user. Who that is a client may tell with its bind, and is not known before the
// handshake is over: until then it is in no group, and makes no call.
func (l *loop) join(c *conn, id uint32, later bool) *dcerpc.Reject {
	t := l.endpoints[c.endpoint].Transport
	g := l.groups.byID[id]
	switch {
	case id == 0:
		if g = l.groups.add(t, c.from); g == nil {
			return errGroups
		}
		c.state.group, c.state.groupID = g, g.id
		return nil
	case g == nil || g.transport != t:
		return errNoGroup
	case g.owner == c.from:
	case l.user(g) == "":
		return errNoGroup
	case userOf(c.identify(l)) == l.user(g):
	case later:
		c.state.groupID = id
		return nil
	default:
		return errNoGroup
	}
	g.conns++
	c.state.group, c.state.groupID = g, id
	return nil
}

// vouch is called when a client is authenticated. It may be in its group from then on;
// false when it is not of the group's user.
func (l *loop) vouch(c *conn, s *security) bool {
	g, user := c.state.group, userOf(s.caller)
	if g == nil {
		g = l.groups.byID[c.state.groupID]
		if g == nil || g.transport != l.endpoints[c.endpoint].Transport || user == "" || user != l.user(g) {
			return false
		}
		g.conns++
		c.state.group = g
	}
	if g.user == "" {
		g.user = user
	}
	return true
}

// user is the user of a group. What the transport says is looked at when it matters.
func (l *loop) user(g *group) string {
	for i := 0; g.user == "" && (!g.transport.IP() || l.srv.embedded) && i < len(l.conns); i++ {
		if c := l.conns[i]; c != nil && c.state.group == g {
			g.user = userOf(c.identify(l))
		}
	}
	return g.user
}

// userOf is what two connections of the same user have in common; "" of those that
// nothing vouches for.
func userOf(who *Caller) string {
	switch {
	case who.anonymous:
		return ""
	case len(who.SIDs) > 0:
		return string(who.SIDs[0])
	case who.Account != "":
		return who.Domain + `\` + who.Account
	}
	return ""
}

// leave takes a connection out. With the last one it returns what is to be run
// down.
func (gs *groups) leave(g *group) (run []Rundowner) {
	if g.conns--; g.conns > 0 {
		return nil
	}
	delete(gs.byID, g.id)
	for _, h := range g.handles {
		if r, ok := h.value.(Rundowner); ok {
			run = append(run, r)
		}
	}
	gs.ledger.Give(g.owner, source.Handles, len(g.handles))
	gs.ledger.Leave(g.owner)
	g.handles = nil
	return run
}

// newHandle stores a value; ok is false when the group has too many.
func (g *group) newHandle(i *Interface, value any, max int) (id [16]byte, ok bool) {
	if len(g.handles) >= max {
		return id, false
	}
	if g.handles == nil {
		g.handles = map[[16]byte]handle{}
	}
	for ok = false; !ok; {
		crand.Read(id[:])
		_, taken := g.handles[id]
		ok = !taken && id != [16]byte{}
	}
	g.handles[id] = handle{i, value}
	return id, true
}

// lookup finds the value of a handle that interface i made.
func (g *group) lookup(i *Interface, id [16]byte) (any, dcerpc.Status) {
	h, ok := g.handles[id]
	if !ok || h.iface != i {
		return nil, dcerpc.NcaContextMismatch
	}
	return h.value, 0
}
