// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/plan/plantest"
	"msrpcd/pkg/wire/listing"
	"msrpcd/tests/tools/check"
)

func TestUnitsOfNativeRpcds(t *testing.T) {
	p := plan.New(plantest.Natives(t))
	if len(p.Problems) > 0 {
		t.Errorf("problems %q", p.Problems)
	}
	s := built(t, p)
	parsesAsBuilt(t, s)
	got := dump(s.files)
	const golden = "testdata/golden/native.txt"
	if *update {
		check.OK(t, os.WriteFile(golden, got, 0o644))
	}
	want := check.File(t, golden)
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("differs from %s (-want +got), see -update:\n%s", golden, d)
	}
}

// What is in the units of an rpcd with direct activation, and what is not.
func TestDirectActivationHasNoBrokerAndNoInbox(t *testing.T) {
	p := plan.New(plantest.Natives(t))
	s := built(t, p)
	for path, parts := range map[string][]string{
		"msrpc-tcp-epmapper.socket":                                    {"\nListenStream=135\n", "\nService=msrpc-worker-epmapper@0.service\n"},
		"msrpc-ncalrpc-epmapper.socket":                                {"\nListenStream=/run/samba/ncalrpc/EPMAPPER\n", "\nService=msrpc-worker-epmapper@0.service\n"},
		"msrpc-worker-epmapper@0.service.d/10-listeners.conf":          {"\nSockets=msrpc-np-epmapper.socket msrpc-tcp-epmapper.socket msrpc-ncalrpc-epmapper.socket\n", "\nEnvironment=MSRPC_MAX_NPA=1048576\n"},
		"msrpc-worker-epmapper@.service":                               {"\nUser=msrpc-rpcd\n", "\nGroup=root\n", "\nEnvironment=MSRPC_NP_DIR=/run/samba/ncalrpc/np\n", "\nEnvironment=MSRPC_INDEX_BITS=16\n"},
		"msrpc-worker-clock@0.service.d/10-prestart.conf":              {"\nEnvironment=MSRPC_IDLE_SEC=0\n"},
		"msrpc.target.wants/msrpc-worker-clock@0.service":              {"../msrpc-worker-clock@.service"},
		"msrpc-tcp-echo.socket":                                        {"\nService=msrpc-broker@echo.service\n"},
		"msrpc-worker-echo@2.service.wants/msrpc-worker-echo@4.socket": {"../msrpc-worker-echo@.socket"}, // native: it cannot ask for it
	} {
		f := s.files[path]
		for _, part := range parts {
			if !strings.Contains(string(f.Data)+f.Link, part) {
				t.Errorf("%s has no %q:\n%s%s", path, part, f.Data, f.Link)
			}
		}
	}
	for path, f := range s.files {
		direct := strings.Contains(path, "epmapper") || strings.Contains(path, "clock")
		if direct && (strings.Contains(path, "broker") || strings.Contains(path, "@.socket") || strings.Contains(path, ".service.wants/")) {
			t.Errorf("there is a %s", path)
		}
		if strings.Contains(string(f.Data), "SupplementaryGroups") {
			t.Errorf("%s is in a group", path)
		}
	}
	for _, r := range p.Rpcds {
		if r.Direct != (r.Name != "echo") || r.Direct && (r.Workers != 1 || r.Spares != 0) || r.Service() == layout.BrokerService(r.Name) == r.Direct {
			t.Errorf("%+v, service %s", r, r.Service())
		}
	}
}

// A replaced program makes another unit, which is how a refresh notices it.
func TestAReplacedNativeProgramChangesItsUnit(t *testing.T) {
	c, cfg := plantest.Natives(t)
	before := built(t, plan.New(c, cfg)).files
	c.Entry("epmapper").Binary.MTimeNS++
	var differ []string
	after := built(t, plan.New(c, cfg)).files
	for _, path := range sortedPaths(after) {
		if string(before[path].Data) != string(after[path].Data) {
			differ = append(differ, path)
		}
	}
	check.Same(t, []string{"msrpc-worker-epmapper@.service"}, differ)
}

func TestSambaHasAServiceElsewhere(t *testing.T) {
	nothing := listing.Listing{Workers: 1, IdleSec: 10}
	serves, err := listing.Parse([]byte(plantest.EPMapperListing))
	check.OK(t, err)
	for _, c := range []struct {
		name    string
		twin    *catalogue.Twin
		keepOut bool
	}{
		{"Samba is not installed", nil, false},
		{"a member server", &catalogue.Twin{Exec: "/opt/samba/rpcd_epmapper", Listing: *serves}, false},
		{"a domain controller", &catalogue.Twin{Exec: "/opt/samba/rpcd_epmapper", Listing: nothing}, true},
		{"its program cannot be listed", &catalogue.Twin{Exec: "/opt/samba/rpcd_epmapper", Failure: "exit status 1"}, false},
		{"it could not be listed this time", &catalogue.Twin{Exec: "/opt/samba/rpcd_epmapper", Listing: nothing, Failure: "exit status 1"}, true},
	} {
		cat, cfg := plantest.Natives(t)
		cat.Entry("epmapper").SambaTwin = c.twin
		p := plan.New(cat, cfg)
		served := false
		for _, r := range p.Rpcds {
			served = served || r.Name == "epmapper"
		}
		if served == c.keepOut || (len(p.KeepOut) == 1 && p.KeepOut[0] == "epmapper") != c.keepOut || len(p.Problems) > 0 {
			t.Errorf("%s: served %v, keeps out %q, problems %q", c.name, served, p.KeepOut, p.Problems)
		}
		files := built(t, p).files
		if _, ok := files["msrpc-tcp-epmapper.socket"]; ok == c.keepOut {
			t.Errorf("%s: a listener on port 135: %v", c.name, ok)
		}
		watched := strings.Contains(string(files[layout.RefreshPath+".d/10-paths.conf"].Data), "\nPathChanged=/opt/samba\n")
		if watched != (c.twin != nil) {
			t.Errorf("%s: Samba's program is watched: %v", c.name, watched)
		}
	}
}
