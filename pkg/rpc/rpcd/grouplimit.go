// SPDX-License-Identifier: Apache-2.0

package rpcd

import "msrpcd/pkg/conn/source"

// This file owns the context handles of a source that has its share. Its largest
// association group pays for one that has few of them: more than one client may be
// behind an address. A group that has more than few gets no more.

const fewHandles = 8

// takeHandle counts one more handle of a group. The caller has locked the handles.
func (l *loop) takeHandle(g *group) bool {
	if l.ledger.Take(g.owner, source.Handles, 1) {
		return true
	}
	if share := l.ledger.Limits[source.Handles].Share(g.owner.Source); len(g.handles) >= min(fewHandles, share/2) {
		return false
	}
	l.ledger.Force(g.owner, source.Handles, 1)
	l.crowded = append(l.crowded, g.owner)
	l.Wake()
	return true
}

// shrink has sources pay that have more handles than their share.
func (l *loop) shrink() {
	l.handles.Lock()
	crowded := l.crowded
	l.crowded = nil
	l.handles.Unlock()
	for _, h := range crowded {
		share := l.ledger.Limits[source.Handles].Share(h.Source)
		for n := h.Use(source.Handles); share > 0 && n > share; n = h.Use(source.Handles) {
			if g := l.largestGroup(h); g != nil {
				l.closeGroup(g)
			}
			if h.Use(source.Handles) >= n {
				break // a blocking operation of that group runs on
			}
		}
	}
}

func (l *loop) largestGroup(h *holder) (largest *group) {
	l.handles.Lock()
	defer l.handles.Unlock()
	for _, g := range l.groups.byID {
		if g.owner == h && (largest == nil || len(g.handles) > len(largest.handles)) {
			largest = g
		}
	}
	return largest
}

// closeGroup closes all connections of a group.
func (l *loop) closeGroup(g *group) {
	for n := 0; g.conns > 0 && n < len(l.conns); n++ {
		if c := l.conns[n]; c != nil && c.state.group == g {
			c.limit(l, source.Handles, true, "the connections of the group that has the most are closed")
			c.close(l)
		}
	}
}
