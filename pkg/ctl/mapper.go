// SPDX-License-Identifier: Apache-2.0

// The client's side of an endpoint mapper, of any host and any make. Nothing
// that it says is trusted: pages and entries are bounded, towers parsed.

package ctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/servers/epm"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

const (
	mapperPort = "135"
	pageSize   = 100    // entries asked for at once
	maxEntries = 20_000 // entries of one mapper; Windows has a few hundred
)

// mapped is one endpoint of an interface, as an endpoint mapper has it.
type mapped struct {
	Name       string   `json:"name,omitempty"` // of the interface, if it has one here
	UUID       string   `json:"uuid"`
	Version    string   `json:"version"` // MAJOR.MINOR
	Annotation string   `json:"annotation,omitempty"`
	Object     string   `json:"object,omitempty"`
	Binding    string   `json:"binding"` // "" = of protocols that are not known here
	Transfer   []string `json:"transfer_syntaxes"`

	where binding.Binding
}

// mapper is a connection to an endpoint mapper.
type mapper struct {
	conn  *rpcclient.Conn
	host  string // as it was asked for
	names names
}

// dialMapper connects to the endpoint mapper of a host, at its
// usual port unless t has another endpoint.
func dialMapper(ctx context.Context, t target, timeout time.Duration, n names, who *credentials) (*mapper, error) {
	if t.binding.Protseq == binding.TCP && t.binding.Endpoint == "" {
		t.binding.Endpoint = mapperPort
	}
	o, err := who.options(ctx, t, rpcclient.Options{Timeout: timeout})
	if err != nil {
		return nil, err
	}
	c, err := rpcclient.Dial(ctx, t.binding, o)
	if err != nil {
		return nil, fmt.Errorf("endpoint mapper: %w", err)
	}
	if err := c.Bind(ctx, 0, epm.Interface); err != nil {
		c.Close()
		return nil, fmt.Errorf("endpoint mapper: %w", remedy(err))
	}
	return &mapper{c, t.binding.Host, n}, nil
}

// lookup lists everything (ept_lookup), page by page.
func (m *mapper) lookup(ctx context.Context) ([]mapped, error) {
	list := []mapped{}
	in := epm.LookupRequest{Inquiry: epm.AllElements, Versions: epm.VersionsAll, MaxEntries: pageSize}
	for n := 0; ; {
		var out epm.LookupResponse
		if err := m.conn.Call(ctx, rpcclient.Operation{Interface: epm.Interface, Opnum: epm.OpLookup}, &in, &out); err != nil {
			return nil, fmt.Errorf("ept_lookup: %w", remedy(err))
		}
		for i := range out.Entries.Elem {
			e := &out.Entries.Elem[i]
			list = m.add(list, e.Object, e.Tower.Tower.Octets, e.Annotation)
		}
		// Samba sends ept_s_not_registered together with the last entries.
		if out.Status != epm.OK && out.Status != epm.NotRegistered {
			return nil, fmt.Errorf("ept_lookup: the endpoint mapper says %w", out.Status)
		}
		if out.Handle.IsNil() || out.Status == epm.NotRegistered {
			return list, nil
		}
		if n += len(out.Entries.Elem); len(out.Entries.Elem) == 0 || n > maxEntries {
			return nil, errors.New("ept_lookup: the endpoint mapper's answer has no end")
		}
		in.Handle = out.Handle
	}
}

// ask asks where an interface is served over TCP (ept_map).
func (m *mapper) ask(ctx context.Context, iface dcerpc.SyntaxID) ([]mapped, error) {
	tower, err := epm.AppendTower(nil, iface, dcerpc.NDR, binding.Binding{Protseq: binding.TCP})
	if err != nil {
		return nil, err
	}
	in := epm.MapRequest{MaxTowers: pageSize}
	in.Tower.Present, in.Tower.Tower.Octets = true, tower
	var out epm.MapResponse
	if err := m.conn.Call(ctx, rpcclient.Operation{Interface: epm.Interface, Opnum: epm.OpMap}, &in, &out); err != nil {
		return nil, fmt.Errorf("ept_map: %w", remedy(err))
	}
	list := []mapped{}
	for i := range out.Towers.Elem {
		list = m.add(list, uuid.UUID{}, out.Towers.Elem[i].Tower.Octets, nil)
	}
	switch {
	case out.Status != epm.OK && out.Status != epm.NotRegistered:
		return nil, fmt.Errorf("ept_map: the endpoint mapper says %w", out.Status)
	case len(list) == 0:
		return nil, fmt.Errorf("the endpoint mapper knows no TCP port of interface %s", m.names.text(iface))
	}
	return list, nil
}

// add adds a tower; one that differs in the transfer syntax alone is not
// another endpoint.
func (m *mapper) add(list []mapped, object uuid.UUID, octets, annotation []byte) []mapped {
	tower, err := epm.ParseTower(octets)
	if err != nil {
		return list // or a null pointer
	}
	e := mapped{
		Name: m.names.of(tower.Interface), UUID: tower.Interface.UUID.String(),
		Version: versionText(tower.Interface), Annotation: string(annotation),
	}
	if !object.IsNil() {
		e.Object = object.String()
	}
	if b, ok := tower.Binding(); ok {
		if b.Host == "" && (b.Protseq == binding.TCP || b.Protseq == binding.HTTP) {
			b.Host = m.host // no address, or one of a family that towers do not have
		}
		e.where, e.Binding = b, b.String()
	}
	transfer := transferText(tower.Transfer)
	for i := range list {
		l := &list[i]
		if l.UUID == e.UUID && l.Version == e.Version && l.Annotation == e.Annotation && l.Object == e.Object && l.Binding == e.Binding {
			if !slices.Contains(l.Transfer, transfer) {
				l.Transfer = append(l.Transfer, transfer)
			}
			return list
		}
	}
	e.Transfer = []string{transfer}
	return append(list, e)
}

func transferText(id dcerpc.SyntaxID) string {
	switch id {
	case dcerpc.NDR:
		return "ndr"
	case dcerpc.NDR64:
		return "ndr64"
	}
	return syntaxText(id)
}

// tcp is the endpoint on the host that was asked: an address in a tower may be
// one that only the server itself can reach.
func (e *mapped) tcp(host string) (binding.Binding, bool) {
	return binding.Binding{Protseq: binding.TCP, Host: host, Endpoint: e.where.Endpoint}, e.where.Protseq == binding.TCP
}
