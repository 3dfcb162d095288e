// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/plan/plantest"
	"msrpcd/tests/tools/check"
)

func TestListeners(t *testing.T) {
	for _, c := range []struct {
		name      string
		listing   string
		addresses []string
		port      int
		want      []plan.Listener
		problem   string
	}{
		{
			name: "all transports", listing: plantest.Lists(`ncacn_np:[\pipe\WinReg]`, "ncacn_ip_tcp:", "ncalrpc:", "ncacn_http:[593]"), port: 49200,
			want: []plan.Listener{
				{layout.NP, "msrpc-np-x.socket", []string{"/run/samba/ncalrpc/np/winreg"}, nil},
				{layout.TCP, "msrpc-tcp-x.socket", []string{":49200"}, []int{49200}},
				{layout.Ncalrpc, "msrpc-ncalrpc-x.socket", []string{"/run/samba/ncalrpc/rpcd_x"}, nil},
			},
		},
		{
			name: "addresses", listing: plantest.Lists("ncacn_ip_tcp:[135]", "ncacn_ip_tcp:"), port: 49200,
			addresses: []string{"192.0.2.1", "2001:db8::1"},
			want: []plan.Listener{{layout.TCP, "msrpc-tcp-x.socket",
				[]string{"192.0.2.1:135", "[2001:db8::1]:135", "192.0.2.1:49200", "[2001:db8::1]:49200"}, []int{135, 49200}}},
		},
		{name: "no address", listing: plantest.Lists("ncacn_ip_tcp:"), port: 49200, addresses: []string{}},
		{name: "no port", listing: plantest.Lists("ncacn_ip_tcp:"), problem: "no TCP port"},
		{name: "only HTTP", listing: plantest.Lists("ncacn_http:[593]")},
		{name: "nothing", listing: "5\n60\n"},
		{
			name: "local endpoint", listing: plantest.Lists("ncalrpc:[EPMAPPER]"),
			want: []plan.Listener{{layout.Ncalrpc, "msrpc-ncalrpc-x.socket", []string{"/run/samba/ncalrpc/EPMAPPER"}, nil}},
		},
		{
			name: "shared pipes", want: []plan.Listener{{layout.NP, "msrpc-np-x.socket", []string{"/run/samba/ncalrpc/np/lsarpc"}, nil}},
			listing: plantest.Lists(`ncacn_np:[\pipe\lsarpc]`) + "338cd001-2244-31f1-aaaa-900038001004/0x00000001 b\n ncacn_np:[\\PIPE\\LSARPC]\n",
		},
		{
			name: "pipes without RPC", listing: "1\n10\n\\pipe\\tsvcpipe 2 1535 4096\n",
			want: []plan.Listener{{layout.NP, "msrpc-np-x.socket", []string{"/run/samba/ncalrpc/np/tsvcpipe"}, nil}},
		},
	} {
		cat := &catalogue.Catalogue{Samba: plantest.Samba("4.22.0"), Addresses: c.addresses}
		plantest.Add(t, cat, "rpcd_x", c.listing).Port = c.port
		p := plan.New(cat, plantest.Defaults())
		var got []plan.Listener
		if len(p.Rpcds) > 0 {
			got = p.Rpcds[0].Listeners
		}
		check.SameIn(t, c.name, c.want, got)
		if all := plantest.Problems(p); c.problem == "" && all != "" || !strings.Contains(all, c.problem) {
			t.Errorf("%s: problems %q, want %q", c.name, all, c.problem)
		}
	}
}

func TestAnEndpointGoesToTheFirst(t *testing.T) {
	cat := &catalogue.Catalogue{Samba: plantest.Samba("4.22.0")}
	plantest.Add(t, cat, "rpcd_a", plantest.Lists(`ncacn_np:[\pipe\winreg]`, "ncacn_ip_tcp:[5000]", "ncalrpc:[X]")).Port = 0
	plantest.Add(t, cat, "rpcd_b", plantest.Lists(`ncacn_np:[\pipe\WINREG]`, `ncacn_np:[\pipe\own]`, "ncacn_ip_tcp:", "ncalrpc:[X]")).Port = 5000
	plantest.Add(t, cat, "rpcd_c", plantest.Lists(`ncacn_np:[\pipe\winreg]`))
	p := plan.New(cat, plantest.Defaults())
	if len(p.Rpcds) != 2 || len(p.Rpcds[0].Listeners) != 3 {
		t.Fatalf("rpcds %+v", p.Rpcds)
	}
	want := []plan.Listener{{layout.NP, "msrpc-np-b.socket", []string{"/run/samba/ncalrpc/np/own"}, nil}}
	check.SameIn(t, "second rpcd", want, p.Rpcds[1].Listeners)
	for i, part := range []string{"b: pipe winreg belongs to a", "b: TCP port 5000 belongs to a", "b: ncalrpc endpoint X belongs to a", "c: pipe winreg belongs to a"} {
		if i >= len(p.Problems) || !strings.Contains(p.Problems[i].String(), part) {
			t.Errorf("problem %d of %q, want %q", i, p.Problems, part)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		name, version   string
		listed          string
		set             []string
		workers, spares int
		bits            int
		problem         string
	}{
		{"as listed", "4.22.1", "5", nil, 5, 32, 16, ""},
		{"as set", "4.22.1", "5", []string{"Workers=9", "Spares=3"}, 9, 3, 16, ""},
		{"no spares", "4.22.1", "5", []string{"Spares=0"}, 5, 0, 16, ""},
		{"8 bits", "4.19.9", "5", nil, 5, 32, 8, ""},
		{"8 bits, spares cut in silence", "4.17.12-Debian", "240", nil, 240, 16, 8, ""},
		{"8 bits, asked spares cut", "4.17.12", "5", []string{"Spares=500"}, 5, 251, 8, "251 spares are used"},
		{"8 bits, workers cut", "4.17.12", "300", nil, 256, 0, 8, "256 are used"},
		{"16 bits, bounded by the status file", "4.20.0", "5000", nil, 2048, 32, 16, "2048 are used"},
	} {
		cat := &catalogue.Catalogue{Samba: plantest.Samba(c.version)}
		plantest.Add(t, cat, "rpcd_x", strings.Replace(plantest.Lists(`ncacn_np:[\pipe\x]`), "5\n", c.listed+"\n", 1))
		cfg := plantest.Defaults()
		cfg.Files = append(cfg.Files, plantest.File("/etc/msrpcd/rpcd.d/x.conf", c.set...))
		p := plan.New(cat, cfg)
		r := p.Rpcds[0]
		if r.Workers != c.workers || r.Spares != c.spares || r.IndexBits != c.bits {
			t.Errorf("%s: %d workers, %d spares, %d bits, want %d, %d, %d", c.name, r.Workers, r.Spares, r.IndexBits, c.workers, c.spares, c.bits)
		}
		if all := plantest.Problems(p); c.problem == "" && all != "" || !strings.Contains(all, c.problem) {
			t.Errorf("%s: problems %q, want %q", c.name, all, c.problem)
		}
	}
}

// The rpcd's own version counts: testparm may be replaced before it.
func TestVersionOfTheProgram(t *testing.T) {
	cat := &catalogue.Catalogue{Samba: plantest.Samba("4.22.0")}
	plantest.Add(t, cat, "rpcd_x", plantest.Lists("ncalrpc:")).SambaVersion = "4.17.12"
	check.Is(t, "index bits", 8, plan.New(cat, plantest.Defaults()).Rpcds[0].IndexBits)
}

func TestALongPathIsLeftOut(t *testing.T) {
	cat := plantest.Host(t, "4.22")
	cat.Samba.NPDir = "/" + strings.Repeat("d", 98)
	p := plan.New(cat, plantest.Defaults())
	if !strings.Contains(plantest.Problems(p), "longer than the 107 bytes") {
		t.Errorf("problems %q", p.Problems)
	}
	for _, r := range p.Rpcds {
		for _, l := range r.Listeners {
			for _, n := range l.Nodes {
				if len(n) > 107 {
					t.Errorf("%s listens at %d bytes", l.Unit, len(n))
				}
			}
		}
	}
}
