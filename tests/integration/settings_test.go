// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"strings"
	"testing"
)

// mine boots a host with a native rpcd behind a broker: rpcecho under a file name
// that differs from the name it gives itself. smb.conf has the directories of
// pipes and of local endpoints in two places.
func mine(t *testing.T, change ...func(*sandboxOptions)) *host {
	t.Helper()
	h := boot(t, append(change, global("ncalrpc dir = /srv/local"), global("external_rpc_pipe:socket_dir = /srv/pipes"),
		file("/etc/msrpcd/rpcd.d/mine.conf", "[Rpcd]\nExec=/opt/native/rpcd_mine\nKind=native\nWorkers=2\nPort="+echoPort+"\n"))...)
	h.sh("install -D -m 0755 /usr/libexec/msrpcd/rpcd_rpcecho /opt/native/rpcd_mine")
	return h.install()
}

func TestABrokeredNativeServerServesPipesAndLocalEndpointsOfMovedDirectories(t *testing.T) {
	h := mine(t).smbd()
	for _, binding := range []string{"ncacn_np:127.0.0.1", "ncalrpc:[rpcd_mine]", "ncacn_ip_tcp:127.0.0.1[" + echoPort + "]"} {
		user := "root%" + password
		if strings.HasPrefix(binding, "ncacn_ip_tcp") {
			user = "%"
		}
		out, rc := h.try("rpcclient", binding, "-U", user, "-c", "echoaddone 41")
		if rc != 0 || !strings.Contains(out, "42") {
			t.Errorf("%s: exit status %d\n%s", binding, rc, out)
		}
	}
	h.contains(h.journal("MSRPC_RPCD=mine", "-o", "cat"), "serving")
	h.fine()
}
