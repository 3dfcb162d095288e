// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
)

// This file owns what somebody does to directories and nodes behind msrpcd's
// back: verify names it, one refresh mends it, and clients are served again.

func TestDamagedDirectoriesAreNamedAndMended(t *testing.T) {
	h := boot(t, oneWorker).install().smbd()
	h.works()
	for _, tt := range []struct{ damage, named string }{
		{"chmod 0755 /run/samba/ncalrpc/np", "/run/samba/ncalrpc/np"},
		{"chmod 0777 /run/samba/ncalrpc", "/run/samba/ncalrpc"},
		{"chown nobody /run/samba/ncalrpc/np", "/run/samba/ncalrpc/np"},
		{"chmod 0777 /run/samba/msg.sock", "/run/samba/msg.sock"},
		{"chmod 0700 /run/msrpc", "/run/msrpc"},
		{"chmod 0000 /run/msrpc/winreg", "/run/msrpc/winreg"},
		{"chown nobody:nogroup /run/msrpc/winreg", "/run/msrpc/winreg"},
		{"rm -r /run/msrpc/winreg", "/run/msrpc/winreg"},
		{"rm /run/msrpc/winreg/status", "/run/msrpc/winreg/status"},
		{"rm -r /run/msrpc", "/run/msrpc"},
		{"rm -r /run/samba/ncalrpc", "/run/samba/ncalrpc"},
		{"rm -r /run/samba/ncalrpc; ln -s /tmp /run/samba/ncalrpc", "/run/samba/ncalrpc"},
		{"rm -r /run/samba/ncalrpc/np; touch /run/samba/ncalrpc/np", "/run/samba/ncalrpc/np"},
	} {
		t.Run(tt.damage, func(t *testing.T) {
			h.sh(tt.damage)
			out, rc := h.try("msrpcctl", "verify")
			if rc != 1 || !strings.Contains(out, tt.named) {
				t.Errorf("verify: exit status %d, want 1 and %s in:\n%s", rc, tt.named, out)
			}
			if out, rc := h.try("msrpcctl", "refresh"); rc != 0 {
				t.Errorf("refresh: exit status %d\n%s", rc, out)
			}
			h.sh("systemctl reset-failed 'msrpc-*'") // what ended while there was no directory is not the question
			h.eventually(func() error {
				if out, rc := h.try("msrpcctl", "verify"); rc != 0 {
					return fmt.Errorf("verify after refresh: exit status %d\n%s", rc, out)
				}
				return nil
			})
			for _, c := range [][]string{rpcclient("srvinfo"), {"msrpcctl", "ping", "winreg"}, {"msrpcctl", "ping", "ncacn_ip_tcp:127.0.0.1[" + h.port("winreg") + "]"}} {
				if out, rc := h.try(c...); rc != 0 {
					t.Errorf("%v: exit status %d\n%s", c, rc, out)
				}
			}
		})
	}
}
