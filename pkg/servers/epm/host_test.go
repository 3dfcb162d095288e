// SPDX-License-Identifier: Apache-2.0

package epm

// This file makes the host that the tests serve: Samba 4.17 and the native
// mapper.

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/plan/plantest"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/listing"
	"msrpcd/tests/vectors"
)

// samba417 is a host with the rpcds of Samba 4.17 and the native mapper.
func samba417(t testing.TB) (*catalogue.Catalogue, *config.Config) {
	t.Helper()
	cfg := samba417Config()
	c := &catalogue.Catalogue{Samba: &config.Samba{
		ConfigFile: "/etc/samba/smb.conf", Version: "4.17.12", NcalrpcDir: "/run/samba/ncalrpc",
		NPDir: "/run/samba/ncalrpc/np", LockDir: "/run/samba", NetbiosName: "HOST", GuestAccount: "nobody",
	}}
	texts := vectors.Match(t, "listings/4.17/*.txt")
	for i, f := range slices.Sorted(maps.Keys(texts)) {
		l, err := listing.Parse(texts[f])
		if err != nil {
			t.Fatal(err)
		}
		program := strings.TrimSuffix(filepath.Base(f), ".txt")
		e := catalogue.Entry{Name: strings.TrimPrefix(program, "rpcd_"), Exec: "/usr/libexec/samba/" + program,
			Kind: config.KindSamba, Listing: *l, Port: 49152 + i}
		if e.Name == "epmapper" {
			e.Exec, e.Kind, e.Port = "/usr/libexec/msrpcd/rpcd_epmapper", config.KindNative, 0
		}
		c.Rpcds = append(c.Rpcds, e)
	}
	return c, cfg
}

// samba417Config are the files that msrpcd installs.
func samba417Config() *config.Config {
	return &config.Config{Global: config.DefaultGlobal(), Files: []config.RpcdFile{
		plantest.File("/usr/lib/msrpcd/rpcd.d/50-samba.conf", "Exec=/usr/libexec/samba/rpcd_*"),
		plantest.File("/usr/lib/msrpcd/rpcd.d/epmapper.conf", "Exec=/usr/libexec/msrpcd/rpcd_epmapper", "Kind=native", "Activation=direct"),
	}}
}

func nothingMasked(string) bool { return false }

func table417(t testing.TB) *Table {
	return NewTable(plan.New(samba417(t)), nothingMasked)
}

// endpoints are lines of annotation, binding and, where it is not NDR, transfer
// syntax.
func endpoints(t testing.TB, es []entry) []string {
	t.Helper()
	var lines []string
	for i := range es {
		b, ok := es[i].parsed.Binding()
		if !ok {
			t.Fatalf("%s has no binding", es[i].annotation)
		}
		line := es[i].annotation + " " + b.String()
		if es[i].parsed.Transfer == dcerpc.NDR64 {
			line += " NDR64"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}
