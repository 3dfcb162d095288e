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
// that many connections is never touched. Only conns that wait are looked at.

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
	for !b.waiting.crowds.Take(h, source.Unbound, 1) {
		setting := "MaxUnboundPerSource="
		if from.IsUser() {
			setting = "MaxUnboundPerUser="
		}
		b.evict(int(h.Own.head), setting, b.cfg.Limits[source.Unbound].Share(from))
	}
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

// makeRoom closes silent conns until there is room for one more.
func (b *Broker) makeRoom() {
	for b.waiting.silent.n >= b.cfg.Limits[source.Unbound].Total {
		b.evict(int(b.oldest(-1)), "MaxUnbound=", b.cfg.Limits[source.Unbound].Total)
	}
}

// evict closes a silent conn for a limit.
func (b *Broker) evict(fd int, setting string, limit int) {
	b.logOnce(slog.LevelWarn, setting, journal.IDLimit, fd,
		fmt.Sprintf("more than %d connections without a bind: the oldest are closed; see %s in msrpcd.conf(5)", limit, setting))
	b.refuse(fd)
}

// closeOldestSilent makes room for a conn that talks or may do so: a silent one
// goes, but not keep. It reports whether there was one.
func (b *Broker) closeOldestSilent(keep int) bool {
	fd := b.oldest(keep)
	if fd == end {
		return false
	}
	b.logOnce(slog.LevelWarn, "descriptors", journal.IDLimit, int(fd),
		"descriptors run out: the oldest connections without a bind are closed; look at LimitNOFILE= of the broker and at fs.file-max")
	b.refuse(int(fd))
	return true
}
