// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
)

var update = flag.Bool("update", false, "write the golden files")

func TestUnitsOfRealListings(t *testing.T) {
	for _, version := range []string{"4.17", "4.22"} {
		p := NewPlan(host(t, version), defaults())
		if len(p.Problems) > 0 {
			t.Errorf("%s: problems %q", version, p.Problems)
		}
		got := dump(build(t, p).files)
		golden := "testdata/golden/" + version + ".txt"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s differs from %s (-want +got), see -update:\n%s", version, golden, d)
		}
		again := dump(build(t, NewPlan(host(t, version), defaults())).files)
		if string(again) != string(got) {
			t.Errorf("%s: the same input gave other bytes", version)
		}
	}
}

func TestListeners(t *testing.T) {
	for _, c := range []struct {
		name      string
		listing   string
		addresses []string
		port      int
		want      []Listener
		problem   string
	}{
		{
			name: "all transports", listing: lists(`ncacn_np:[\pipe\WinReg]`, "ncacn_ip_tcp:", "ncalrpc:", "ncacn_http:[593]"), port: 49200,
			want: []Listener{
				{layout.NP, "msrpc-np-x.socket", []string{"/run/samba/ncalrpc/np/winreg"}, nil},
				{layout.TCP, "msrpc-tcp-x.socket", []string{":49200"}, []int{49200}},
				{layout.Ncalrpc, "msrpc-ncalrpc-x.socket", []string{"/run/samba/ncalrpc/rpcd_x"}, nil},
			},
		},
		{
			name: "addresses", listing: lists("ncacn_ip_tcp:[135]", "ncacn_ip_tcp:"), port: 49200,
			addresses: []string{"192.0.2.1", "2001:db8::1"},
			want: []Listener{{layout.TCP, "msrpc-tcp-x.socket",
				[]string{"192.0.2.1:135", "[2001:db8::1]:135", "192.0.2.1:49200", "[2001:db8::1]:49200"}, []int{135, 49200}}},
		},
		{name: "no address", listing: lists("ncacn_ip_tcp:"), port: 49200, addresses: []string{}},
		{name: "no port", listing: lists("ncacn_ip_tcp:"), problem: "no TCP port"},
		{name: "only HTTP", listing: lists("ncacn_http:[593]")},
		{name: "nothing", listing: "5\n60\n"},
		{
			name: "local endpoint", listing: lists("ncalrpc:[EPMAPPER]"),
			want: []Listener{{layout.Ncalrpc, "msrpc-ncalrpc-x.socket", []string{"/run/samba/ncalrpc/EPMAPPER"}, nil}},
		},
		{
			name: "shared pipes", want: []Listener{{layout.NP, "msrpc-np-x.socket", []string{"/run/samba/ncalrpc/np/lsarpc"}, nil}},
			listing: lists(`ncacn_np:[\pipe\lsarpc]`) + "338cd001-2244-31f1-aaaa-900038001004/0x00000001 b\n ncacn_np:[\\PIPE\\LSARPC]\n",
		},
		{
			name: "pipes without RPC", listing: "1\n10\n\\pipe\\tsvcpipe 2 1535 4096\n",
			want: []Listener{{layout.NP, "msrpc-np-x.socket", []string{"/run/samba/ncalrpc/np/tsvcpipe"}, nil}},
		},
	} {
		cat := &catalogue.Catalogue{Samba: sambaOf("4.22.0"), Addresses: c.addresses}
		add(t, cat, "rpcd_x", c.listing).Port = c.port
		p := NewPlan(cat, defaults())
		var got []Listener
		if len(p.Rpcds) > 0 {
			got = p.Rpcds[0].Listeners
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, d)
		}
		if all := problems(p); c.problem == "" && all != "" || !strings.Contains(all, c.problem) {
			t.Errorf("%s: problems %q, want %q", c.name, all, c.problem)
		}
	}
}

func TestAnEndpointGoesToTheFirst(t *testing.T) {
	cat := &catalogue.Catalogue{Samba: sambaOf("4.22.0")}
	add(t, cat, "rpcd_a", lists(`ncacn_np:[\pipe\winreg]`, "ncacn_ip_tcp:[5000]", "ncalrpc:[X]")).Port = 0
	add(t, cat, "rpcd_b", lists(`ncacn_np:[\pipe\WINREG]`, `ncacn_np:[\pipe\own]`, "ncacn_ip_tcp:", "ncalrpc:[X]")).Port = 5000
	add(t, cat, "rpcd_c", lists(`ncacn_np:[\pipe\winreg]`))
	p := NewPlan(cat, defaults())
	if len(p.Rpcds) != 2 || len(p.Rpcds[0].Listeners) != 3 {
		t.Fatalf("rpcds %+v", p.Rpcds)
	}
	want := []Listener{{layout.NP, "msrpc-np-b.socket", []string{"/run/samba/ncalrpc/np/own"}, nil}}
	if d := cmp.Diff(want, p.Rpcds[1].Listeners); d != "" {
		t.Errorf("second rpcd (-want +got):\n%s", d)
	}
	for i, part := range []string{"b: pipe winreg belongs to a", "b: TCP port 5000 belongs to a", "b: ncalrpc endpoint X belongs to a", "c: pipe winreg belongs to a"} {
		if i >= len(p.Problems) || !strings.Contains(p.Problems[i].Text, part) {
			t.Errorf("problem %d of %q, want %q", i, p.Problems, part)
		}
	}
}

func TestNumbers(t *testing.T) {
	n := func(v int) *int { return &v }
	for _, c := range []struct {
		name, version   string
		listed          string
		set             config.RpcdFile
		workers, spares int
		bits            int
		problem         string
	}{
		{"as listed", "4.22.1", "5", config.RpcdFile{}, 5, 32, 16, ""},
		{"as set", "4.22.1", "5", config.RpcdFile{Workers: n(9), Spares: n(3)}, 9, 3, 16, ""},
		{"no spares", "4.22.1", "5", config.RpcdFile{Spares: n(0)}, 5, 0, 16, ""},
		{"8 bits", "4.19.9", "5", config.RpcdFile{}, 5, 32, 8, ""},
		{"8 bits, spares cut in silence", "4.17.12-Debian", "240", config.RpcdFile{}, 240, 16, 8, ""},
		{"8 bits, asked spares cut", "4.17.12", "5", config.RpcdFile{Spares: n(500)}, 5, 251, 8, "251 spares are used"},
		{"8 bits, workers cut", "4.17.12", "300", config.RpcdFile{}, 256, 0, 8, "256 are used"},
		{"16 bits, bounded by the status file", "4.20.0", "5000", config.RpcdFile{}, 4096, 0, 16, "4096 are used"},
	} {
		cat := &catalogue.Catalogue{Samba: sambaOf(c.version)}
		add(t, cat, "rpcd_x", strings.Replace(lists(`ncacn_np:[\pipe\x]`), "5\n", c.listed+"\n", 1))
		cfg := defaults()
		c.set.Name, c.set.Path = "x", "/etc/msrpcd/rpcd.d/x.conf"
		cfg.Files = append(cfg.Files, c.set)
		p := NewPlan(cat, cfg)
		r := p.Rpcds[0]
		if r.Workers != c.workers || r.Spares != c.spares || r.IndexBits != c.bits {
			t.Errorf("%s: %d workers, %d spares, %d bits, want %d, %d, %d", c.name, r.Workers, r.Spares, r.IndexBits, c.workers, c.spares, c.bits)
		}
		if all := problems(p); c.problem == "" && all != "" || !strings.Contains(all, c.problem) {
			t.Errorf("%s: problems %q, want %q", c.name, all, c.problem)
		}
	}
}

// The rpcd's own version counts: testparm may be replaced before it.
func TestVersionOfTheProgram(t *testing.T) {
	cat := &catalogue.Catalogue{Samba: sambaOf("4.22.0")}
	add(t, cat, "rpcd_x", lists("ncalrpc:")).SambaVersion = "4.17.12"
	if got := NewPlan(cat, defaults()).Rpcds[0].IndexBits; got != 8 {
		t.Errorf("%d index bits, want 8", got)
	}
}

func TestSpareInboxesAreAChain(t *testing.T) {
	for _, c := range []struct {
		spares int
		wants  string   // last line of inboxes that the broker wants
		links  []string // of the chain
	}{
		{0, "msrpc-worker-x@0.socket msrpc-worker-x@1.socket", nil},
		{1, "msrpc-worker-x@0.socket msrpc-worker-x@1.socket msrpc-worker-x@2.socket", nil},
		{2, "msrpc-worker-x@0.socket msrpc-worker-x@1.socket msrpc-worker-x@2.socket msrpc-worker-x@3.socket", nil},
		{4, "msrpc-worker-x@0.socket msrpc-worker-x@1.socket msrpc-worker-x@2.socket msrpc-worker-x@3.socket", []string{
			"msrpc-worker-x@2.service.wants/msrpc-worker-x@4.socket",
			"msrpc-worker-x@3.service.wants/msrpc-worker-x@5.socket",
		}},
	} {
		cat := &catalogue.Catalogue{Samba: sambaOf("4.22.0")}
		add(t, cat, "rpcd_x", strings.Replace(lists("ncalrpc:"), "5\n", "2\n", 1))
		cfg := defaults()
		cfg.Files[0].Spares = &c.spares
		s := build(t, NewPlan(cat, cfg))
		var links []string
		for _, p := range sortedPaths(s.files) {
			if strings.Contains(p, ".service.wants/msrpc-worker") {
				links = append(links, p)
				if got := s.files[p].Link; got != "../msrpc-worker-x@.socket" {
					t.Errorf("%d spares: %s leads to %s", c.spares, p, got)
				}
			}
		}
		if d := cmp.Diff(c.links, links); d != "" {
			t.Errorf("%d spares: links (-want +got)\n%s", c.spares, d)
		}
		text := string(s.files["msrpc-broker@x.service.d/10-listeners.conf"].Data)
		if !strings.Contains(text, "\nUpholds="+c.wants+"\n") {
			t.Errorf("%d spares: the broker does not want %q:\n%s", c.spares, c.wants, text)
		}
	}
}

func TestSettings(t *testing.T) {
	yes := true
	cat := &catalogue.Catalogue{Samba: sambaOf("4.22.0")}
	add(t, cat, "rpcd_x", lists("ncalrpc:", `ncacn_np:[\pipe\x]`))
	add(t, cat, "rpcd_off", lists("ncalrpc:"))
	add(t, cat, "rpcd_gone", lists("ncalrpc:")).Exec = "/opt/gone/rpcd_gone"
	add(t, cat, "npsd_ts", "1\n10\n\\pipe\\a 2 1535 4096\n\\pipe\\b 1 0 18446744073709551615\n")
	cfg := defaults()
	cfg.Files = append(cfg.Files,
		config.RpcdFile{Name: "x", Path: "/etc/msrpcd/rpcd.d/x.conf", Prestart: &yes, Transports: &[]layout.Transport{layout.NP}},
		config.RpcdFile{Name: "off", Path: "/etc/msrpcd/rpcd.d/off.conf", Transports: none})
	p := NewPlan(cat, cfg)
	s := build(t, p)
	if len(p.Rpcds) != 2 || len(p.Problems) != 0 {
		t.Errorf("rpcds %+v, problems %q", p.Rpcds, p.Problems)
	}
	for path, part := range map[string]string{
		"msrpc-broker@x.service.d/10-listeners.conf":       "\nEnvironment=MSRPC_IDLE_SEC=0\n",
		"msrpc-worker-x@.service":                          "\nEnvironment=MSRPC_IDLE_SEC=60\n",
		"msrpc-worker-x@0.service.d/10-prestart.conf":      "\nEnvironment=MSRPC_IDLE_SEC=0\n",
		"msrpc-broker@npsd_ts.service.d/10-listeners.conf": "\nEnvironment=\"MSRPC_PIPES=a:2:1535:4096 b:1:0:18446744073709551615\"\n",
		"msrpc-refresh.path.d/10-paths.conf":               "\nPathChanged=/opt/gone\n",
		"msrpc-np-x.socket":                                "\nRequires=msrpc-preflight.service\n",
		"msrpc.target.wants/msrpc-np-npsd_ts.socket":       "../msrpc-np-npsd_ts.socket",
		"msrpc.target.wants/msrpc-broker@x.service":        "/usr/lib/systemd/system/msrpc-broker@.service",
	} {
		f := s.files[path]
		if !strings.Contains(string(f.Data)+f.Link, part) {
			t.Errorf("%s has no %q:\n%s%s", path, part, f.Data, f.Link)
		}
	}
	for path := range s.files {
		if strings.Contains(path, "off") || strings.Contains(path, "gone") || strings.HasPrefix(path, "msrpc-ncalrpc-x") || path == layout.BgqdService {
			t.Errorf("there is a %s", path)
		}
	}
}

// On a domain controller everything is as elsewhere, but that Samba's rpcds
// have no TCP; whoever sets it has it.
func TestADomainControllerDiffersInTCPAlone(t *testing.T) {
	member, dc := host(t, "4.22"), host(t, "4.22")
	dc.Samba.ServerRole = config.RoleADDC
	other, got := build(t, NewPlan(member, defaults())).files, build(t, NewPlan(dc, defaults())).files
	for path := range other {
		if _, ok := got[path]; ok == strings.Contains(path, "msrpc-tcp-") {
			t.Errorf("%s: on the domain controller: %v", path, ok)
		}
	}
	cfg := defaults()
	cfg.Files = append(cfg.Files, config.RpcdFile{Name: "winreg", Path: "/etc/msrpcd/rpcd.d/winreg.conf", Transports: &[]layout.Transport{layout.TCP}})
	files := build(t, NewPlan(dc, cfg)).files
	for unit, want := range map[string]bool{"msrpc-tcp-winreg.socket": true, "msrpc-np-winreg.socket": false, "msrpc-tcp-classic.socket": false, "msrpc-np-classic.socket": true} {
		if _, ok := files[unit]; ok != want {
			t.Errorf("with a setting, %s: %v", unit, ok)
		}
	}
}

func TestBadSmbConfServesNothingAndSaysSo(t *testing.T) {
	for name, change := range map[string]func(*catalogue.Catalogue){
		"unknown":          func(c *catalogue.Catalogue) { c.Samba = nil },
		"newline":          func(c *catalogue.Catalogue) { c.Samba.NPDir = "/a\nListenStream=/b" },
		"relative":         func(c *catalogue.Catalogue) { c.Samba.NcalrpcDir = "run" },
		"trailing blank":   func(c *catalogue.Catalogue) { c.Samba.NPDir = "/run/np " },
		"backslash":        func(c *catalogue.Catalogue) { c.Samba.ConfigFile = `/etc/smb.conf\` },
		"name":             func(c *catalogue.Catalogue) { c.Samba.NetbiosName = "A\nB" },
		"account not text": func(c *catalogue.Catalogue) { c.Samba.GuestAccount = "a\xff" },
	} {
		cat := host(t, "4.22")
		change(cat)
		p := NewPlan(cat, defaults())
		if len(p.Rpcds) != 0 || len(p.Problems) != 1 || !strings.HasPrefix(p.Problems[0].Text, "smb.conf: ") {
			t.Errorf("%s: %d rpcds, problems %q", name, len(p.Rpcds), p.Problems)
		}
		if f := build(t, p).files[ProblemService]; f.Data == nil {
			t.Errorf("%s: no %s", name, ProblemService)
		}
	}
}

func TestALongPathIsLeftOut(t *testing.T) {
	cat := host(t, "4.22")
	cat.Samba.NPDir = "/" + strings.Repeat("d", 98)
	p := NewPlan(cat, defaults())
	if !strings.Contains(problems(p), "longer than the 107 bytes") {
		t.Errorf("problems %q", p.Problems)
	}
	for _, r := range p.Rpcds {
		for _, l := range r.Listeners {
			for _, n := range l.Nodes {
				if len(n) > maxNode {
					t.Errorf("%s listens at %d bytes", l.Unit, len(n))
				}
			}
		}
	}
}
