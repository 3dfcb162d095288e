// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/plan/plantest"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

// What Samba's mapper tells on such a host (captured, with its ports), and the
// NDR64 of the native mapper; ncacn_http, which is listed, is not served.
func TestTableTellsWhatSambaTells(t *testing.T) {
	_, out := stubs(t)
	ports := strings.NewReplacer("127.0.0.1[49152]", "[49152]", "127.0.0.1[49153]", "[49155]", "127.0.0.1[49154]", "[49158]", "127.0.0.1[135]", "[135]")
	var es []Entry
	for _, r := range answers(t, out) {
		es = append(es, r.Entries.Elem...)
	}
	var want []string
	for _, e := range es {
		b := bindingOf(t, e.Tower)
		if b.Protseq == binding.HTTP {
			continue
		}
		line := string(e.Annotation) + " " + ports.Replace(b.String())
		want = append(want, line)
		if string(e.Annotation) == "epmapper" {
			want = append(want, line+" NDR64")
		}
	}
	slices.Sort(want)
	if d := cmp.Diff(want, endpoints(t, table417(t).entries)); d != "" {
		t.Errorf("Samba (-) and msrpcd (+) differ:\n%s", d)
	}
}

func TestTableLeavesOutWhatIsNotServed(t *testing.T) {
	c, cfg := samba417(t)
	cfg.Files = append(cfg.Files,
		plantest.File("/etc/msrpcd/rpcd.d/classic.conf", "Transports=none"),
		plantest.File("/etc/msrpcd/rpcd.d/lsad.conf", "Transports=tcp"))
	c.Entry("spoolss").Listing.Interfaces[0].Bindings = append(c.Entry("spoolss").Listing.Interfaces[0].Bindings,
		binding.Binding{Protseq: binding.NP, Endpoint: `\pipe\FssagentRpc`}) // fsrvp has it
	cfg.Masked = map[string]bool{"msrpc-np-winreg.socket": true, "msrpc-np-epmapper.socket": true, "msrpc-tcp-epmapper.socket": true, "msrpc-ncalrpc-epmapper.socket": true}
	want := []string{
		"FileServerVssAgent ncacn_np:[\\pipe\\FssagentRpc]", "dssetup ncacn_ip_tcp:[49155]", "lsarpc ncacn_ip_tcp:[49155]",
		"mdssvc ncacn_np:[\\pipe\\mdssvc]", "mdssvc ncalrpc:[rpcd_mdssvc]", "samr ncacn_ip_tcp:[49155]",
		"spoolss ncacn_np:[\\pipe\\spoolss]", "spoolss ncalrpc:[rpcd_spoolss]", "winreg ncacn_ip_tcp:[49158]", "winreg ncalrpc:[rpcd_winreg]",
	}
	check.Same(t, want, endpoints(t, NewTable(plan.New(c, cfg)).entries))
}

// versionsTable has one entry for each version, some for an object.
func versionsTable(t *testing.T, object uuid.UUID) *Table {
	var es []entry
	for i, v := range []struct{ major, minor uint16 }{{1, 0}, {2, 0}, {2, 1}, {2, 3}, {3, 0}} {
		id := dcerpc.SyntaxID{UUID: winreg.UUID, Version: uint32(v.minor)<<16 | uint32(v.major)}
		es = append(es, madeFor(t, id, uuid.UUID{}, fmt.Sprintf("%d.%d", v.major, v.minor), binding.TCP, fmt.Sprint(1000+i)))
	}
	o := es[2]
	o.object, o.annotation = object, "object"
	return (&Table{}).with(append(es, o))
}

func annotations[Q question](c cursor[Q]) string {
	var s []string
	for e := c.next(); e != nil; e = c.next() {
		s = append(s, e.annotation)
	}
	return strings.Join(s, " ")
}

func TestInquiries(t *testing.T) {
	object := uuid.New()
	table := versionsTable(t, object)
	id := InterfaceID{winreg.UUID, 2, 1}
	for _, tt := range []struct {
		name   string
		in     LookupRequest
		want   string
		status Status
	}{
		{"all, whatever else it says", LookupRequest{Inquiry: AllElements, HasInterface: true, Versions: 99}, "1.0 2.0 2.1 2.3 3.0 object", OK},
		{"any version", LookupRequest{Inquiry: MatchByInterface, HasInterface: true, Interface: id, Versions: VersionsAll}, "1.0 2.0 2.1 2.3 3.0 object", OK},
		{"compatible", LookupRequest{Inquiry: MatchByInterface, HasInterface: true, Interface: id, Versions: VersionCompatible}, "2.1 2.3 object", OK},
		{"exact", LookupRequest{Inquiry: MatchByInterface, HasInterface: true, Interface: id, Versions: VersionExact}, "2.1 object", OK},
		{"major version", LookupRequest{Inquiry: MatchByInterface, HasInterface: true, Interface: id, Versions: VersionMajorOnly}, "2.0 2.1 2.3 object", OK},
		{"up to", LookupRequest{Inquiry: MatchByInterface, HasInterface: true, Interface: id, Versions: VersionUpTo}, "1.0 2.0 2.1 object", OK},
		{"another interface", LookupRequest{Inquiry: MatchByInterface, HasInterface: true, Versions: VersionsAll}, "", OK},
		{"by object", LookupRequest{Inquiry: MatchByObject, HasObject: true, Object: [16]byte(object)}, "object", OK},
		{"by nil object", LookupRequest{Inquiry: MatchByObject}, "1.0 2.0 2.1 2.3 3.0", OK},
		{"by both", LookupRequest{Inquiry: MatchByBoth, HasObject: true, Object: [16]byte(object), HasInterface: true, Interface: id, Versions: VersionExact}, "object", OK},
		{"by both, another version", LookupRequest{Inquiry: MatchByBoth, HasObject: true, Object: [16]byte(object), HasInterface: true, Interface: InterfaceID{winreg.UUID, 3, 0}, Versions: VersionExact}, "", OK},
		{"no such inquiry", LookupRequest{Inquiry: 4}, "", InvalidInquiryType},
		{"no interface", LookupRequest{Inquiry: MatchByInterface, Versions: VersionsAll}, "", InvalidInquiryType},
		{"no such version option", LookupRequest{Inquiry: MatchByInterface, HasInterface: true, Versions: 0}, "", InvalidVersionOption},
		{"no such version option", LookupRequest{Inquiry: MatchByBoth, HasInterface: true, Versions: 6}, "", InvalidVersionOption},
	} {
		q, status := newInquiry(&tt.in)
		check.Is(t, tt.name, tt.status, status)
		if got := annotations(cursor[inquiry]{table: table, q: q}); status == OK && got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMap(t *testing.T) {
	object := uuid.New()
	table := versionsTable(t, object)
	ask := func(version uint32, transfer dcerpc.SyntaxID, protseq string) Tower {
		return parsed(t, towerRef(t, dcerpc.SyntaxID{UUID: winreg.UUID, Version: version}, transfer, binding.Binding{Protseq: protseq}))
	}
	for _, tt := range []struct {
		name   string
		object uuid.UUID
		tower  Tower
		want   string
	}{
		{"at least this minor version", uuid.UUID{}, ask(1<<16|2, dcerpc.NDR, binding.TCP), "2.1 2.3"},
		{"an object that has an entry", object, ask(1<<16|2, dcerpc.NDR, binding.TCP), "object"},
		{"an object that has none for this version", object, ask(3, dcerpc.NDR, binding.TCP), "3.0"},
		{"an unknown object", uuid.New(), ask(1, dcerpc.NDR, binding.TCP), "1.0"},
		{"too new", uuid.UUID{}, ask(4<<16|2, dcerpc.NDR, binding.TCP), ""},
		{"another transfer syntax", uuid.UUID{}, ask(2, dcerpc.NDR64, binding.TCP), ""},
		{"other protocols", uuid.UUID{}, ask(2, dcerpc.NDR, binding.Ncalrpc), ""},
		{"other protocols, as many", uuid.UUID{}, ask(2, dcerpc.NDR, binding.NP), ""},
	} {
		c := table.find(tt.object, tt.tower)
		check.Is(t, tt.name, tt.want, annotations(c))
		c.q.tower = tt.tower.clone()
		if got := annotations(c); got != tt.want {
			t.Errorf("%s, kept: %q, want %q", tt.name, got, tt.want)
		}
	}
}
