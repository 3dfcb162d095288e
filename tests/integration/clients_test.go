// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"strings"
	"testing"
)

// TestRealClientsWork is the main job: unmodified clients, smbd and rpcds.
func TestRealClientsWork(t *testing.T) {
	h := boot(t).install().smbd()
	if busy := h.active("msrpc-broker@*.service", "msrpc-worker-*.service"); len(busy) > 0 {
		t.Errorf("running before anybody called: %v", busy)
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"share list", []string{"smbclient", "-L", "127.0.0.1", "-U", "root%" + password}, "public"},
		{"anonymous share list", []string{"smbclient", "-N", "-L", "127.0.0.1"}, "public"},
		{"srvinfo", rpcclient("srvinfo"), "MSRPCTEST"},
		{"netshareenumall", rpcclient("netshareenumall"), "netname: private"},
		{"enumdomusers", rpcclient("enumdomusers"), "user:[root]"},
		{"lookupnames", rpcclient("lookupnames root"), "S-1-5-21-"},
		{"enumprinters", rpcclient("enumprinters"), ""},
		{"wkssvc", rpcclient("wkswkstagetinfo"), ""},
		{"winreg", []string{"net", "rpc", "registry", "enumerate", "HKLM", "-S", "127.0.0.1", "-U", "root%" + password}, "SOFTWARE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, rc := h.try(tt.args...)
			if rc != 0 {
				t.Fatalf("exit status %d:\n%s", rc, out)
			}
			if !strings.Contains(out, tt.want) {
				t.Errorf("%q is not in:\n%s", tt.want, out)
			}
		})
	}
	if out, _ := h.try("pgrep", "samba-dcerpcd"); out != "" {
		t.Errorf("samba-dcerpcd runs: %s", out)
	}
}

func rpcclient(command string) []string {
	return []string{"rpcclient", "127.0.0.1", "-U", "root%" + password, "-c", command}
}
