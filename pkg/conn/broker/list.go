// SPDX-License-Identifier: Apache-2.0

package broker

// This file has the lists of conns: intrusive and doubly linked, so that
// joining and leaving one costs neither a search nor an allocation. A conn that
// waits is in one list by its stage, and may be in one by its role, one of its source,
// and one of those that are stuck.

// list is a queue of conns in order of arrival, linked by descriptors.
type list struct {
	head, tail int32
	n          int
	by         uint8 // which link of a conn
}

// links of a conn.
const (
	byStage = iota
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
