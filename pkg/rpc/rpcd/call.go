// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"log/slog"
	"runtime/debug"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
)

// Call is one call of an operation. It and all that In returns are valid until
// Run returns.
type Call struct {
	In     ndr.Decoder // arguments
	Out    ndr.Encoder // results
	Opnum  uint16
	Object uuid.UUID // of the request, zero without

	loop   *loop
	conn   *conn
	iface  *Interface
	header dcerpc.Header
	ctx    uint16
	status dcerpc.Status
	stub   []byte // a blocking call's own copy of the arguments
	caller *Caller
	group  *group
	gone   <-chan struct{}

	security *security // nil: none
}

// Caller is the client that makes the call. It is not to be changed, and its SessionKey is
// zero when the connection has ended.
func (c *Call) Caller() *Caller {
	if c.caller == nil {
		if c.caller = c.conn.identify(c.loop); c.security != nil {
			c.caller = c.security.caller
		}
	}
	return c.caller
}

// Transport is how the call came.
func (c *Call) Transport() layout.Transport { return c.loop.endpoints[c.conn.endpoint].Transport }

// Gone is closed when the connection of a blocking operation has closed. For
// others, which no one can wait for meanwhile, it is nil.
func (c *Call) Gone() <-chan struct{} { return c.gone }

// AssocGroup is the id of the caller's association group.
func (c *Call) AssocGroup() uint32 { return c.group.id }

// NewHandle makes a context handle for a value, to be used on all connections
// of the association group through the same interface. With the group's last
// connection a value that is a Rundowner is run down. ok is false when the
// client has too many handles.
func (c *Call) NewHandle(value any) (h ndr.ContextHandle, ok bool) {
	l, g := c.loop, c.group
	l.handles.Lock()
	defer l.handles.Unlock()
	if !l.takeHandle(g) {
		setting, text := l.limitText(g.owner, source.Handles, true, "another one is refused")
		l.causes.Log(l.log, slog.LevelWarn, setting, journal.IDLimit, text)
		return h, false
	}
	id, ok := g.newHandle(c.iface, value, l.srv.Limits.Handles)
	if !ok {
		l.ledger.Give(g.owner, source.Handles, 1)
	}
	g.dirty.Store(true)
	return ndr.ContextHandle{UUID: id}, ok
}

// DropHandle forgets a handle without running it down, as a close operation
// does before it writes the zero handle.
func (c *Call) DropHandle(h ndr.ContextHandle) {
	c.loop.handles.Lock()
	defer c.loop.handles.Unlock()
	if _, ok := c.group.handles[h.UUID]; ok {
		delete(c.group.handles, h.UUID)
		c.loop.ledger.Give(c.group.owner, source.Handles, 1)
	}
	c.group.dirty.Store(true)
}

// Handle is the value of a context handle. A handle that is not known in this
// association group, was made by another interface or stands for a value of
// another type faults with nca_s_fault_context_mismatch.
func Handle[T any](c *Call, h ndr.ContextHandle) (T, dcerpc.Status) {
	c.loop.handles.Lock()
	defer c.loop.handles.Unlock()
	v, status := c.group.lookup(c.iface, h.UUID)
	t, ok := v.(T)
	if status == 0 && (!ok || h.Attributes != 0) {
		status = dcerpc.NcaContextMismatch
	}
	return t, status
}

// request collects the fragments of a call and runs it.
func (c *conn) request(l *loop, p dcerpc.PDU) {
	q, rej := dcerpc.ParseRequest(p)
	if rej != nil {
		c.reject(l, rej, p.Header, 0)
		return
	}
	if rej := c.unprotect(&p, &q); rej != nil {
		ctx := q.ContextID
		if call, collecting := c.calls.Collecting(); collecting {
			ctx = call.ContextID
		} else if rej == errAuthBegun || rej == dcerpc.ErrUnknownContext {
			ctx = 0
		}
		c.reject(l, rej, p.Header, ctx)
		return
	}
	call, done, rej := c.calls.Add(p.Header, q)
	if rej != nil {
		c.release(l)
		c.reject(l, rej, call.Header, call.ContextID)
		return
	}
	if !done {
		if !c.claim(l, source.Partial, len(q.Stub)) {
			c.release(l)
			c.reject(l, errPartial, p.Header, q.ContextID)
			return
		}
		c.held += len(q.Stub)
		return
	}
	l.ledger.Give(c.from, source.Partial, c.held)
	c.held = 0
	c.run(l, call)
}

var errPartial = &dcerpc.Reject{Cause: "unfinished calls hold too much memory", Fault: dcerpc.NcaServerTooBusy, Flags: dcerpc.FlagNotExecuted}

// run finds the operation and calls it, on the loop or in a goroutine.
func (c *conn) run(l *loop, call dcerpc.Call) {
	ctx := c.context(call.ContextID)
	if ctx == nil {
		c.reject(l, dcerpc.ErrUnknownContext, call.Header, 0)
		return
	}
	if int(call.Opnum) >= len(ctx.iface.Ops) || ctx.iface.Ops[call.Opnum].Run == nil {
		c.reject(l, dcerpc.ErrOpnum, call.Header, call.ContextID)
		return
	}
	format, err := ndr.FormatOf(call.Drep, ctx.ndr64)
	if err != nil {
		c.reject(l, errFormat, call.Header, call.ContextID)
		return
	}
	op := &ctx.iface.Ops[call.Opnum]
	rej := c.verify(&call, ctx)
	if rej == nil {
		rej = c.allowed(l, ctx.iface, op)
	}
	if rej != nil {
		c.reject(l, rej, call.Header, call.ContextID)
		return
	}
	k := &l.call
	if op.Blocking {
		if !l.mayBlock(c) {
			c.reject(l, errBlocking, call.Header, call.ContextID)
			return
		}
		k = &Call{stub: append([]byte(nil), call.Stub...)}
		call.Stub = k.stub
	}
	*k = Call{Opnum: call.Opnum, Object: call.Object, loop: l, conn: c, iface: ctx.iface,
		header: call.Header, ctx: call.ContextID, group: c.state.group, stub: k.stub, security: c.security}
	k.In.Reset(call.Stub, format)
	out := format & (ndr.BigEndian | ndr.NDR64)
	if !op.Blocking {
		k.Out.Reset(l.stub[:0], out)
		k.status = k.invoke(op)
		c.finish(l, k)
		if b := k.Out.Bytes(); cap(b) <= keepBuffer {
			l.stub = b[:0]
		}
		return
	}
	k.Caller() // while this is the loop's thread
	k.Out.Reset(nil, out)
	if c.running == 0 {
		c.gone = make(chan struct{})
	}
	k.gone = c.gone
	c.running++
	l.running++
	go func() {
		k.status = k.invoke(op)
		l.deliver(k)
	}()
}

// mayBlock counts a blocking operation. Those whose client has gone may run on
// for a while, for which no client can pay any more: they take up the share of
// their source, and have a bound in all, too.
func (l *loop) mayBlock(c *conn) bool {
	if limit := l.env.Limits[source.Blocking].Total; limit > 0 && l.running >= 2*limit {
		c.limit(l, source.Blocking, false, "the call is refused")
		return false
	}
	share := l.ledger.Limits[source.Blocking].Share(c.from.Source)
	if gone := c.from.Own.gone; share > 0 && gone >= share {
		c.limit(l, source.Blocking, true, "the call is refused")
		return false
	}
	return c.claim(l, source.Blocking, 1)
}

// ended goes on with the connection of a blocking operation, on the loop.
func (c *Call) ended(l *loop) {
	l.running--
	conn := c.conn
	if conn.running--; conn.fd < 0 {
		conn.from.Own.gone--
		if conn.running == 0 {
			conn.leave(l)
		}
		return
	}
	l.ledger.Give(conn.from, source.Blocking, 1)
	conn.finish(l, c)
	conn.proceed(l, nil)
}

var errBlocking = &dcerpc.Reject{Cause: "too many blocking operations", Fault: dcerpc.NcaServerTooBusy, Flags: dcerpc.FlagNotExecuted, Keep: true}

var errFormat = &dcerpc.Reject{Cause: "characters are not ASCII", Fault: dcerpc.NcaUnsupportedType, Flags: dcerpc.FlagNotExecuted, Keep: true}

func (c *conn) context(id uint16) *presentation {
	for i := range c.state.contexts {
		if c.state.contexts[i].id == id {
			return &c.state.contexts[i]
		}
	}
	return nil
}

// invoke runs the operation. One that panics is a bug; it costs its caller a
// fault and no other client anything.
func (c *Call) invoke(op *Op) (status dcerpc.Status) {
	defer func() {
		if r := recover(); r != nil {
			c.loop.causes.Log(c.loop.log, slog.LevelError, "panic "+op.Name, journal.IDOperationFailed,
				"operation "+op.Name+" of "+c.iface.Name+" failed, its caller gets a fault: report this as a bug",
				journal.Error, r, "STACK", string(debug.Stack()))
			status = dcerpc.NcaUnspec
		}
	}()
	return op.Run(c)
}

// rundown runs a handle's value down, which may panic as an operation may.
func (l *loop) rundown(v Rundowner) {
	defer func() {
		if r := recover(); r != nil {
			l.causes.Log(l.log, slog.LevelError, "panic rundown", journal.IDOperationFailed,
				"rundown of a context handle failed: report this as a bug", journal.Error, r, "STACK", string(debug.Stack()))
		}
	}()
	v.Rundown()
}

// finish answers a call that has run.
func (c *conn) finish(l *loop, k *Call) {
	l.stats[0]++
	status := k.status
	switch {
	case status != 0:
	case k.In.Err() != nil:
		status = dcerpc.FaultBadStubData
	case k.Out.Err() != nil:
		status = dcerpc.NcaOutArgsTooBig
	}
	if k.header.Flags&dcerpc.FlagMaybe != 0 {
		return // no client waits for an answer, whatever it is
	}
	start := len(l.out)
	if status != 0 {
		l.out = dcerpc.AppendFault(l.out, k.header.Reply(0), dcerpc.Fault{ContextID: k.ctx, Status: status})
	} else if !c.respond(l, k) {
		l.out, c.phase = l.out[:start], ending
	}
	c.frame(l, start)
}
