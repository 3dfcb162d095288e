// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"crypto/hmac"
	"crypto/sha256"
	"log/slog"
	"os"
	"slices"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
)

// This file owns the calls that change the map, which only local root may, over
// ncalrpc (MS-RPCE does not have them on the wire at all), and ept_inq_object.

// change decodes the arguments of a call that changes the map, and makes the
// change if local root calls.
func (m *mapper) change(c *rpcd.Call, in ndr.Value, do func() Status) dcerpc.Status {
	c.In.Params(in)
	switch {
	case c.In.Err() != nil:
		return dcerpc.FaultBadStubData
	case !c.Caller().LocalRoot():
		return answer(c, CantPerformOp)
	}
	return answer(c, do())
}

// insert is ept_insert.
func (m *mapper) insert(c *rpcd.Call) dcerpc.Status {
	var in InsertRequest
	return m.change(c, &in, func() Status {
		es, ok := entriesOf(in.Elem)
		if !ok {
			return InvalidEntry
		}
		m.follow()
		return m.changed(m.added.insert(es, in.Replace != 0))
	})
}

// entriesOf copies entries out of a stub.
func entriesOf(elems []Entry) (es []entry, ok bool) {
	for i := range elems {
		e := &elems[i]
		tower := append([]byte(nil), e.Tower.Tower.Octets...)
		n, err := newEntry(e.Object, string(e.Annotation), tower)
		if err != nil {
			return nil, false
		}
		es = append(es, n)
	}
	return es, true
}

// changed is what follows from a change of the inserted entries.
func (m *mapper) changed(err error) Status {
	switch {
	case err == nil:
		m.merge()
		return OK
	case err == errAddedFull:
		return NoMemory
	case m.added.path == "":
		return CantCreate
	}
	slog.Error(sys.Hint(err).Error(), journal.MessageID, journal.IDEntriesUnusable)
	return UpdateFailed
}

// delete is ept_delete: entries go that have the same objects and towers.
func (m *mapper) delete(c *rpcd.Call) dcerpc.Status {
	var in Entries
	return m.change(c, &in, func() Status {
		es, ok := entriesOf(in.Elem)
		if !ok {
			return InvalidEntry
		}
		return m.remove(func(o *entry) bool {
			return slices.ContainsFunc(es, func(e entry) bool { return e.same(o) })
		})
	})
}

// mgmtDelete is ept_mgmt_delete: entries go that have the tower, and the object
// if one is given.
func (m *mapper) mgmtDelete(c *rpcd.Call) dcerpc.Status {
	var in MgmtDeleteRequest
	return m.change(c, &in, func() Status {
		return m.remove(func(o *entry) bool {
			return (in.ObjectSpecified == 0 || o.object == uuid.UUID(in.Object)) && string(o.tower) == string(in.Tower.Tower.Octets)
		})
	})
}

// remove removes inserted entries. Those of msrpcd's own rpcds are not there to
// be removed: they are what is served.
func (m *mapper) remove(match func(*entry) bool) Status {
	m.follow()
	found, err := m.added.remove(match)
	if err != nil || found {
		return m.changed(err)
	}
	for i := range m.plan.entries {
		if match(&m.plan.entries[i]) {
			return CantPerformOp
		}
	}
	return NotRegistered
}

// inqObject is ept_inq_object: the identity of this host's endpoint map.
func (m *mapper) inqObject(c *rpcd.Call) dcerpc.Status {
	c.Out.UUID(mapObject("/etc/machine-id"))
	return answer(c, OK)
}

// mapObject is made of the machine id, which it does not disclose (machine-id(5)
// asks for that); nil without one.
func mapObject(path string) (u uuid.UUID) {
	id, err := os.ReadFile(path)
	if err != nil || len(id) < 32 {
		return u
	}
	h := hmac.New(sha256.New, id[:32])
	h.Write(Interface.UUID[:])
	copy(u[:], h.Sum(nil))
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}
