// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
)

// This file limits silent conns, those without a complete bind: in all, and for
// each source, so that one that floods the rpcd pushes out only its own. Of a
// source the oldest goes, and the source with the most has to give where there are
// too many in all; a client that binds in the time that the others need to open
// that many connections is never touched, even if its bind was not looked at yet.

// count puts a silent conn into the crowd of its source, whose oldest goes when
// there are too many.
func (b *Broker) count(fd int) {
	c := &b.conns[fd]
	var info []byte
	if c.request > npaHeader {
		info = c.npa()[npaHeader:]
	}
	from, ok := source.Of(b.bindings[c.binding].Transport, fd, c.npaLevel, info)
	if !ok {
		from = source.Source{} // the local system's
	}
	h := b.waiting.crowds.Enter(from)
	if h.Own.n == 0 {
		h.Own = newList(bySource)
	}
	b.waiting.crowds.Force(h, source.Unbound, 1)
	c.crowd = h
	b.conns.push(&h.Own, fd)
}

func (b *Broker) uncount(fd int) {
	c := &b.conns[fd]
	if c.crowd == nil {
		return
	}
	b.conns.remove(&c.crowd.Own, fd)
	b.waiting.crowds.Give(c.crowd, source.Unbound, 1)
	b.waiting.crowds.Leave(c.crowd)
	c.crowd = nil
}

// oldest is the oldest silent conn, but not keep, of the source that has the most
// or, where none has to give, of all; end when there is none.
func (b *Broker) oldest(keep int) int32 {
	for _, l := range []*list{b.largest(), &b.waiting.silent} {
		fd := l.head
		if fd == int32(keep) && fd != end {
			fd = b.conns.after(l, fd)
		}
		if fd != end {
			return fd
		}
	}
	return end
}

func (b *Broker) largest() *list {
	if h := b.waiting.crowds.Largest(source.Unbound); h != nil {
		return &h.Own
	}
	return &b.waiting.silent
}

// keepLimits closes silent conns until there are no more than may be, of the
// source of conn fd, which may have become one of them, and in all. It is for when
// no conn is in hand.
func (b *Broker) keepLimits(fd int) {
	limits := b.cfg.Limits[source.Unbound]
	if h := b.conns[fd].crowd; h != nil {
		share, setting := limits.Share(h.Source), "MaxUnboundPerSource="
		if h.IsUser() {
			setting = "MaxUnboundPerUser="
		}
		for share > 0 && h.Use(source.Unbound) > share {
			b.evict(int(h.Own.head), setting, share)
		}
	}
	for b.waiting.silent.n > limits.Total {
		b.evict(int(b.oldest(fd)), "MaxUnbound=", limits.Total)
	}
}

// evict closes a silent conn for a limit.
func (b *Broker) evict(fd int, setting string, limit int) {
	if b.stillSilent(fd) {
		b.logOnce(slog.LevelWarn, setting, journal.IDLimit, fd,
			fmt.Sprintf("more than %d connections without a bind: the oldest are closed; see %s in msrpcd.conf(5)", limit, setting))
		b.refuse(fd)
	}
}

// stillSilent reports whether a conn is silent that is to be closed for it. Its bind
// may have come since the loop looked, and lie behind events of others.
func (b *Broker) stillSilent(fd int) bool {
	b.advance(fd)
	return b.conns[fd].state.silent()
}

// closeOldestSilent makes room for a conn that talks or may do so: a silent one
// goes, but not keep. It reports whether there is a descriptor more. It is for when
// no conn is in hand.
func (b *Broker) closeOldestSilent(keep int) bool {
	for fd := int(b.oldest(keep)); fd != int(end); fd = int(b.oldest(keep)) {
		if b.stillSilent(fd) {
			b.logOnce(slog.LevelWarn, "descriptors", journal.IDLimit, fd,
				"descriptors run out: the oldest connections without a bind are closed; look at LimitNOFILE= of the broker and at fs.file-max")
			b.refuse(fd)
		}
		if b.conns[fd].state == free {
			return true
		}
	}
	return false
}
