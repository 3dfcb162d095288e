// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/plan/plantest"
	"msrpcd/tests/tools/check"
)

var update = flag.Bool("update", false, "write the golden files")

func TestUnitsOfRealListings(t *testing.T) {
	for _, version := range []string{"4.17", "4.22"} {
		p := plan.New(plantest.Host(t, version), plantest.Defaults())
		if len(p.Problems) > 0 {
			t.Errorf("%s: problems %q", version, p.Problems)
		}
		got := dump(built(t, p).files)
		golden := "testdata/golden/" + version + ".txt"
		if *update {
			check.OK(t, os.WriteFile(golden, got, 0o644))
		}
		want := check.File(t, golden)
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s differs from %s (-want +got), see -update:\n%s", version, golden, d)
		}
		again := dump(built(t, plan.New(plantest.Host(t, version), plantest.Defaults())).files)
		if string(again) != string(got) {
			t.Errorf("%s: the same input gave other bytes", version)
		}
	}
}

// The broker's unit names the first inboxes of workers and of spares, and no unit
// of a rpcd of Samba another one: its adaptor asks systemd for it.
func TestOnlyTheFirstInboxesAreNamed(t *testing.T) {
	const two = "msrpc-worker-x@0.socket msrpc-worker-x@1.socket"
	for spares, upholds := range []string{two, two + " msrpc-worker-x@4.socket", two + " msrpc-worker-x@4.socket msrpc-worker-x@5.socket", two + " msrpc-worker-x@4.socket msrpc-worker-x@5.socket"} {
		cat := &catalogue.Catalogue{Samba: plantest.Samba("4.22.0")}
		plantest.Add(t, cat, "rpcd_x", strings.Replace(plantest.Lists("ncalrpc:"), "5\n", "4\n", 1))
		cfg := plantest.Defaults()
		cfg.Files[0].Set("Spares", strconv.Itoa(spares))
		s := built(t, plan.New(cat, cfg))
		for path, f := range s.files {
			if strings.Contains(path, "@.service.wants") || path != "msrpc-broker@x.service.d/10-listeners.conf" && strings.Contains(string(f.Data)+f.Link, "x@0.socket") {
				t.Errorf("%d spares: there is a %s:\n%s", spares, path, f.Data)
			}
		}
		text := string(s.files["msrpc-broker@x.service.d/10-listeners.conf"].Data)
		if !strings.Contains(text, "\nUpholds="+upholds+"\n") {
			t.Errorf("%d spares: the broker does not want %q:\n%s", spares, upholds, text)
		}
		text = string(s.files["msrpc-worker-x@.service"].Data)
		if !strings.Contains(text, "\nEnvironment=MSRPC_WORKERS=4\n") || !strings.Contains(text, fmt.Sprintf("\nEnvironment=MSRPC_SPARES=%d\n", spares)) {
			t.Errorf("%d spares: the worker does not know how many there are:\n%s", spares, text)
		}
	}
}

func TestSettings(t *testing.T) {
	cat := &catalogue.Catalogue{Samba: plantest.Samba("4.22.0")}
	plantest.Add(t, cat, "rpcd_x", plantest.Lists("ncalrpc:", `ncacn_np:[\pipe\x]`))
	plantest.Add(t, cat, "rpcd_off", plantest.Lists("ncalrpc:"))
	plantest.Add(t, cat, "rpcd_gone", plantest.Lists("ncalrpc:")).Exec = "/opt/gone/rpcd_gone"
	plantest.Add(t, cat, "npsd_ts", "1\n10\n\\pipe\\a 2 1535 4096\n\\pipe\\b 1 0 18446744073709551615\n")
	cfg := plantest.Defaults()
	cfg.Files = append(cfg.Files,
		plantest.File("/etc/msrpcd/rpcd.d/x.conf", "Prestart=yes", "Transports=np"),
		plantest.File("/etc/msrpcd/rpcd.d/off.conf", "Transports=none"))
	p := plan.New(cat, cfg)
	s := built(t, p)
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
	member, dc := plantest.Host(t, "4.22"), plantest.Host(t, "4.22")
	dc.Samba.ServerRole = config.RoleADDC
	other, got := built(t, plan.New(member, plantest.Defaults())).files, built(t, plan.New(dc, plantest.Defaults())).files
	for path := range other {
		if _, ok := got[path]; ok == strings.Contains(path, "msrpc-tcp-") {
			t.Errorf("%s: on the domain controller: %v", path, ok)
		}
	}
	cfg := plantest.Defaults()
	cfg.Files = append(cfg.Files, plantest.File("/etc/msrpcd/rpcd.d/winreg.conf", "Transports=tcp"))
	files := built(t, plan.New(dc, cfg)).files
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
		cat := plantest.Host(t, "4.22")
		change(cat)
		p := plan.New(cat, plantest.Defaults())
		if len(p.Rpcds) != 0 || len(p.Problems) != 1 || !strings.HasPrefix(p.Problems[0].String(), "smb.conf: ") {
			t.Errorf("%s: %d rpcds, problems %q", name, len(p.Rpcds), p.Problems)
		}
		if f := built(t, p).files[ProblemService]; f.Data == nil {
			t.Errorf("%s: no %s", name, ProblemService)
		}
	}
}
