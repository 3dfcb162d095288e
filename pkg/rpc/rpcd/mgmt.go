// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
)

// The management interface (C706 appendix Q), which every server offers
// wherever it listens. All its operations return an error_status_t last.
const (
	mgmtOK        = 0
	mgmtCantDo    = dcerpc.Status(0x00000005) // stop_server_listening by a client: access denied
	mgmtNoPrinc   = dcerpc.Status(0x000006c3) // RPC_S_UNKNOWN_AUTHN_SERVICE: none that is served has principals
	mgmtStatCount = 4
)

func newMgmt(l *loop) *Interface {
	return &Interface{
		UUID: uuid.MustParse("afa8bd80-7d8a-11c9-bef4-08002b102989"), Major: 1, Name: "mgmt",
		Ops: []Op{
			{Name: "inq_if_ids", Run: l.inqIfIDs},
			{Name: "inq_stats", Run: l.inqStats},
			{Name: "is_server_listening", Run: isServerListening},
			{Name: "stop_server_listening", Run: stopServerListening},
			{Name: "inq_princ_name", Run: inqPrincName},
		},
	}
}

// ifID is rpc_if_id_t.
type ifID struct {
	uuid         uuid.UUID
	major, minor uint16
}

// inqIfIDs writes an rpc_if_id_vector_t: a unique pointer to a count and an
// array of unique pointers to interface ids.
func (l *loop) inqIfIDs(c *Call) dcerpc.Status {
	if err := c.In.Err(); err != nil {
		return dcerpc.FaultBadStubData
	}
	ids := l.offeredIDs(c)
	c.Out.Unique(true)
	c.Out.Count(len(ids))
	c.Out.Struct(ndr.AlignPtr)
	c.Out.Uint32(uint32(len(ids)))
	for range ids {
		c.Out.Unique(true)
	}
	c.Out.EndStruct(ndr.AlignPtr)
	for i := range ids {
		c.Out.Struct(ndr.Align4)
		c.Out.UUID(ids[i].uuid)
		c.Out.Uint16(ids[i].major)
		c.Out.Uint16(ids[i].minor)
		c.Out.EndStruct(ndr.Align4)
	}
	c.Out.Uint32(mgmtOK)
	return 0
}

// offeredIDs are the interfaces where the call came in, and mgmt.
func (l *loop) offeredIDs(c *Call) []ifID {
	e := &l.endpoints[c.conn.endpoint]
	ids := l.ids[:0]
	for _, i := range l.srv.Interfaces {
		if l.offered(i, e) {
			ids = append(ids, ifID{i.UUID, i.Major, i.Minor})
		}
	}
	l.ids = append(ids, ifID{l.mgmt.UUID, l.mgmt.Major, l.mgmt.Minor})
	return l.ids
}

// inqStats has count in and out, and an array of that many numbers (C706). Samba
// has both in a structure, which makes another order in NDR64.
func (l *loop) inqStats(c *Call) dcerpc.Status {
	n := min(c.In.Uint32(), mgmtStatCount)
	if c.In.Err() != nil { // Samba sends another argument
		return dcerpc.FaultBadStubData
	}
	l.stats[3] = l.stats[2]
	l.stats[1] = 0
	c.Out.Uint32(n)
	c.Out.Count(int(n))
	for _, v := range l.stats[:n] {
		c.Out.Uint32(v)
	}
	c.Out.Uint32(mgmtOK)
	return 0
}

func isServerListening(c *Call) dcerpc.Status {
	c.Out.Uint32(mgmtOK)
	c.Out.Uint32(1)
	return 0
}

func stopServerListening(c *Call) dcerpc.Status {
	c.Out.Uint32(uint32(mgmtCantDo))
	return 0
}

// inqPrincName has authn_proto and princ_name_size in; no protocol
// that is served has a principal.
func inqPrincName(c *Call) dcerpc.Status {
	c.In.Uint32()
	size := c.In.Uint32()
	if err := c.In.Err(); err != nil || size == 0 {
		return dcerpc.FaultBadStubData
	}
	c.Out.Count(int(size))
	c.Out.Varying(0, 1)
	c.Out.Uint8(0)
	c.Out.Uint32(uint32(mgmtNoPrinc))
	return 0
}
