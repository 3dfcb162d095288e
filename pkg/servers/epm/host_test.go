// SPDX-License-Identifier: Apache-2.0

package epm

// This file makes the host that the tests serve: Samba 4.17 and the native
// mapper.

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/plan/plantest"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

// samba417 is a host with the rpcds of Samba 4.17 and the native mapper.
func samba417(t testing.TB) (*catalogue.Catalogue, *config.Config) {
	t.Helper()
	c := plantest.Host(t, "4.17")
	for i := range c.Rpcds {
		c.Rpcds[i].Port = 49152 + i
	}
	e := c.Entry("epmapper")
	e.Exec, e.Kind, e.Port = "/usr/libexec/msrpcd/rpcd_epmapper", config.KindNative, 0
	cfg := &config.Config{Global: config.DefaultGlobal()}
	for _, path := range slices.Sorted(maps.Keys(installed)) {
		cfg.Files = append(cfg.Files, plantest.File(path, strings.Fields(installed[path])...))
	}
	return c, cfg
}

// installed are the files that msrpcd installs.
var installed = map[string]string{
	layout.VendorConfig + "/rpcd.d/50-samba.conf": "Exec=/usr/libexec/samba/rpcd_*",
	layout.VendorConfig + "/rpcd.d/epmapper.conf": "Exec=/usr/libexec/msrpcd/rpcd_epmapper\nKind=native\nActivation=direct",
}

// testSource is a Source whose root is dir, with those files.
func testSource(t *testing.T, dir string) *Source {
	for _, d := range append(config.MaskDirs[:], layout.VendorConfig+"/rpcd.d") {
		check.OK(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	for path, text := range installed {
		check.OK(t, os.WriteFile(filepath.Join(dir, path), []byte("[Rpcd]\n"+text+"\n"), 0o644))
	}
	return &Source{Catalogue: filepath.Join(dir, "catalogue.db"), LastGood: filepath.Join(dir, "last"), Root: dir}
}

func table417(t testing.TB) *Table {
	return NewTable(plan.New(samba417(t)))
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
