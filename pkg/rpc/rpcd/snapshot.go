// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"log/slog"

	"msrpcd/pkg/host/journal"
)

// This file owns what of a connection and of its group's handles is written
// down for the next process.

// Snapshotter is the value of a context handle that can outlive the process.
// Snapshot runs on the loop, perhaps while a blocking operation uses the value.
// The Restore of the interface that made the handle
// gets what it returns, in the next process.
//
// A group with a handle that is not a Snapshotter, or fails to be one, is not kept
// at all: its connections end with the process.
type Snapshotter interface{ Snapshot() ([]byte, error) }

// HandleChanged says that the value of a handle is not what it was, so that
// the next incarnation gets it as it is now. NewHandle and DropHandle say so
// by themselves.
func (c *Call) HandleChanged() { c.group.dirty.Store(true) }

// encode is the state of a connection, valid until the next one. Bytes that it
// holds belong to it only at the end; before, whoever holds some is marked.
func (l *loop) encode(c *conn) []byte {
	s := saved{maxFrag: c.state.maxFrag}
	if c.state.bound {
		s.flags |= savedBound
	}
	if c.calls.Multiplex {
		s.flags |= savedMultiplex
	}
	if c.phase == wantNPA {
		s.flags |= savedWantNPA
	}
	if c.state.signHeader {
		s.flags |= savedSignHeader
	}
	if c.state.keepOrphan {
		s.flags |= savedKeepOrphan
	}
	if len(c.state.securities) > 0 {
		s.flags |= savedSecure
		s.securities, _ = c.saveSecurities()
	}
	if c.state.explicit {
		s.flags |= savedExplicit
	}
	for i := range c.state.contexts {
		x := &c.state.contexts[i]
		s.contexts = append(s.contexts, savedContext{iface: x.iface.id(), id: x.id, ndr64: x.ndr64, both: x.both})
	}
	if l.final {
		s.in, s.out = c.in, c.out
		if call, ok := c.calls.Collecting(); ok {
			s.flags |= savedCall
			s.call = *call
		}
	}
	if g := c.state.group; g != nil && c.state.bound {
		s.group = g.id
		if g.keeper == c {
			l.snapshot(g, &s)
		}
	}
	l.state = s.append(l.state[:0])
	for i := range s.securities {
		clear(s.securities[i].state)
	}
	b := l.state
	if cap(b) > keepBuffer {
		l.state = nil
	}
	return b
}

// snapshot puts the handles of a group into s.
func (l *loop) snapshot(g *group, s *saved) {
	l.handles.Lock()
	defer l.handles.Unlock()
	g.generation++
	s.flags |= savedHandles
	s.generation = g.generation
	g.lost = false
	size := 0
	for id, h := range g.handles {
		state, ok := l.snapshotOf(h)
		if size += len(state); !ok || size > maxHandles {
			g.lost = true
			s.flags |= savedLost
			s.handles = nil
			return
		}
		s.handles = append(s.handles, savedHandle{id: id, iface: h.iface.id(), state: state})
	}
}

func (l *loop) snapshotOf(h handle) (state []byte, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			l.causes.Log(l.log, slog.LevelError, "panic snapshot", journal.IDOperationFailed,
				"snapshot of a context handle failed: report this as a bug", journal.Error, r)
			ok = false
		}
	}()
	v, ok := h.value.(Snapshotter)
	if !ok || h.iface.Restore == nil {
		return nil, false
	}
	state, err := v.Snapshot()
	return state, err == nil
}
