// SPDX-License-Identifier: Apache-2.0

package broker

// This file has the lists of conns: intrusive and doubly linked, so that
// joining and leaving one costs neither a search nor an allocation. A conn that
// waits is in one list by its age, in one by its role, and while it is silent in
// that of its source.

// list is a queue of conns in order of arrival, linked by descriptors.
type list struct {
	head, tail int32
	n          int
	by         uint8 // which link of a conn
}

// links of a conn.
const (
	byAge = iota
	byRole
	bySource
	byStall
	nLinks
)

type link struct{ prev, next int32 }

const end = int32(-1)

func newList(by uint8) list { return list{head: end, tail: end, by: by} }

// conns are all conns, by descriptor.
type conns []conn

func (cs conns) push(l *list, fd int) {
	k := &cs[fd].links[l.by]
	k.prev, k.next = l.tail, end
	if l.tail == end {
		l.head = int32(fd)
	} else {
		cs[l.tail].links[l.by].next = int32(fd)
	}
	l.tail = int32(fd)
	l.n++
}

func (cs conns) remove(l *list, fd int) {
	k := cs[fd].links[l.by]
	if k.prev == end {
		l.head = k.next
	} else {
		cs[k.prev].links[l.by].next = k.next
	}
	if k.next == end {
		l.tail = k.prev
	} else {
		cs[k.next].links[l.by].prev = k.prev
	}
	l.n--
}

// after is the conn that follows fd in l.
func (cs conns) after(l *list, fd int32) int32 { return cs[fd].links[l.by].next }

// Which list a conn is in by its age.
const (
	unlisted = iota
	inFresh
	inParked
	inLoose
)

func (b *Broker) listOf(age uint8) *list {
	switch age {
	case inFresh:
		return &b.fresh
	case inParked:
		return &b.parked
	}
	return &b.loose
}

// enlist lets a conn wait. It is not parked yet.
func (b *Broker) enlist(fd int) {
	b.conns[fd].age = inFresh
	b.conns.push(&b.fresh, fd)
	b.pending++
	b.enterRole(fd)
}

// delist takes a conn out of all lists.
func (b *Broker) delist(fd int) {
	c := &b.conns[fd]
	if c.age == unlisted {
		return
	}
	b.conns.remove(b.listOf(c.age), fd)
	c.age = unlisted
	b.pending--
	b.leaveRole(fd)
}

// age moves a conn that waits to another list by age.
func (b *Broker) age(fd int, age uint8) {
	c := &b.conns[fd]
	b.conns.remove(b.listOf(c.age), fd)
	c.age = age
	b.conns.push(b.listOf(age), fd)
}

// enterRole and leaveRole stand around each change of the state of a conn that
// waits, but for that from wantNPA to wantBind, which both are silent.
func (b *Broker) enterRole(fd int) {
	switch b.conns[fd].state {
	case wantNPA, wantBind:
		b.conns.push(&b.silent, fd)
	case wantSpare:
		b.conns.push(&b.spare, fd)
	}
}

func (b *Broker) leaveRole(fd int) {
	switch b.conns[fd].state {
	case wantNPA, wantBind:
		b.conns.remove(&b.silent, fd)
		b.uncount(fd)
		b.unstall(fd)
	case wantSpare:
		b.conns.remove(&b.spare, fd)
	}
}
