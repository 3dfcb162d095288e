// SPDX-License-Identifier: Apache-2.0

package plantest

import (
	"strings"
	"testing"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
)

// EPMapperListing is what the native mapper lists.
const EPMapperListing = "1\n10\ne1af8308-5d1f-11c9-91a4-08002b14a0fa/0x00000003 epmapper\n" +
	" ncacn_np:[\\pipe\\epmapper]\n ncacn_ip_tcp:[135]\n ncalrpc:[EPMAPPER]\n"

// native adds a native rpcd.
func native(t testing.TB, c *catalogue.Catalogue, program, text string) *catalogue.Entry {
	e := Add(t, c, program, text)
	e.Kind, e.Exec = config.KindNative, "/usr/libexec/msrpcd/"+program
	return e
}

// file is a file of rpcd.d about one native program.
func file(program string, assignments ...string) config.RpcdFile {
	path := "/usr/lib/msrpcd/rpcd.d/" + strings.TrimPrefix(program, "rpcd_") + ".conf"
	return File(path, append(assignments, "Exec=/usr/libexec/msrpcd/"+program, "Kind=native")...)
}

// Natives is a host with three native rpcds: one with the listeners itself, the
// same kept running, and one behind a broker.
func Natives(t testing.TB) (*catalogue.Catalogue, *config.Config) {
	c := &catalogue.Catalogue{Samba: Samba("4.22.0"), MessagingDir: "/run/samba"}
	native(t, c, "rpcd_clock", Lists("ncalrpc:[clock]"))
	native(t, c, "rpcd_echo", Lists("ncacn_ip_tcp:")).Port = 49210
	native(t, c, "rpcd_epmapper", EPMapperListing)
	cfg := Defaults()
	cfg.Files = []config.RpcdFile{cfg.Files[0],
		file("rpcd_clock", "Activation=direct", "Prestart=yes"),
		file("rpcd_echo", "Workers=2", "Spares=3"),
		file("rpcd_epmapper", "Activation=direct"),
	}
	return c, cfg
}
