// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAskingForAVersionLeavesNothing starts an adaptor that has to ask the
// program what Samba it is of, on a host whose Samba has all directories in
// other places than those that were built into it.
func TestAskingForAVersionLeavesNothing(t *testing.T) {
	var moved []func(*sandboxOptions)
	for _, dir := range []string{"private dir", "state directory", "cache directory", "lock directory", "pid directory"} {
		moved = append(moved, global(dir+" = /srv/samba"))
	}
	h := boot(t, append(moved, global("log file = /srv/samba/log"))...)
	h.sh("mkdir -m 755 /srv/samba; rm -rf /var/lib/samba/* /var/cache/samba/* /var/log/samba/*; mkdir -p /run/samba")
	h.install()
	h.load("-net", "unix", "-addr", winregNcalrpc)
	h.run("systemctl", "stop", "msrpc-worker-winreg@0.service")
	const find = "find /etc /run/samba /var/lib/samba /var/cache/samba /var/log/samba /tmp | sort"
	before := h.sh(find)
	h.MustWrite(t, "/run/systemd/system/msrpc-worker-winreg@0.service.d/ask.conf", "[Service]\nUnsetEnvironment=MSRPC_EXEC_ID MSRPC_SAMBA_VERSION\n")
	h.sh(`systemctl daemon-reload; systemctl start msrpc-worker-winreg@0.service
[ "$(systemctl show -P ActiveState msrpc-worker-winreg@0.service)" = active ]`)
	if d := cmp.Diff(before, h.sh(find)); d != "" {
		t.Errorf("before (-) and after (+):\n%s", d)
	}
}
