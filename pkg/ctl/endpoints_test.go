// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/servers/epm"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

// pages are the answers of a mapper, one for each ept_lookup.
func pages(t *testing.T, answers ...*epm.LookupResponse) *server {
	n := 0
	return &server{group: 1, lookup: func(in *epm.LookupRequest) *epm.LookupResponse {
		if in.Inquiry != epm.AllElements || in.Versions != epm.VersionsAll || in.MaxEntries == 0 || (n == 0) != in.Handle.IsNil() {
			t.Errorf("page %d: asked for %+v", n, in)
		}
		a := answers[min(n, len(answers)-1)]
		a.Entries.Max = in.MaxEntries
		n++
		return a
	}}
}

func page(h bool, status epm.Status, entries ...epm.Entry) *epm.LookupResponse {
	r := &epm.LookupResponse{Status: status}
	r.Entries.Elem = entries
	if h {
		r.Handle = handle
	}
	return r
}

const winregIface = "338cd001-2244-31f1-aaaa-900038001003/1.0"

func TestEndpoints(t *testing.T) {
	object := entry(t, winregIface, dcerpc.NDR, binding.Binding{Protseq: "ncacn_np", Host: "HOST", Endpoint: `\pipe\winreg`}, "")
	object.Object = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")
	first := []epm.Entry{
		entry(t, winregIface, dcerpc.NDR, binding.Binding{Protseq: "ncacn_ip_tcp", Host: "192.0.2.1", Endpoint: "49152"}, "Registry"),
		entry(t, winregIface, dcerpc.NDR64, binding.Binding{Protseq: "ncacn_ip_tcp", Host: "192.0.2.1", Endpoint: "49152"}, "Registry"),
		entry(t, winregIface, dcerpc.NDR, binding.Binding{Protseq: "ncacn_ip_tcp", Endpoint: "49152"}, ""),
	}
	second := []epm.Entry{
		{}, // a null pointer
		{Tower: epm.TowerRef{Present: true, Tower: epm.TowerOctets{Octets: []byte("no tower")}}},
		object,
		entry(t, "00000001-0000-0000-0000-000000000000/1.2", dcerpc.NDR, binding.Binding{Protseq: "ncalrpc", Endpoint: "X\x1b[2J"}, "\x1b[1mbold\xff"),
	}
	const want = `INTERFACE  UUID                                  VERSION  BINDING                                                                  ANNOTATION
winreg     338cd001-2244-31f1-aaaa-900038001003  1.0      ncacn_ip_tcp:192.0.2.1[49152]                                            Registry
winreg     338cd001-2244-31f1-aaaa-900038001003  1.0      ncacn_ip_tcp:127.0.0.1[49152]                                            -
winreg     338cd001-2244-31f1-aaaa-900038001003  1.0      00112233-4455-6677-8899-aabbccddeeff@ncacn_np:HOST[\pipe\winreg]  -
-          00000001-0000-0000-0000-000000000000  1.2      ncalrpc:[X\x1b[2J]                                                       \x1b[1mbold\xff
`
	for name, s := range map[string]*server{
		"handle ends it":           pages(t, page(true, epm.OK, first...), page(false, epm.OK, second...)),
		"an empty page ends it":    pages(t, page(true, epm.OK, first...), page(true, epm.OK, second...), page(false, epm.NotRegistered)),
		"as samba, in two answers": pages(t, page(true, epm.OK, first...), page(true, epm.NotRegistered, second...)),
	} {
		out, err, status := run(t, "endpoints", "ncacn_ip_tcp:127.0.0.1["+s.start(t)+"]")
		if d := cmp.Diff(squeeze(want), squeeze(out)); d != "" || err != "" || status != 0 {
			t.Errorf("%s: exit status %d\n%s%s", name, status, err, d)
		}
	}

	out, _, _ := run(t, "endpoints", "--json", "ncacn_ip_tcp:127.0.0.1["+pages(t, page(false, 0, first...)).start(t)+"]")
	var list []mapped
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err, out)
	}
	if d := cmp.Diff([]string{"ndr", "ndr64"}, list[0].Transfer); d != "" || len(list) != 2 || list[0].Annotation != "Registry" {
		t.Error(d, out)
	}
}

// squeeze makes one blank of several: the widths follow from the contents.
func squeeze(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return strings.Join(lines, "\n")
}

func TestEndpointsThatAreRefused(t *testing.T) {
	e := entry(t, winregIface, dcerpc.NDR, binding.Binding{Protseq: "ncacn_ip_tcp", Endpoint: "49152"}, "")
	for want, s := range map[string]*server{
		"the endpoint mapper says ept_s_cant_perform_op":          pages(t, page(false, epm.CantPerformOp)),
		"the endpoint mapper's answer has no end":                 pages(t, page(true, epm.OK)),
		"ept_lookup: the endpoint mapper's answer has no end":     pages(t, page(true, epm.OK, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e, e)),
		"bind: the server refuses the bind: temporary congestion": {},
		"is refused by the server: interface not supported":       {group: 1, refused: epm.Interface},
	} {
		_, err, status := run(t, "endpoints", "ncacn_ip_tcp:127.0.0.1["+s.start(t)+"]")
		if status != 1 || !strings.HasPrefix(err, "msrpcctl: endpoints: ") || !strings.Contains(err, want) {
			t.Errorf("exit status %d, %q, want %q", status, err, want)
		}
	}
}

// maps is a mapper that answers ept_map with entries.
func maps(t *testing.T, status epm.Status, entries ...epm.Entry) *server {
	return &server{group: 1, ask: func(in *epm.MapRequest) *epm.MapResponse {
		tower, err := epm.ParseTower(in.Tower.Tower.Octets)
		if err != nil || syntaxText(tower.Interface) != winregIface {
			t.Errorf("asked for %+v, %v", tower, err)
		}
		r := &epm.MapResponse{Status: status}
		r.Towers.Max = in.MaxTowers
		for _, e := range entries {
			r.Towers.Elem = append(r.Towers.Elem, e.Tower)
		}
		return r
	}}
}

func TestEndpointOfOneInterface(t *testing.T) {
	e := entry(t, winregIface, dcerpc.NDR, binding.Binding{Protseq: "ncacn_ip_tcp", Host: "192.0.2.1", Endpoint: "49152"}, "")
	out, _, status := run(t, "endpoints", "--interface", "WINREG", "ncacn_ip_tcp:127.0.0.1["+maps(t, 0, e, e).start(t)+"]")
	if want := "winreg 338cd001-2244-31f1-aaaa-900038001003 1.0 ncacn_ip_tcp:192.0.2.1[49152] -\n"; !strings.HasSuffix(squeeze(out), want) || strings.Count(out, "\n") != 2 || status != 0 {
		t.Errorf("exit status %d\n%s", status, out)
	}
	_, err, status := run(t, "endpoints", "--interface", winregIface, "ncacn_ip_tcp:127.0.0.1["+maps(t, epm.NotRegistered).start(t)+"]")
	if want := "msrpcctl: endpoints: the endpoint mapper knows no TCP port of interface winreg " + winregIface + "\n"; err != want || status != 1 {
		t.Errorf("exit status %d\n%s", status, err)
	}
}
