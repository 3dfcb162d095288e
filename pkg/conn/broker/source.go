// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
)

// This file limits silent conns, those without a complete bind: in all, and for
// each source, so that one that floods the rpcd pushes out only its own. Always
// the oldest goes; a client that binds in the time that the others need to open
// that many connections is never touched. Only conns that wait are looked at: one
// whose bind is there at once has no source.

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
		return
	}
	limit, setting := b.cfg.Limits[source.Unbound].Address, "MaxUnboundPerSource="
	if from.IsUser() {
		limit, setting = b.cfg.Limits[source.Unbound].User, "MaxUnboundPerUser="
	}
	if i := b.crowds.Find(from); i != source.None {
		for n := b.crowds.At(i).n; n >= limit; n-- {
			b.evict(int(b.crowds.At(i).head), setting, limit)
		}
	}
	i := b.crowds.Find(from) // with its last conn a crowd is gone
	if i == source.None {
		i = b.crowds.Add(from, newList(bySource))
	}
	c.crowd = i
	b.conns.push(b.crowds.At(i), fd)
}

func (b *Broker) uncount(fd int) {
	c := &b.conns[fd]
	if c.crowd == source.None {
		return
	}
	l := b.crowds.At(c.crowd)
	if b.conns.remove(l, fd); l.n == 0 {
		b.crowds.Remove(c.crowd)
	}
	c.crowd = source.None
}

// makeRoom closes the oldest silent conns until there is room for one more.
func (b *Broker) makeRoom() {
	for b.silent.n >= b.cfg.Limits[source.Unbound].Total {
		b.evict(int(b.silent.head), "MaxUnbound=", b.cfg.Limits[source.Unbound].Total)
	}
}

// evict closes a silent conn for a limit.
func (b *Broker) evict(fd int, setting string, limit int) {
	b.logOnce(slog.LevelWarn, setting, journal.IDLimit, fd,
		fmt.Sprintf("more than %d connections without a bind: the oldest are closed; see %s in msrpcd.conf(5)", limit, setting))
	b.refuse(fd)
}
