// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"strings"
	"testing"
)

// This file owns clients that authenticate themselves to native rpcds, by the
// programs that Samba brings, and what msrpc-auth has to say of them.

const authUnit = "msrpc-auth.service"

// levels are how Samba's clients name the levels.
var levels = []string{"connect", "packet", "sign", "seal"}

// authSettings are lines of a drop-in for msrpc-auth, from the next handshake on.
func (h *host) authSettings(lines ...string) {
	h.t.Helper()
	h.MustWrite(h.t, "/etc/systemd/system/"+authUnit+".d/test.conf", "[Service]\n"+strings.Join(lines, "\n")+"\n")
	h.run("systemctl", "daemon-reload")
	h.run("systemctl", "stop", authUnit)
	if result := h.property(authUnit, "Result"); result != "success" && result != "resources" { // of a start without its file
		h.t.Errorf("stopped, %s has the result %s", authUnit, result)
	}
}

// hashes lets msrpc-auth know the users of this host.
func (h *host) hashes() {
	h.t.Helper()
	h.sh("mkdir -p -m 700 /etc/credstore; pdbedit -L -w >/etc/credstore/msrpc.nthashes; systemctl stop " + authUnit)
}

// echoes calls rpcecho by rpcclient, which has to succeed as user with these
// options of a binding.
func (h *host) echoes(server, options string, args ...string) {
	h.t.Helper()
	args = append([]string{"rpcclient", "ncacn_ip_tcp:" + server + "[" + echoPort + "," + options + "]", "-c", "echoaddone 41; echodata 5000"}, args...)
	out, rc := h.try(args...)
	if rc != 0 || !strings.Contains(out, "addone: 41 + 1 = 42") && !strings.Contains(out, "42") {
		h.t.Errorf("%v: exit status %d\n%s", args, rc, out)
		defer h.t.Log(h.journal("-u", authUnit, "-u", echoUnit))
	}
}

// authenticating boots a standalone host with rpcecho and one user, root.
func authenticating(t *testing.T) *host {
	t.Helper()
	return echo(t, "").smbd()
}

func TestClientsOfNativeRpcdsAuthenticateWithNTLM(t *testing.T) {
	h := authenticating(t)
	h.hashes()
	for _, mechanism := range []string{"ntlm", "spnego"} {
		for _, level := range levels {
			h.echoes("127.0.0.1", level+","+mechanism, "-U", "root%"+password)
		}
	}
	h.denied("root%wrong")
	out := h.run("rpcclient", "ncacn_ip_tcp:127.0.0.1[135,seal]", "-U", "root%"+password, "-c", "epmmap")
	h.contains(out, "num_tower[")

	t.Run("torture", func(t *testing.T) {
		for _, options := range []string{"seal,spnego,bigendian", "sign,ntlm,ndr64", "connect,ntlm,bigendian,ndr64"} {
			o := h.torture("rpc.echo", "ncacn_ip_tcp:127.0.0.1["+echoPort+","+options+"]", "-Uroot%"+password)
			for _, failure := range o.echoFailures() {
				t.Errorf("%s: %s", options, failure)
			}
		}
	})
	t.Run("winbindd", func(t *testing.T) {
		h.sh("rm /etc/credstore/msrpc.nthashes; systemctl stop " + authUnit)
		h.denied("root%" + password) // no winbindd
		h.run("systemctl", "start", "winbind.service")
		h.echoes("127.0.0.1", "seal", "-U", `MSRPCTEST\root%`+password)
		h.denied(`MSRPCTEST\root%wrong`)
		h.sh("kill -STOP $(pidof winbindd)")
		h.denied(`MSRPCTEST\root%` + password)
		h.run("rpcclient", "ncacn_ip_tcp:127.0.0.1["+echoPort+"]", "-N", "-c", "echoaddone 1") // others are served
		h.sh("kill -CONT $(pidof winbindd)")
		h.logged(echoUnit, "winbindd-slow", "root")      // journalctl may ask winbindd for groups
		h.run("systemctl", "restart", "winbind.service") // msrpc-auth is not
		h.echoes("127.0.0.1", "seal", "-U", `MSRPCTEST\root%`+password)
	})
}

// denied lets a client authenticate itself in vain.
func (h *host) denied(user string) {
	h.t.Helper()
	out, rc := h.try("rpcclient", "ncacn_ip_tcp:127.0.0.1["+echoPort+",sign]", "-U", user, "-c", "echoaddone 1")
	if rc == 0 {
		h.t.Errorf("%s is served:\n%s", user, out)
	}
}

func TestANativeRpcdSeesNoKey(t *testing.T) {
	h := authenticating(t)
	h.hashes()
	h.echoes("127.0.0.1", "seal", "-U", "root%"+password)
	root := "/proc/" + h.property(echoUnit, "MainPID") + "/root"
	h.run("ls", root+"/run/msrpc/.auth/socket")
	h.run("systemctl", "start", "winbind.service")
	for _, path := range []string{"/etc/credstore/msrpc.nthashes", "/run/credentials/" + authUnit + "/msrpc.nthashes", "/var/lib/samba/winbindd_privileged/pipe"} {
		h.run("test", "-e", path)
		if _, rc := h.try("test", "-e", root+path); rc == 0 {
			t.Errorf("a native rpcd sees %s", path)
		}
	}
	if user := h.property(authUnit, "User"); user != "msrpc-auth" {
		t.Errorf("%s runs as %q", authUnit, user)
	}
	h.run("systemctl", "stop", authUnit)
	if result := h.property(authUnit, "Result"); result != "success" {
		t.Errorf("%s, which was stopped: %q", authUnit, result)
	}
}

// authenticatesDomain lets users of a domain, who are at its controller, call
// rpcecho of a member with each mechanism.
func (h *host) authenticatesDomain(dc *host) {
	h.t.Helper()
	h.authSettings("LoadCredential=krb5.keytab:/etc/krb5.keytab")
	for _, options := range []string{"sign,krb5", "seal,spnego,bigendian,ndr64"} {
		o := dc.torture("rpc.echo", "ncacn_ip_tcp:"+memberName+"["+echoPort+","+options+"]", "-U", admin, "--use-kerberos=required")
		for _, failure := range o.echoFailures() {
			h.t.Errorf("%s: %s", options, failure)
			defer h.t.Log(h.journal("-u", authUnit, "-u", echoUnit))
		}
	}
	upn := "administrator@" + strings.ToLower(realm) + strings.TrimPrefix(admin, "Administrator") // in no domain that NTLM names
	for user, levels := range map[string][]string{admin: levels, upn: {"seal"}} {
		for _, level := range levels {
			args := []string{"rpcclient", "ncacn_ip_tcp:" + memberName + "[" + echoPort + "," + level + ",ntlm]", "--use-kerberos=off", "-U", user, "-c", "echoaddone 41; echodata 5000"}
			if out, rc := dc.try(args...); rc != 0 {
				h.t.Errorf("%v: exit status %d\n%s", args, rc, out)
				defer h.t.Log(h.journal("-u", authUnit, "-u", echoUnit))
			}
		}
	}
}
