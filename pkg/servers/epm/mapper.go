// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"log/slog"
	"time"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/rpc/auth/authd"
	"msrpcd/pkg/rpc/rpcd"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
)

// mapper is the state of the server. All its operations run on the server's one
// loop, so it needs no locks.
type mapper struct {
	source *Source
	plan   *Table // what source read last
	added  added
	table  *Table // both
	now    func() time.Time

	// Arguments and results, kept so that a call allocates little.
	lookupIn  LookupRequest
	lookupOut LookupResponse
	mapIn     MapRequest
	mapOut    MapResponse
	towers    []byte // those with an address filled in
}

// Server is the endpoint mapper as an rpcd.
func Server() *rpcd.Server {
	m := newMapper(DefaultSource(), statePath())
	return &rpcd.Server{
		Name: "epmapper", Workers: 1, IdleSec: 60, Auth: authd.Host(),
		Interfaces: []*rpcd.Interface{{
			UUID: Interface.UUID, Major: Interface.Major(), Minor: Interface.Minor(), Name: "epmapper",
			Bindings: []binding.Binding{
				{Protseq: binding.NP, Endpoint: `\pipe\epmapper`},
				{Protseq: binding.TCP, Endpoint: "135"},
				{Protseq: binding.Ncalrpc, Endpoint: "EPMAPPER"},
			},
			Ops:     m.ops(),
			Restore: m.restore,
		}},
		Start: m.start,
	}
}

func (m *mapper) ops() []rpcd.Op {
	return []rpcd.Op{
		OpInsert:           {Name: "ept_insert", Run: m.insert},
		OpDelete:           {Name: "ept_delete", Run: m.delete},
		OpLookup:           {Name: "ept_lookup", Run: m.lookup},
		OpMap:              {Name: "ept_map", Run: m.mapTower},
		OpLookupHandleFree: {Name: "ept_lookup_handle_free", Run: m.lookupHandleFree},
		OpInqObject:        {Name: "ept_inq_object", Run: m.inqObject},
		OpMgmtDelete:       {Name: "ept_mgmt_delete", Run: m.mgmtDelete},
	}
}

func newMapper(s *Source, state string) *mapper {
	return &mapper{source: s, added: added{path: state}, plan: &Table{}, table: &Table{}, now: time.Now}
}

// start reads what is known. A mapper that knows nothing yet serves, so that
// no client waits for it.
func (m *mapper) start() error {
	if err := m.added.load(); err != nil {
		slog.Warn(err.Error(), journal.MessageID, journal.IDEntriesUnusable)
	}
	m.follow()
	return nil
}

// follow takes up a changed plan; one that cannot be read leaves the last one.
func (m *mapper) follow() {
	if !m.source.Changed(m.now()) {
		return
	}
	t, err := m.source.Load()
	if err != nil {
		slog.Warn("endpoints stay those that were known: "+err.Error(), journal.MessageID, journal.IDCatalogueUnusable)
		t = m.plan
	}
	m.plan = t
	m.merge()
}

func (m *mapper) merge() { m.table = m.plan.with(m.added.entries) }

// host is the server's IPv4 address as this client sees it: over TCP the one
// that it reached, over named pipes the one that it reached the SMB server at.
// It is 0.0.0.0, "where you asked", on IPv6, which towers cannot hold, and on
// ncalrpc.
type host struct {
	call  *rpcd.Call
	known bool
	ip    [4]byte
}

func (h *host) address() []byte {
	if !h.known {
		h.known = true
		if a := h.call.Caller().Local.Addr(); a.Is4() {
			h.ip = a.As4()
		}
	}
	return h.ip[:]
}

// tower is an entry's tower for the client. It is valid until towers is reset.
func (m *mapper) tower(e *entry, h *host) TowerRef {
	b := e.tower
	if e.host != 0 {
		start := len(m.towers)
		m.towers = append(m.towers, b...)
		b = m.towers[start:len(m.towers):len(m.towers)]
		copy(b[e.host:], h.address())
	}
	return TowerRef{Present: true, Tower: TowerOctets{Octets: b}}
}

// answer writes a lone status.
func answer(c *rpcd.Call, s Status) dcerpc.Status {
	c.Out.Uint32(uint32(s))
	return 0
}
