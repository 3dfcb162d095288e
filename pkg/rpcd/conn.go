// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/dcerpc"
	"msrpcd/pkg/journal"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/npa"
	"msrpcd/pkg/sys"
)

var errFull = errors.New("too many connections")

type phase uint8

const (
	serving phase = iota
	wantNPA       // np, direct activation: the auth request is not complete
	ending        // what is in out is sent, then it closes
)

// conn is one connection. What a restart has to keep of it is endpoint, npa,
// in, out, state and calls: see keep.go.
type conn struct {
	fd       int // -1: closed
	gen      uint32
	endpoint int
	phase    phase
	running  int           // blocking operations
	gone     chan struct{} // of these operations, closed with the connection
	watching uint32        // what epoll looks for, 0: not registered
	npa      []byte        // np: the auth request; once answered, its info until it is in the file of kept
	npaLevel uint32
	caller   *Caller
	in       []byte // bytes that are no whole PDU yet, or wait for a busy connection
	out      []byte // answers that the client has not taken yet
	state    state
	calls    dcerpc.Reassembler
	waiting                // in loop.unbound
	since    time.Duration // l.now of its begin
	held     int           // bytes of an unfinished call, counted in loop.partial
	id       uint64        // in the parking
	kept     *kept         // nil: not parked
	changed  bool          // state is not what the file of kept says
}

// state is what a bind negotiates.
type state struct {
	bound    bool
	maxFrag  uint16 // both directions
	group    *group
	security *security // nil: nobody asked for any
	contexts []presentation
}

// presentation is an accepted presentation context.
type presentation struct {
	id    uint16
	ndr64 bool
	iface *Interface
}

// add makes a conn of a connected descriptor.
func (l *loop) add(fd, endpoint int) *conn {
	l.lastID++
	c := &conn{fd: fd, endpoint: endpoint, id: l.lastID}
	c.calls.MaxStub = l.srv.Limits.Stub
	l.enter(c)
	if l.keeps {
		l.young = append(l.young, young{fd, c.gen, l.now + keepAge})
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
	if !c.state.bound {
		l.unbound.add(l, c)
	}
}

// close ends the connection and what only it kept alive.
func (c *conn) close(l *loop) {
	if c.fd < 0 {
		return
	}
	l.unpark(c)
	if c.watching != 0 {
		l.ep.Delete(c.fd)
	}
	l.conns[c.fd] = nil
	sys.Close(c.fd)
	c.fd = -1
	l.unbound.remove(c)
	c.release(l)
	l.partial -= len(c.in)
	l.unsent -= len(c.out)
	c.in, c.out = nil, nil
	if c.running > 0 {
		close(c.gone) // the operations may still make handles: the last one leaves the group
	} else {
		c.leave(l)
	}
	l.open--
	l.ended()
}

// leave takes the connection out of its group and runs down what only it kept.
func (c *conn) leave(l *loop) {
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
	l.partial -= c.held
	c.held = 0
	c.calls.Drop()
}

// maxConcurrent is how many blocking operations of one connection run at once.
const maxConcurrent = 16

// busy reports whether nothing is read because of blocking operations: of one,
// unless the client wants its calls served concurrently.
func (c *conn) busy() bool {
	return c.running >= maxConcurrent || c.running > 0 && !c.calls.Multiplex
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
	case !c.busy():
		want |= unix.EPOLLIN
	}
	switch {
	case c.watching == 0:
		l.ep.Add(c.fd, want, token(kindConn, c.gen, c.fd))
	case c.watching != want:
		l.ep.Modify(c.fd, want, token(kindConn, c.gen, c.fd))
	}
	c.watching = want
}

func (c *conn) event(l *loop, events uint32) {
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
		c.readable(l)
	}
}

// readable reads what is there and serves it.
func (c *conn) readable(l *loop) {
	if c.phase == wantNPA {
		c.readNPA(l)
		return
	}
	have := copy(l.in[:], c.in)
	n, errno := sys.Recv(c.fd, l.in[have:], 0)
	if errno == unix.EAGAIN {
		c.watch(l)
		return
	}
	if errno != 0 || n == 0 {
		c.close(l)
		return
	}
	c.proceed(l, l.in[:have+n])
}

// proceed serves the whole PDUs in stream, or in what was kept when stream is
// nil, keeps the rest and sends the answers.
func (c *conn) proceed(l *loop, stream []byte) {
	if stream == nil {
		stream = l.in[:copy(l.in[:], c.in)]
	}
	incomplete := false
	for c.phase == serving && !c.busy() && len(c.out) == 0 {
		pdu, used, rej := c.next(l, stream)
		if rej != nil {
			c.reject(l, rej, pdu.Header, 0)
			break
		}
		if incomplete = used == 0; incomplete {
			break
		}
		stream = stream[used:]
		c.serve(l, pdu)
		if len(l.out) >= keepBuffer {
			c.send(l)
		}
		if c.fd < 0 {
			return
		}
	}
	if incomplete && len(stream) > len(l.in)-maxRead {
		c.phase = ending // more than the longest PDU, and yet none
	}
	c.keep(l, stream)
	c.send(l)
	if c.fd < 0 {
		return
	}
	if c.phase == ending && len(c.out) == 0 {
		c.linger(l)
		return
	}
	c.watch(l)
}

// keep remembers what could not be served yet.
func (c *conn) keep(l *loop, stream []byte) {
	if c.phase != serving {
		stream = nil
	}
	l.partial += len(stream) - len(c.in)
	if len(stream) == 0 {
		c.in = nil
		return
	}
	c.in = append(c.in[:0], stream...)
	if l.partial > l.srv.Limits.Partial {
		c.complain(l, slog.LevelWarn, errPartial.Cause, journal.IDLimit, errPartial.Cause+": connection closed")
		c.phase = ending
	}
}

// maxRead is how much is read at once at least.
const maxRead = 1 << 12

// next takes the first PDU from stream; used is 0 while it is not complete.
func (c *conn) next(l *loop, stream []byte) (pdu dcerpc.PDU, used int, rej *dcerpc.Reject) {
	first := stream
	np := l.endpoints[c.endpoint].Transport == layout.NP
	if np {
		n, bad := npa.Gather(l.pdu[:], stream)
		if bad != nil {
			return pdu, 0, dcerpc.ErrTruncated
		}
		first = l.pdu[:n]
	}
	pdu, need, rej := dcerpc.Parse(first, c.maxFrag())
	if rej != nil || need > 0 {
		return pdu, 0, rej
	}
	used = int(pdu.FragLength)
	if np {
		span, bad := npa.Span(stream, used)
		if bad != nil {
			return pdu, 0, dcerpc.ErrTruncated
		}
		used = span
	}
	return pdu, used, nil
}

// maxFrag bounds fragments of calls. Windows and Samba take the longest that
// they know whatever was negotiated.
func (c *conn) maxFrag() int { return dcerpc.FragSizeTCP }

// reject answers a PDU that is not acceptable and, unless the connection may go
// on, ends it.
func (c *conn) reject(l *loop, rej *dcerpc.Reject, h dcerpc.Header, contextID uint16) {
	start := len(l.out)
	l.out = rej.AppendAnswer(l.out, h, contextID)
	c.frame(l, start)
	if !rej.Keep {
		c.complain(l, slog.LevelInfo, rej.Cause, journal.IDBadPDU, "PDU refused: "+rej.Cause)
		c.phase = ending
	}
}

// frame puts the PDUs that were appended to l.out since start into messages, on
// a named pipe.
func (c *conn) frame(l *loop, start int) {
	if l.endpoints[c.endpoint].Transport != layout.NP || len(l.out) == start {
		return
	}
	pdus := append([]byte(nil), l.out[start:]...)
	l.out = l.out[:start]
	for len(pdus) > 0 {
		h, _, _ := dcerpc.ParseHeader(pdus, 0)
		n := int(h.FragLength)
		l.out = append(l.out, byte(n), byte(n>>8))
		l.out = append(l.out, pdus[:n]...)
		pdus = pdus[n:]
	}
}

// send sends l.out; what the client does not take now is kept.
func (c *conn) send(l *loop) {
	c.settle(l)
	out := l.out
	if cap(out) > keepBuffer {
		l.out = nil
	} else {
		l.out = out[:0]
	}
	if len(out) == 0 || c.fd < 0 {
		return
	}
	if len(c.out) == 0 {
		n, errno := sys.Send(c.fd, out)
		if errno != 0 && errno != unix.EAGAIN {
			c.close(l)
			return
		}
		if errno == 0 {
			out = out[n:]
		}
	}
	if l.unsent += len(out); l.unsent > l.srv.Limits.Unsent {
		l.unsent -= len(out)
		c.complain(l, slog.LevelWarn, "unsent", journal.IDLimit, "answers that clients do not take hold too much memory: connection closed")
		c.close(l)
		return
	}
	c.out = append(c.out, out...)
}

// drainOut goes on sending.
func (c *conn) drainOut(l *loop) {
	n, errno := sys.Send(c.fd, c.out)
	if errno == unix.EAGAIN {
		return
	}
	if errno != 0 {
		c.close(l)
		return
	}
	l.unsent -= n
	if c.out = c.out[n:]; len(c.out) > 0 {
		return
	}
	c.out = nil
	if c.phase == ending {
		c.linger(l)
		return
	}
	c.proceed(l, nil)
}

// linger closes after the last answer. What is unread would reset the
// connection under it.
func (c *conn) linger(l *loop) {
	sys.Recv(c.fd, l.in[:], 0)
	c.close(l)
}

// complain logs a cause once.
func (c *conn) complain(l *loop, level slog.Level, cause, id, msg string) {
	e := &l.endpoints[c.endpoint]
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	client := "unknown"
	if e.Transport == layout.TCP {
		client = c.identify(l).Remote.Addr().String()
	}
	l.causes.Log(l.log, level, string(e.Transport)+" "+cause, id, msg,
		journal.Transport, string(e.Transport), journal.Binding, e.String(), journal.Client, client)
}
