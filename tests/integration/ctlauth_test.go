// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"strings"
	"testing"
)

// msrpcctl as a client that authenticates, of native rpcds and of Samba's.

// authenticates pings a binding at all levels, which has to succeed.
func (h *host) authenticates(server string, args ...string) {
	h.t.Helper()
	for _, level := range levels {
		out, rc := h.try(append([]string{"msrpcctl", "ping", "--auth", level, "-c", "2", "-i", "0", server}, args...)...)
		name := map[string]string{"sign": "integrity", "seal": "privacy"}[level]
		if name == "" {
			name = level
		}
		if rc != 0 || !strings.Contains(out, "2 answered") || !strings.Contains(out, ", "+name+"\n") {
			h.t.Errorf("%v at level %s of %s: exit status %d\n%s", args, level, server, rc, out)
			defer h.t.Log(h.journal("-u", authUnit))
		}
	}
}

func TestMsrpcctlAuthenticatesItself(t *testing.T) {
	h := authenticating(t)
	h.hashes()
	native, sambas := "ncacn_ip_tcp:127.0.0.1["+echoPort+"]", "ncacn_ip_tcp:127.0.0.1["+h.port("winreg")+"]"
	h.MustWrite(t, "/root/credentials", "username = root\npassword = "+password+"\n")
	h.run("chmod", "600", "/root/credentials")
	for _, server := range []string{native, sambas, "ncacn_ip_tcp:127.0.0.1[135]", "ncalrpc:[rpcd_rpcecho]"} {
		for _, mech := range []string{"ntlm", "spnego"} {
			h.authenticates(server, "--mech", mech, "-A", "/root/credentials")
			out, rc := h.try("msrpcctl", "ping", "--mech", mech, "-U", "root%wrong", server)
			if rc != 1 || !strings.Contains(out, "the server refuses these credentials") {
				t.Errorf("%s with a wrong password: exit status %d\n%s", server, rc, out)
			}
		}
	}
	h.contains(h.run("msrpcctl", "endpoints", "--auth", "sign", "-U", "root%"+password, "ncacn_ip_tcp:127.0.0.1"), "rpcecho")
	h.contains(h.run("msrpcctl", "ping", "-U", "root%"+password, "ncacn_ip_tcp:127.0.0.1", "rpcecho"), "authenticated: root, ntlm, privacy")
	h.contains(h.run("msrpcctl", "status", "rpcecho"), "/etc/credstore/msrpc.nthashes")
	out, rc := h.try("msrpcctl", "ping", "--mech", "krb5", "ncacn_ip_tcp:localhost["+echoPort+"]")
	if rc != 1 || !strings.Contains(out, "there is no ticket") || !strings.Contains(out, "; run kinit") {
		t.Errorf("Kerberos without a ticket: exit status %d\n%s", rc, out)
	}
}

// pingsWithKerberos lets msrpcctl at a controller use a ticket for a member.
func (h *host) pingsWithKerberos(dc *host) {
	h.t.Helper()
	user, secret, _ := strings.Cut(admin, "%")
	dc.sh("echo '" + secret + "' | kinit " + user + "@" + realm)
	for _, mech := range []string{"krb5", "spnego"} {
		for _, server := range []string{memberName + "[" + echoPort + "]", memberName + "[" + h.port("winreg") + "]"} {
			dc.authenticates("ncacn_ip_tcp:"+server, "-k", "--mech", mech)
		}
	}
	dc.contains(dc.run("msrpcctl", "ping", "-k", "ncacn_ip_tcp:"+memberName, "rpcecho"), "authenticated: Administrator@"+realm+", krb5, privacy")
	dc.contains(dc.run("msrpcctl", "endpoints", "-k", memberName), "winreg")
	for server, text := range map[string]string{"nosuch.ad.example.com": "the KDC does not know the server", memberAddress: "kerberos knows servers by name"} {
		if out, rc := dc.try("msrpcctl", "endpoints", "-k", server); rc != 1 || !strings.Contains(out, text) {
			h.t.Errorf("%s: exit status %d\n%s", server, rc, out)
		}
	}
}
