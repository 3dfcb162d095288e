// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
)

// What could not be found out is tried again by itself.

// slowRpcd lists an interface, after 7 s, or fails while /run/fail is there.
const slowRpcd = `#!/bin/sh
[ -e /run/fail ] && { echo not yet >&2; exit 1; }
sleep 7
printf '1\n10\n5a1e35c6-9d1b-4c0e-8f53-3a7c1a6c0f21/0x00000001 late\n ncalrpc:[late]\n'
`

func TestASlowFirstListingIsTriedAgainWithMoreTime(t *testing.T) {
	h := boot(t, file("/usr/local/libexec/rpcd_late", slowRpcd),
		file("/etc/msrpcd/rpcd.d/late.conf", "[Rpcd]\nExec=/usr/local/libexec/rpcd_late\nKind=native\n"))
	h.run("systemd-sysusers")
	h.run("systemd-tmpfiles", "--create")
	h.run("systemctl", "daemon-reload")
	h.contains(h.mixed("msrpcctl", "refresh"), "rpcd_late: --list-interfaces: took longer than 5s")
	h.run("systemctl", "start", "msrpc.target")
	h.eventually(func() error {
		if out, _ := h.try("systemctl", "is-active", "msrpc-ncalrpc-late.socket"); strings.TrimSpace(out) != "active" {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	h.quiet()
	if a := h.active("msrpc-retry.timer", "msrpc-network.socket"); len(a) > 0 {
		t.Errorf("%q wait although nothing is missing", a)
	}
}

func TestAListingThatFailsIsTriedAgainWhenTheNetworkChanges(t *testing.T) {
	h := boot(t, file("/usr/local/libexec/rpcd_late", strings.Replace(slowRpcd, "sleep 7", "", 1)),
		file("/etc/msrpcd/rpcd.d/late.conf", "[Rpcd]\nExec=/usr/local/libexec/rpcd_late\nKind=native\n"))
	h.sh("ip link set lo up; touch /run/fail")
	h.install()
	h.quiet()
	out := h.mixed("msrpcctl", "refresh")
	h.contains(out, "late: asked again by msrpc-retry.timer, next at 2")
	h.contains(out, "and when the network changes")
	if a := h.active("msrpc-retry.timer", "msrpc-network.socket"); len(a) != 2 {
		t.Errorf("only %q wait", a)
	}
	h.sh("systemctl stop msrpc-retry.timer; rm /run/fail; ip addr add 192.0.2.1/32 dev lo")
	h.eventually(func() error {
		if out, _ := h.try("systemctl", "is-active", "msrpc-ncalrpc-late.socket"); strings.TrimSpace(out) != "active" {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
}

// A registry before its cluster is up: testparm fails, and works later.
func TestNamedPipesAreServedWhileSmbConfCannotBeRead(t *testing.T) {
	h := boot(t).install()
	h.quiet()
	h.sh(`systemctl stop msrpc.target
p=$(command -v testparm); cp $p /run/testparm.real; rm $p
printf '#!/bin/sh\n[ -e /run/up ] && exec /run/testparm.real "$@"\necho no ctdbd >&2; exit 1\n' >$p; chmod 755 $p
systemctl daemon-reload; systemctl start msrpc.target`)
	if a := h.active("msrpc-np-winreg.socket", "msrpc-preflight.service"); len(a) != 2 {
		t.Errorf("only %q are active", a)
	}
	h.eventually(func() error {
		if a := h.active("msrpc-retry.timer"); len(a) != 1 {
			return fmt.Errorf("no timer")
		}
		return nil
	})
	h.sh("touch /run/up; systemctl start msrpc-refresh.service")
	h.eventually(func() error {
		if a := h.active("msrpc-retry.timer"); len(a) != 0 {
			return fmt.Errorf("%q", a)
		}
		return nil
	})
}

// The preflight fails for want of a group, and comes up late.
func TestNamedPipesStartByThemselvesWhenThePreflightWorks(t *testing.T) {
	h := boot(t).install()
	h.quiet()
	h.sh("systemctl stop msrpc.target; sed -i s/^msrpc:/absent:/ /etc/group; systemctl start msrpc.target")
	if a := h.active("msrpc-np-winreg.socket"); len(a) != 0 {
		t.Errorf("%q without a group", a)
	}
	h.sh("sed -i s/^absent:/msrpc:/ /etc/group")
	h.eventually(func() error {
		if a := h.active("msrpc-np-winreg.socket", "msrpc-np-lsad.socket"); len(a) != 2 {
			return fmt.Errorf("only %q", a)
		}
		return nil
	})
}

// mixed is the output of a command that succeeds, both streams.
func (h *host) mixed(args ...string) string {
	h.t.Helper()
	out, rc := h.try(args...)
	if rc != 0 {
		h.t.Fatalf("%q: exit status %d\n%s", args, rc, out)
	}
	return out
}
