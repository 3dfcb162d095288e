// SPDX-License-Identifier: Apache-2.0

package plantest

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/wire/listing"
	"msrpcd/tests/vectors"
)

// Defaults is the configuration of a fresh installation: all of Samba's rpcds
// but its endpoint mapper.
func Defaults() *config.Config {
	return &config.Config{Global: config.DefaultGlobal(), Files: []config.RpcdFile{
		File("/usr/lib/msrpcd/rpcd.d/50-samba.conf", "Exec=/usr/libexec/samba/rpcd_* /usr/libexec/samba/npsd_* /usr/lib/samba/rpcd_*"),
		File("/usr/lib/msrpcd/rpcd.d/epmapper.conf", "Transports=none"),
	}}
}

// File is a file of rpcd.d with these assignments.
func File(path string, assignments ...string) config.RpcdFile {
	f := config.RpcdFile{Name: strings.TrimSuffix(filepath.Base(path), ".conf"), Path: path}
	for _, a := range assignments {
		key, value, _ := strings.Cut(a, "=")
		if err := f.Set(key, value); err != nil {
			panic(a + ": " + err.Error())
		}
	}
	return f
}

// Samba is what the smb.conf of a Samba of that version says.
func Samba(version string) *config.Samba {
	return &config.Samba{
		ConfigFile: "/etc/samba/smb.conf", Version: version,
		NcalrpcDir: "/run/samba/ncalrpc", NPDir: "/run/samba/ncalrpc/np",
		LockDir: "/run/samba", PrivateDir: "/var/lib/samba/private", LogDir: "/var/log/samba", DefaultLogging: true, NoCommands: true,
		PortLow: 49152, PortHigh: 65535, NetbiosName: "HOST", GuestAccount: "nobody",
	}
}

// Host is a host with the rpcds of that version's listings.
func Host(t testing.TB, version string) *catalogue.Catalogue {
	t.Helper()
	c := &catalogue.Catalogue{Samba: Samba(version + ".0"), MessagingDir: "/run/samba"}
	texts := vectors.Match(t, "listings/"+version+"/*.txt")
	for i, f := range slices.Sorted(maps.Keys(texts)) {
		program := strings.TrimSuffix(filepath.Base(f), ".txt")
		Add(t, c, program, string(texts[f])).Port = 49200 + i
	}
	return c
}

// Add puts an rpcd into c that lists text.
func Add(t testing.TB, c *catalogue.Catalogue, program, text string) *catalogue.Entry {
	t.Helper()
	l, err := listing.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	c.Rpcds = append(c.Rpcds, catalogue.Entry{
		Name: strings.TrimPrefix(program, "rpcd_"), Exec: "/usr/libexec/samba/" + program, Kind: config.KindSamba,
		Binary:  catalogue.Binary{Size: 100000, MTimeNS: 1700000000000000000, Inode: 1000 + uint64(len(c.Rpcds))},
		Listing: *l,
	})
	return &c.Rpcds[len(c.Rpcds)-1]
}

// Lists is a listing of one interface with these bindings.
func Lists(bindings ...string) string {
	text := "5\n60\n338cd001-2244-31f1-aaaa-900038001003/0x00000001 winreg\n"
	for _, b := range bindings {
		text += " " + b + "\n"
	}
	return text
}

// Problems are those of p, one a line.
func Problems(p *plan.Plan) string {
	var texts []string
	for _, pr := range p.Problems {
		texts = append(texts, pr.String())
	}
	return strings.Join(texts, "\n")
}
