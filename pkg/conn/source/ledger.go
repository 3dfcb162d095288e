// SPDX-License-Identifier: Apache-2.0

package source

import (
	"math"
	"sync/atomic"
)

// Resource is something of a process that its clients take up.
type Resource uint8

const (
	Unbound    Resource = iota // connections without a complete bind
	Bound                      // the other connections
	Handles                    // context handles
	Partial                    // bytes of unfinished PDUs and requests
	Blocking                   // blocking operations that run
	Unsent                     // bytes of answers that clients do not take
	Securities                 // security contexts
	Handshakes                 // of these, those that are not complete
	Resources                  // how many there are
)

// Limit bounds a resource, in all and for each source; 0 is not a bound. The local
// system has no share, and pays only when it has more than half of the total.
type Limit struct{ Total, Address, User int }

// Share is that of a source.
func (l Limit) Share(s Source) int {
	switch s.kind {
	case fromAddress, fromProcess:
		return l.Address
	case fromUser:
		return l.User
	}
	return 0
}

// Ledger counts what each source holds of each resource. A source that has its
// share gets no more; when more than the total is held, it is the largest holder
// that has to give up something. Its sums are those of what is held at any
// moment, and it has memory only for sources that hold something.
//
// One thread owns it; Take and Give of a holder that stays are for any.
type Ledger[T any] struct {
	Limits [Resources]Limit

	system Holder[T]
	index  map[Source]*Holder[T]
	all    []*Holder[T]
	free   []*Holder[T]
	total  [Resources]atomic.Int64
	peak   [Resources]atomic.Int64 // no holder has more
	at     [Resources]int          // in all: where to look for the next that pays
}

// Holder is a source that something is held for.
type Holder[T any] struct {
	Source
	Own T // what the process knows of the source

	place int
	refs  int
	use   [Resources]atomic.Int64
}

// few sources that have left are kept for others to come.
const few = 64

// Enter finds or makes the holder of a source; its caller calls Leave at the end.
func (l *Ledger[T]) Enter(s Source) *Holder[T] {
	h := &l.system
	if s != (Source{}) {
		if h = l.index[s]; h == nil {
			h = l.add(s)
		}
	}
	h.refs++
	return h
}

// Again is Enter for a holder that is there.
func (l *Ledger[T]) Again(h *Holder[T]) *Holder[T] {
	h.refs++
	return h
}

func (l *Ledger[T]) add(s Source) (h *Holder[T]) {
	if n := len(l.free); n > 0 {
		h, l.free = l.free[n-1], l.free[:n-1]
	} else {
		h = new(Holder[T])
	}
	h.Source, h.place = s, len(l.all)
	if l.index == nil {
		l.index = map[Source]*Holder[T]{}
	}
	l.index[s] = h
	l.all = append(l.all, h)
	return h
}

// Leave forgets a source with the last that entered for it, and gave back what
// was held. With the last source of many goes the memory.
func (l *Ledger[T]) Leave(h *Holder[T]) {
	if h.refs--; h.refs > 0 || h == &l.system {
		return
	}
	delete(l.index, h.Source)
	end := len(l.all) - 1
	last := l.all[end]
	l.all[h.place], last.place = last, h.place
	l.all[end] = nil
	l.all = l.all[:end]
	*h = Holder[T]{}
	switch {
	case end == 0 && cap(l.all) > few:
		l.index, l.all, l.free = nil, nil, nil
	case len(l.free) < few:
		l.free = append(l.free, h)
	}
}

// Len is the number of sources.
func (l *Ledger[T]) Len() int { return len(l.all) }

// Take counts n more of r for h, unless that is more than its share.
func (l *Ledger[T]) Take(h *Holder[T], r Resource, n int) bool {
	if share := l.Limits[r].Share(h.Source); share > 0 && h.use[r].Load()+int64(n) > int64(share) {
		return false
	}
	l.Force(h, r, n)
	return true
}

// Force counts n more of r for h, which has them whatever its share.
func (l *Ledger[T]) Force(h *Holder[T], r Resource, n int) {
	l.total[r].Add(int64(n))
	if use := h.use[r].Add(int64(n)); use > l.peak[r].Load() {
		l.peak[r].Store(use)
	}
}

// Give takes back n of what was counted.
func (l *Ledger[T]) Give(h *Holder[T], r Resource, n int) {
	l.total[r].Add(int64(-n))
	h.use[r].Add(int64(-n))
}

// Total is what all hold of r.
func (l *Ledger[T]) Total(r Resource) int { return int(l.total[r].Load()) }

// Use is what h holds of r.
func (h *Holder[T]) Use(r Resource) int { return int(h.use[r].Load()) }

// Over reports whether more of r is held than may be.
func (l *Ledger[T]) Over(r Resource) bool {
	limit := l.Limits[r].Total
	return limit > 0 && l.Total(r) > limit
}

// Largest is a source that holds the most of r, or nearly so; nil when there is none
// that has to pay. As long as it is that it stays the same one, and then
// comes the turn of the next: asking again and again, for each to give up one,
// costs a look at all sources only each time that the most has sunk by an eighth.
func (l *Ledger[T]) Largest(r Resource) *Holder[T] {
	if limit := l.Limits[r].Total; limit > 0 && l.system.Use(r) > limit/2 {
		return &l.system
	}
	for n, high := len(l.all), int64(math.MaxInt64); high > 0; {
		peak := l.peak[r].Load()
		high = 0
		for i := range n {
			k := (l.at[r] + i) % n
			use := l.all[k].use[r].Load()
			if use > 0 && use >= peak-peak/8 {
				l.at[r] = k
				return l.all[k]
			}
			high = max(high, use)
		}
		l.peak[r].CompareAndSwap(peak, high)
	}
	return nil
}
