// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/listing"
	"msrpcd/pkg/wire/uuid"
)

// Table is an endpoint map. It never changes, so that a lookup in pages goes on
// in the table that it began in.
type Table struct {
	entries []entry
	sums    []uint64 // of snapshot.go: hashes of the first 1, 2, ... entries, once asked for
}

// entry is one element of the map.
type entry struct {
	object     uuid.UUID // nil: any
	annotation string
	tower      []byte
	parsed     Tower // of tower
	host       int   // where in tower the server's IPv4 address goes, 0 = nowhere
}

// newEntry checks what it gets. An address of 0.0.0.0 is to be filled in for
// each client.
func newEntry(object uuid.UUID, annotation string, tower []byte) (e entry, err error) {
	annotation, _, _ = strings.Cut(annotation, "\x00")
	e = entry{object: object, annotation: annotation[:min(len(annotation), maxAnnotation-1)], tower: tower}
	if e.parsed, err = ParseTower(tower); err != nil {
		return e, err
	}
	for _, f := range e.parsed.Floors() {
		if f.Protocol == ProtocolIP && string(f.RHS) == "\x00\x00\x00\x00" {
			e.host = f.at
		}
	}
	return e, nil
}

// same says that two entries differ in their annotation at most.
func (e *entry) same(o *entry) bool {
	return e.object == o.object && string(e.tower) == string(o.tower)
}

// NewTable makes the map of what is planned, without the socket units that are
// masked.
func NewTable(p *plan.Plan) *Table {
	t := &Table{}
	for i := range p.Rpcds {
		r := &p.Rpcds[i]
		listeners := slices.DeleteFunc(slices.Clone(r.Listeners), func(l plan.Listener) bool { return p.Config.Masked[l.Unit] })
		for k := range r.Entry.Listing.Interfaces {
			t.add(r, &r.Entry.Listing.Interfaces[k], listeners)
		}
	}
	return t
}

// add adds the endpoints of one interface.
func (t *Table) add(r *plan.Rpcd, i *listing.Interface, listeners []plan.Listener) {
	// Samba's rpcds are listed with NDR only, as Samba does. They and native ones
	// take NDR64 when a client offers nothing else.
	transfers := []dcerpc.SyntaxID{dcerpc.NDR}
	if r.Kind == config.KindNative {
		transfers = append(transfers, dcerpc.NDR64)
	}
	for _, b := range i.Bindings {
		for _, l := range listeners {
			endpoint := endpointOf(r, &l, b)
			if endpoint == "" {
				continue
			}
			for _, transfer := range transfers {
				tower, err := AppendTower(nil, dcerpc.SyntaxID{UUID: i.UUID, Version: i.Version}, transfer,
					binding.Binding{Protseq: b.Protseq, Endpoint: endpoint})
				if err != nil {
					continue
				}
				if e, err := newEntry(uuid.UUID{}, i.Name, tower); err == nil && !t.has(&e) {
					t.entries = append(t.entries, e)
				}
			}
		}
	}
}

// endpointOf is where a listener serves a binding, "" when it does not.
func endpointOf(r *plan.Rpcd, l *plan.Listener, b binding.Binding) string {
	if b.Protseq != l.Transport.Protseq() {
		return ""
	}
	if l.Transport.IP() {
		port := r.Port
		if b.Endpoint != "" {
			port, _ = strconv.Atoi(b.Endpoint)
		}
		if slices.Contains(l.Ports, port) {
			return strconv.Itoa(port)
		}
		return ""
	}
	node, ok := plan.Node(r.Entry, b)
	if !ok || !slices.ContainsFunc(l.Nodes, func(p string) bool { return path.Base(p) == node }) {
		return ""
	}
	if b.Endpoint != "" {
		return b.Endpoint // as the program spells it
	}
	return node
}

func (t *Table) has(e *entry) bool {
	return slices.ContainsFunc(t.entries, func(o entry) bool { return o.same(e) })
}

// with is the table with more entries after its own. t does not change.
func (t *Table) with(more []entry) *Table {
	if len(more) == 0 {
		return t
	}
	n := &Table{entries: slices.Clip(t.entries)}
	for i := range more {
		if !n.has(&more[i]) {
			n.entries = append(n.entries, more[i])
		}
	}
	return n
}
