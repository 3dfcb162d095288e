// SPDX-License-Identifier: Apache-2.0

package broker

// Routing: which worker gets a connection. Pure functions over a table of
// loads, which the loop keeps; nothing here looks at the system.

// load is what the broker knows of one worker at the moment of routing.
type load struct {
	running  bool   // its process lives and serves
	draining bool   // it wants no new groups
	leaving  bool   // it takes none: it was asked to stop, or its settings are old
	stalled  bool   // it does not read its inbox
	absent   bool   // its inbox cannot be reached right now
	inflight uint64 // sent, not yet received
	open     uint64 // received, not yet closed
	groups   uint64 // association groups, those in flight included
}

func (l *load) conns() uint64 { return l.open + l.inflight }

// blocked says that what waits for the worker had better go to another one.
func (l *load) blocked() bool { return l.draining || l.leaving || l.stalled || l.absent }

// none says that no index is suitable now.
const none = -1

// route chooses the index for a new connection. groupID 0 asks
// for a new association group; needIdle for a worker without connections.
func route(loads []load, c *Config, groupID uint32, needIdle bool) int {
	if groupID != 0 {
		if i := int(groupID >> (32 - c.IndexBits)); i < len(loads) && !loads[i].absent {
			return i
		}
		return leastLoaded(loads[:c.Workers], c) // it answers bind_nak
	}
	if needIdle && c.Spares > 0 {
		return idleSpare(loads, c.Workers)
	}
	return newGroup(loads, c)
}

// newGroup is the worker for a new association group. Spares stand in for
// ordinary workers that drain when all that are left drain, and one that runs
// and is idle where no ordinary worker runs: another rpcd has called.
func newGroup(loads []load, c *Config) int {
	i, drains := leastLoaded(loads[:c.Workers], c), false
	if i != none && !loads[i].draining {
		if s := idleSpare(loads, c.Workers); s != none && loads[s].running && !anyRuns(loads[:c.Workers]) {
			return s
		}
		return i
	}
	for k := range loads[:c.Workers] {
		drains = drains || loads[k].draining
	}
	if s := standIn(loads, c); drains && s != none {
		return s
	}
	return i
}

func anyRuns(loads []load) bool {
	for i := range loads {
		if loads[i].running {
			return true
		}
	}
	return false
}

// standIn is the least loaded of as many spares as there are ordinary workers,
// none that drains.
func standIn(loads []load, c *Config) int {
	end, fit := c.Workers, 0
	for ; end < len(loads) && fit < c.Workers; end++ {
		if l := &loads[end]; !l.draining && !l.absent {
			fit++
		}
	}
	i := leastLoaded(loads[c.Workers:end], c)
	if i == none || loads[c.Workers+i].draining {
		return none
	}
	return c.Workers + i
}

// leastLoaded takes a running worker with no group, else one not started, else
// the one with the fewest groups, then connections. Those that drain or do not
// read come last; one that is absent or leaves never.
func leastLoaded(w []load, c *Config) int {
	best, bestRank := none, rank{}
	for i := range w {
		l := &w[i]
		if l.absent || l.leaving {
			continue
		}
		r := rank{l.conns(), 0}
		switch {
		case l.draining || l.stalled:
			r.class = 5
		case c.FillFirst > 0 && l.conns() < uint64(c.FillFirst) && (l.running || l.inflight > 0):
			r = rank{uint64(i), 0} // the first of them
		case l.running && l.groups == 0:
			r.class = 1
		case !l.running && l.inflight == 0:
			r.class = 2
		default:
			r = rank{l.groups<<32 | min(l.conns(), 1<<32-1), 3}
		}
		if best == none || r.less(bestRank) {
			best, bestRank = i, r
		}
	}
	return best
}

// rank orders candidates: class first, then load; equal ones by index.
type rank struct {
	load  uint64
	class int
}

func (a rank) less(b rank) bool {
	return a.class < b.class || a.class == b.class && a.load < b.load
}

// idleSpare takes a running spare without connections, else the first spare
// without connections. Spares in use never get a second connection here.
func idleSpare(loads []load, first int) int {
	next := none
	for i := first; i < len(loads); i++ {
		l := &loads[i]
		if l.absent || l.draining || l.conns() > 0 {
			continue
		}
		if l.running {
			return i
		}
		if next == none {
			next = i
		}
	}
	return next
}

// fewestConns is the spare for a NEED_IDLE client when no idle one came up in
// time: the one with the fewest connections.
func fewestConns(loads []load, first int) int {
	best := none
	for i := first; i < len(loads); i++ {
		if !loads[i].absent && !loads[i].leaving && (best == none || loads[i].conns() < loads[best].conns()) {
			best = i
		}
	}
	return best
}
