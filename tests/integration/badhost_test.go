// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
)

// This file owns hosts that go wrong while they serve: what is wrong is said,
// what was served is served on, and all is well when the cause is gone.

// TestSmbConfThatDoesNotReadChangesNothing: smb.conf includes itself, is no
// configuration, is empty.
func TestSmbConfThatDoesNotReadChangesNothing(t *testing.T) {
	h := boot(t).install().smbd()
	h.works()
	h.run("cp", "-p", "/etc/samba/smb.conf", "/root/smb.conf")
	before := h.active("msrpc-*.socket")
	for _, tt := range []struct{ text, said string }{
		{"[global]\n\tinclude = /etc/samba/smb.conf\n\trpc start on demand helpers = no\n", "include"},
		{"[global\n\tnetbios name\n\x00\x01", "smb.conf"},
		{"[global]\n\trpc start on demand helpers = no\n\tncalrpc dir = /run/%m\n", "ncalrpc dir"},
	} {
		h.MustWrite(t, "/etc/samba/smb.conf", tt.text)
		out, rc := h.try("msrpcctl", "refresh")
		if rc == 0 || !strings.Contains(out, tt.said) {
			t.Errorf("%q: refresh: exit status %d, want another than 0, and %q in:\n%s", tt.text, rc, tt.said, out)
		}
		out, rc = h.try("msrpcctl", "verify")
		if rc != 1 || !strings.Contains(out, tt.said) {
			t.Errorf("%q: verify: exit status %d, want 1, and %q in:\n%s", tt.text, rc, tt.said, out)
		}
		if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
			t.Errorf("%q: winreg meanwhile: %+v", tt.text, r)
		}
	}
	h.run("cp", "-p", "/root/smb.conf", "/etc/samba/smb.conf")
	h.run("msrpcctl", "refresh")
	if lost := without(before, h.active("msrpc-*.socket")); len(lost) > 0 {
		t.Errorf("sockets that are gone: %v", lost)
	}
	h.serves("root%" + password)
}

// without are the elements of a that b has not.
func without(a, b []string) []string {
	var left []string
	for _, s := range a {
		if !strings.Contains(" "+strings.Join(b, " ")+" ", " "+s+" ") {
			left = append(left, s)
		}
	}
	return left
}

// TestAHostNameThatSambaRefusesIsFound: with 64 characters rpcd_classic ends as
// soon as it is started.
func TestAHostNameThatSambaRefusesIsFound(t *testing.T) {
	h := boot(t, hostname(strings.Repeat("h", 64))).install()
	c := h.dial("/run/samba/ncalrpc/rpcd_classic")
	c.Write(winregBind(0))
	h.eventually(func() error {
		out, rc := h.try("msrpcctl", "verify")
		if rc != 1 || !strings.Contains(out, "msrpc-worker-classic@0.service") {
			return fmt.Errorf("exit status %d, want 1 and the worker in:\n%s", rc, out)
		}
		return nil
	})
	h.run("hostname", "short")
	if b, err := answer(c); err != nil || b[2] != 12 && b[2] != 13 {
		t.Errorf("the waiting client reads %x, %v", b, err)
	}
	h.sh("systemctl reset-failed 'msrpc-*'")
	h.smbd().serves("root%" + password)
}

// TestReadOnlyEtc: what needs no file in /etc works, the rest says so.
func TestReadOnlyEtc(t *testing.T) {
	h := boot(t, setup("systemd-sysusers")).install().smbd()
	h.sh("mount --bind /etc /etc; mount -o remount,bind,ro /etc")
	h.run("msrpcctl", "refresh")
	h.serves("root%" + password)
	out, rc := h.try("msrpcctl", "transport", "off", "tcp", "winreg")
	if rc == 0 || !strings.Contains(strings.ToLower(out), "read-only") {
		t.Errorf("transport off: exit status %d, want another than 0 and the cause in:\n%s", rc, out)
	}
	h.serves("root%" + password)
	h.run("umount", "/etc")
	h.run("msrpcctl", "transport", "off", "tcp", "winreg")
	if units := h.active("msrpc-tcp-winreg.socket"); len(units) > 0 {
		t.Errorf("still there: %v", units)
	}
}

// TestListenersFollowTheServerRole: a refresh takes TCP away from Samba's rpcds
// when the host becomes a domain controller, and gives it back.
func TestListenersFollowTheServerRole(t *testing.T) {
	h := boot(t).install()
	member := h.active("msrpc-tcp-*.socket")
	h.sh("cp /etc/samba/smb.conf /root/smb.conf; sed -i 's/server role = .*/server role = active directory domain controller/' /etc/samba/smb.conf")
	h.run("msrpcctl", "refresh")
	if units := h.active("msrpc-tcp-*.socket"); len(units) > 0 {
		t.Errorf("as a domain controller: %v", units)
	}
	if len(h.active("msrpc-np-winreg.socket")) != 1 {
		t.Error("as a domain controller there is no named pipe")
	}
	h.run("cp", "/root/smb.conf", "/etc/samba/smb.conf")
	h.run("msrpcctl", "refresh")
	if lost := without(member, h.active("msrpc-tcp-*.socket")); len(lost) > 0 || len(member) < 3 {
		t.Errorf("as before: of %v, %v are gone", member, lost)
	}
}
