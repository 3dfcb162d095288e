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
	c.crowd = source.None
	if !ok {
		return
	}
	limit, setting := b.cfg.Limits[source.Unbound].Address, "MaxUnboundPerSource="
	if from.IsUser() {
		limit, setting = b.cfg.Limits[source.Unbound].User, "MaxUnboundPerUser="
	}
	if i := b.waiting.crowds.Find(from); i != source.None {
		for n := b.waiting.crowds.At(i).n; n >= limit; n-- {
			b.evict(int(b.waiting.crowds.At(i).head), setting, limit)
		}
	}
	i := b.waiting.crowds.Find(from) // with its last conn a crowd is gone
	if i == source.None {
		i = b.waiting.crowds.Add(from, newList(bySource))
	}
	c.crowd = i
	b.conns.push(b.waiting.crowds.At(i), fd)
}

func (b *Broker) uncount(fd int) {
	c := &b.conns[fd]
	if c.crowd < 0 {
		return
	}
	l := b.waiting.crowds.At(c.crowd)
	if b.conns.remove(l, fd); l.n == 0 {
		b.waiting.crowds.Remove(c.crowd)
	}
	c.crowd = source.None
}

// makeRoom closes the oldest silent conns until there is room for one more.
func (b *Broker) makeRoom() {
	for b.waiting.silent.n >= b.cfg.Limits[source.Unbound].Total {
		b.evict(int(b.waiting.silent.head), "MaxUnbound=", b.cfg.Limits[source.Unbound].Total)
	}
}

// evict closes a silent conn for a limit.
func (b *Broker) evict(fd int, setting string, limit int) {
	b.logOnce(slog.LevelWarn, setting, journal.IDLimit, fd,
		fmt.Sprintf("more than %d connections without a bind: the oldest are closed; see %s in msrpcd.conf(5)", limit, setting))
	b.refuse(fd)
}

// closeOldestSilent makes room for a conn that talks or may do so: the oldest
// silent one goes, but not keep. It reports whether there was one.
func (b *Broker) closeOldestSilent(keep int) bool {
	fd := b.waiting.silent.head
	if fd == int32(keep) && fd != end {
		fd = b.conns.after(&b.waiting.silent, fd)
	}
	if fd == end {
		return false
	}
	b.logOnce(slog.LevelWarn, "descriptors", journal.IDLimit, int(fd),
		"descriptors run out: the oldest connections without a bind are closed; look at LimitNOFILE= of the broker and at fs.file-max")
	b.refuse(int(fd))
	return true
}
