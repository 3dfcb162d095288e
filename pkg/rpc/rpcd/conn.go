// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/dcerpc"
)

// This file owns the life of a connection, from its begin to its end, and what
// epoll looks for in between; read.go and write.go own its bytes. One that is
// closed has the descriptor -1, and is in no list and no group.

type phase uint8

const (
	serving phase = iota
	wantNPA       // np, direct activation: the auth request is not complete
	ending        // what is in out is sent, then it closes
)

// conn is one connection. What a restart has to keep of it is endpoint, npa,
// in, out, state and calls: see keep.go.
type conn struct {
	fd        int // -1: closed
	gen       uint32
	endpoint  int
	phase     phase
	running   int           // blocking operations
	gone      chan struct{} // of these operations, closed with the connection
	watching  uint32        // what epoll looks for, 0: not registered
	npa       []byte        // np: the auth request; once answered, its info until it is in the file of kept
	npaLevel  uint32
	caller    *Caller
	over      chan struct{} // of ServeConn: closed with the connection
	in        []byte        // bytes that are not a whole PDU yet, or wait for a busy connection
	out       []byte        // answers that the client has not taken yet
	sent      int           // bytes before them in the same memory
	state     state
	calls     dcerpc.Reassembler
	from      *holder // whose it is
	places    [nPlaces]place
	queued    bool          // waits for its turn
	sparse    bool          // before others
	used      time.Duration // of turns, since usedSince
	usedSince time.Duration
	more      bool          // there is a whole PDU in in
	silent    bool          // in loop.unbound
	counted   bool          // silent: among those of its source
	security  *security     // of the call that is being collected
	stepping  *step         // of a handshake
	shaking   int           // handshakes that are not over
	since     time.Duration // l.Now of its begin
	active    time.Duration // l.Now of its last event
	held      int           // bytes of an unfinished call
	id        uint64        // in the parking
	kept      *kept         // nil: not parked
	changed   bool          // state is not what the file of kept says
}

// state is what a bind negotiates.
type state struct {
	bound      bool
	groupID    uint32
	maxFrag    uint16 // both directions
	group      *group // nil: not before the client is authenticated, see join
	contexts   []presentation
	securities map[uint32]*security // by auth_context_id
	implied    *security            // of calls without auth trailer, see choose
	explicit   bool                 // the client has named a security context in a call
	denied     bool                 // a handshake failed that the client did not wait for

	signHeader bool // header signing, in all security contexts
	keepOrphan bool // bind time feature: an orphaned call is forgotten
}

// presentation is an accepted presentation context.
type presentation struct {
	id    uint16
	ndr64 bool // transfer syntax
	both  bool // NDR64 was offered too
	iface *Interface
}

// add makes a conn of a connected descriptor.
func (l *loop) add(fd, endpoint int) *conn {
	l.lastID++
	c := &conn{fd: fd, endpoint: endpoint, id: l.lastID}
	c.calls.MaxStub = l.srv.Limits.Stub
	l.enter(c)
	if l.keeps {
		l.young = append(l.young, young{fd, c.gen, l.Now + keepAge})
	}
	return c
}

// enter makes a conn known.
func (l *loop) enter(c *conn) {
	for len(l.conns) <= c.fd {
		l.conns = append(l.conns, nil)
	}
	l.gen++
	c.gen = l.gen
	l.conns[c.fd] = c
	l.open++
	c.active = l.Now
	c.from = l.ledger.Enter(c.source(l))
	if c.state.bound {
		l.bound(c, true)
	} else {
		l.unbound.add(l, c)
	}
}

// source is that of the connection: the local system's where nothing names it.
func (c *conn) source(l *loop) source.Source {
	if c.phase == wantNPA {
		return source.Source{}
	}
	if s, ok := source.Of(l.endpoints[c.endpoint].Transport, c.fd, c.npaLevel, c.npaInfo()); ok {
		return s
	}
	return source.Source{}
}

// known is called when a silent connection has named its client.
func (c *conn) known(l *loop) {
	l.ledger.Leave(c.from)
	c.from = l.ledger.Enter(c.source(l))
}

// close ends the connection and what only it kept alive.
func (c *conn) close(l *loop) {
	if c.fd < 0 {
		return
	}
	l.unpark(c)
	if c.watching != 0 {
		l.Delete(c.fd)
	}
	l.conns[c.fd] = nil
	if c.over != nil {
		close(c.over)
	}
	sys.Close(c.fd)
	c.fd = -1
	c.dequeue()
	if c.admitted() {
		c.from.Own.bound.remove(c)
		l.ledger.Give(c.from, source.Bound, 1)
	}
	l.unbound.remove(l, c)
	c.release(l)
	l.ledger.Give(c.from, source.Partial, len(c.in))
	l.ledger.Give(c.from, source.Unsent, len(c.out))
	l.ledger.Give(c.from, source.Blocking, c.running)
	c.from.Own.gone += c.running
	c.shaken(l, c.shaking)
	l.ledger.Give(c.from, source.Securities, len(c.state.securities))
	c.in, c.out = nil, nil
	if c.stepping != nil {
		c.stepping.cancel()
	}
	if c.running > 0 { // the operations may still make handles: the last one leaves the group
		if c.gone != nil {
			close(c.gone)
			c.gone = nil
		}
	} else {
		c.leave(l)
	}
	l.open--
	l.ended()
}

// leave takes the connection out of its group and runs down what only it kept.
func (c *conn) leave(l *loop) {
	defer l.ledger.Leave(c.from)
	c.endSecurity()
	if c.state.group == nil {
		return
	}
	l.handles.Lock()
	values := l.groups.leave(c.state.group)
	l.handles.Unlock()
	c.state.group = nil
	for _, v := range values {
		l.rundown(v)
	}
}

// release forgets the unfinished call.
func (c *conn) release(l *loop) {
	l.ledger.Give(c.from, source.Partial, c.held)
	c.held = 0
	c.calls.Drop()
}

// maxConcurrent is how many blocking operations of one connection run at once.
const maxConcurrent = 16

// busy reports whether nothing is read because of blocking operations: of one,
// unless the client wants its calls served concurrently, or of a handshake.
func (c *conn) busy() bool {
	return c.stepping != nil || c.running >= maxConcurrent || c.running > 0 && !c.calls.Multiplex
}

// watch has epoll look for what the connection needs next.
func (c *conn) watch(l *loop) {
	l.unbound.count(l, c)
	if c.kept != nil {
		c.mark(l)
	}
	want := uint32(unix.EPOLLRDHUP)
	switch {
	case len(c.out) > 0:
		want |= unix.EPOLLOUT // a client that does not read is not read either
	case !c.busy() && !c.queued:
		want |= unix.EPOLLIN
	}
	switch {
	case c.watching == 0:
		l.Add(c.fd, want, event.Token(kindConn, c.gen, c.fd))
	case c.watching != want:
		l.Modify(c.fd, want, event.Token(kindConn, c.gen, c.fd))
	}
	c.watching = want
}

func (c *conn) event(l *loop, events uint32) {
	c.active = l.Now
	if q := &c.from.Own.bound; c.admitted() && q.last != c {
		q.remove(c)
		q.push(c)
	}
	if c.kept != nil {
		l.serving.Store(c.id)
		defer l.serving.Store(0)
	}
	switch {
	case events&(unix.EPOLLERR|unix.EPOLLHUP) != 0:
		c.close(l)
	case len(c.out) > 0:
		if events&unix.EPOLLOUT != 0 {
			c.drainOut(l)
		} else { // the client closes and does not read its answers
			c.close(l)
		}
	case c.busy():
		if events&unix.EPOLLRDHUP != 0 {
			c.close(l)
		}
	default:
		c.turn(l)
	}
}

// complain logs a cause once, and what more fields name in growing steps.
func (c *conn) complain(l *loop, level slog.Level, cause, id, msg string, more ...any) {
	e := &l.endpoints[c.endpoint]
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	client := "unknown"
	if e.Transport.IP() {
		client = c.identify(l).Remote.Addr().String()
	}
	cause = string(e.Transport) + " " + cause
	args := append(more, journal.Transport, string(e.Transport), journal.Binding, e.String(), journal.Client, client)
	if more != nil {
		l.causes.LogCounted(l.log, level, cause, id, msg, args...)
		return
	}
	l.causes.Log(l.log, level, cause, id, msg, args...)
}
