// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
)

// This file owns ept_lookup and ept_map, and how they end.
//
// Clients find the end in two ways. Those that take many entries at once (such
// as Windows and impacket) look at the handle, and count a status other than OK
// as failure, whatever came with it: a page that is not full has OK and the
// zero handle. Those that take one by one (such as rpcclient) look at the
// status: a full page keeps its handle, and the next one is empty with
// ept_s_not_registered. smbtorture takes ten and wants that status with the last
// of several pages, as Samba's mapper does; smallPage is for it.

// smallPage is the largest page of which a last one that is not full has
// ept_s_not_registered, unless it is the first.
const smallPage = 10

// lookup is ept_lookup: it lists the map.
func (m *mapper) lookup(c *rpcd.Call) dcerpc.Status {
	in, out := &m.lookupIn, &m.lookupOut
	*in = LookupRequest{}
	c.In.Params(in)
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	*out = LookupResponse{Entries: ndr.VaryingArray[Entry, *Entry]{Max: in.MaxEntries, Elem: out.Entries.Elem[:0]}}
	cur, first, status, fault := m.lookupCursor(c, in)
	if fault != 0 {
		return fault
	}
	if out.Status = status; status == OK {
		m.lookupPage(c, cur, first)
	}
	c.Out.Params(out)
	return 0
}

// lookupCursor is where the client's question is, or begins.
func (m *mapper) lookupCursor(c *rpcd.Call, in *LookupRequest) (cur *cursor[inquiry], first bool, status Status, fault dcerpc.Status) {
	if in.MaxEntries == 0 {
		return nil, false, CantPerformOp, 0
	}
	if !in.Handle.IsNil() {
		cur, fault = rpcd.Handle[*cursor[inquiry]](c, in.Handle)
		return cur, false, OK, fault
	}
	q, status := newInquiry(in)
	m.follow()
	return &cursor[inquiry]{table: m.table, q: q}, true, status, 0
}

// lookupPage fills in a page and says what comes after it.
func (m *mapper) lookupPage(c *rpcd.Call, cur *cursor[inquiry], first bool) {
	in, out := &m.lookupIn, &m.lookupOut
	room := int(min(in.MaxEntries, MaxPage))
	h := host{call: c}
	m.towers = m.towers[:0]
	for len(out.Entries.Elem) < room {
		e := cur.next()
		if e == nil {
			break
		}
		out.Entries.Elem = append(out.Entries.Elem, Entry{Object: e.object, Tower: m.tower(e, &h), Annotation: []byte(e.annotation)})
	}
	n := len(out.Entries.Elem)
	switch {
	case n < room: // the end
		if !first {
			c.DropHandle(in.Handle)
		}
		if n == 0 || !first && in.MaxEntries <= smallPage {
			out.Status = NotRegistered
		}
	case !first:
		out.Handle = in.Handle
		c.HandleChanged()
	default:
		var ok bool
		if out.Handle, ok = c.NewHandle(cur); !ok {
			out.Entries.Elem, out.Status = out.Entries.Elem[:0], NoMemory
		}
	}
}

// mapTower is ept_map: where an interface is reached.
func (m *mapper) mapTower(c *rpcd.Call) dcerpc.Status {
	in, out := &m.mapIn, &m.mapOut
	*in = MapRequest{}
	c.In.Params(in)
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	*out = MapResponse{Towers: ndr.VaryingArray[TowerRef, *TowerRef]{Max: in.MaxTowers, Elem: out.Towers.Elem[:0]}}
	m.follow()
	switch {
	case in.MaxTowers == 0:
		out.Status = CantPerformOp
	case !in.Handle.IsNil():
		cur, fault := rpcd.Handle[*cursor[wanted]](c, in.Handle)
		if fault != 0 {
			return fault
		}
		m.mapPage(c, cur)
		c.HandleChanged()
		if out.Handle = in.Handle; !cur.more() {
			c.DropHandle(in.Handle)
			out.Handle = ndr.ContextHandle{}
		}
	default:
		m.mapFirst(c)
	}
	c.Out.Params(out)
	return 0
}

// mapFirst answers a new question. Nearly all are done with it: only when there
// is more does the question need memory of its own.
func (m *mapper) mapFirst(c *rpcd.Call) {
	in, out := &m.mapIn, &m.mapOut
	tower, err := ParseTower(in.Tower.Tower.Octets)
	if err != nil {
		out.Status = CantPerformOp
		return
	}
	var object uuid.UUID
	if in.HasObject {
		object = uuid.UUID(in.Object)
	}
	cur := m.table.find(object, tower)
	m.mapPage(c, &cur)
	if !cur.more() {
		return
	}
	cur.q.tower = tower.clone()
	kept := cur
	var ok bool
	if out.Handle, ok = c.NewHandle(&kept); !ok {
		out.Towers.Elem, out.Status = out.Towers.Elem[:0], NoMemory
	}
}

func (m *mapper) mapPage(c *rpcd.Call, cur *cursor[wanted]) {
	out := &m.mapOut
	room := int(min(m.mapIn.MaxTowers, MaxPage))
	h := host{call: c}
	m.towers = m.towers[:0]
	for len(out.Towers.Elem) < room {
		e := cur.next()
		if e == nil {
			break
		}
		out.Towers.Elem = append(out.Towers.Elem, m.tower(e, &h))
	}
	if len(out.Towers.Elem) == 0 {
		out.Status = NotRegistered
	}
}

// lookupHandleFree is ept_lookup_handle_free: the client wants no more pages.
func (m *mapper) lookupHandleFree(c *rpcd.Call) dcerpc.Status {
	var in HandleFree
	c.In.Params(&in)
	if c.In.Err() != nil {
		return dcerpc.FaultBadStubData
	}
	if !in.Handle.IsNil() {
		if _, fault := rpcd.Handle[any](c, in.Handle); fault != 0 {
			return fault
		}
		c.DropHandle(in.Handle)
	}
	c.Out.ContextHandle(ndr.ContextHandle{})
	return answer(c, OK)
}
