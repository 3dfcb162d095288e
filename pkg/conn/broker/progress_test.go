// SPDX-License-Identifier: Apache-2.0

package broker

import "slices"

// This file checks in what order conns get on: into the parking, and to workers.

// lateOrder: those that the parking did not take go there in order, none before
// those that came late earlier, and no newcomer before them.
func (m *model) lateOrder() {
	m.t.Helper()
	late, parked := m.b.conns.ids(&m.b.waiting.at[late]), m.b.conns.ids(&m.b.waiting.at[parked])
	before := slices.DeleteFunc(m.late, func(id uint64) bool { return !slices.Contains(late, id) && !slices.Contains(parked, id) })
	past := 0
	for past < len(before) && slices.Contains(parked, before[past]) {
		past++
	}
	if stay := before[past:]; len(late) < len(stay) || !slices.Equal(late[:len(stay)], stay) {
		m.t.Errorf("late are %x, and were %x; %d of these are parked", late, before, past)
	}
	for _, id := range parked {
		if past < len(before) && !m.known[id] {
			m.t.Errorf("%x has come and is parked, and %x is late", id, before[past:])
		}
	}
	m.late, m.known = late, map[uint64]bool{}
	for _, id := range slices.Concat(late, parked) {
		m.known[id] = true
	}
}

// ids of the conns in a list.
func (cs conns) ids(l *list) (ids []uint64) {
	for fd := l.head; fd != end; fd = cs.after(l, fd) {
		ids = append(ids, cs[fd].id)
	}
	return ids
}

// progress: no conn that any worker may serve waits for one that takes nothing,
// while another one has room.
func (c *checker) progress() {
	stuck, fit := none, none
	for i := range c.cfg.Workers {
		queue := c.workers.inboxes[i].queue
		switch l := c.loadOf(i); {
		case !l.blocked():
			if len(queue) == 0 {
				fit = i
			}
		case slices.ContainsFunc(queue, func(w waiter) bool {
			conn := &c.conns[w.fd]
			return conn.id == w.id && conn.state == wantInbox && conn.groupID == 0
		}):
			stuck = i
		}
	}
	c.must(stuck == none || fit == none, "conns wait for worker %d, which takes none now, and worker %d has room", stuck, fit)
}
