// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
)

// TestWhatSmbConfIncludesIsWatched: files that are included by what is included,
// by a name with a macro, that come later, and that are replaced.
func TestWhatSmbConfIncludesIsWatched(t *testing.T) {
	h := boot(t, global("include = /etc/samba/more.conf"), file("/etc/samba/more.conf", "include = /etc/samba/later/%L.conf\n")).install().smbd()
	const later = "/etc/samba/later/MSRPCTEST.conf"
	for i, change := range []string{
		"mkdir /etc/samba/later; echo '%s' >" + later,
		"echo '%s' >/root/x; mv /root/x " + later,
	} {
		h.quiet()
		first := 50000 + 100*i
		h.sh(fmt.Sprintf(change, fmt.Sprintf("rpc server dynamic port range = %d-%d", first, first+50)))
		h.eventually(func() error {
			if p := h.port("winreg"); !strings.HasPrefix(p, fmt.Sprint(first/100)) {
				return fmt.Errorf("%q: port %s", change, p)
			}
			return nil
		})
	}
	h.quiet()
	h.serves("root%" + password)
}

// TestARegistryConfigurationThatChangedIsFound: it is no file that could be watched.
func TestARegistryConfigurationThatChangedIsFound(t *testing.T) {
	h := boot(t, global("include = registry")).install().smbd()
	h.quiet()
	h.run("net", "conf", "setparm", "global", "rpc server dynamic port range", "50000-50050")
	h.said([]string{"or Samba changed since the last refresh"}, "msrpcctl", "verify")
	h.run("msrpcctl", "refresh")
	if p := h.port("winreg"); !strings.HasPrefix(p, "500") {
		t.Errorf("port %s", p)
	}
	h.serves("root%" + password)
}
