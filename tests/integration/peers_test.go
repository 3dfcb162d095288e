// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// This file owns clients that share no code with msrpcd or Samba and authenticate
// themselves to native rpcds: MIT's GSS-API, impacket and go-msrpc.

// buildGoMsrpc builds the client of go-msrpc, a module of its own. The newest Go that
// it needs is fetched where there is none.
func buildGoMsrpc(t *testing.T) {
	t.Helper()
	build := exec.Command("go", "build", "-C", "../tools/gomsrpc", "-o", filepath.Join(tools, "gomsrpc"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOTOOLCHAIN=auto")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build gomsrpc: %v\n%s", err, out)
	}
}

// authenticatesGoMsrpc calls rpcecho and the mapper with go-msrpc at each level.
func (h *host) authenticatesGoMsrpc(run func(args ...string) string, args ...string) {
	h.t.Helper()
	for _, level := range []string{"2", "4", "5", "6"} {
		args := append([]string{tools + "/gomsrpc", "-level", level, "-password", password}, args...)
		h.contains(run(append(args, "-mgmt", "ncacn_ip_tcp:127.0.0.1["+echoPort+"]")...), echoID+" 1.0")
		h.contains(run(append(args, "ncacn_ip_tcp:127.0.0.1[135]")...), strings.TrimSuffix(winregID, "/1.0"))
		h.contains(run(append(args, "-ndr64", "-map", winregID, "ncacn_ip_tcp:127.0.0.1[135]")...), "["+h.port("winreg")+"]")
	}
}

// expect compares answers of a client, by the end of each.
func (h *host) expect(got, want map[string]string) {
	h.t.Helper()
	for spec, answer := range want {
		if !strings.HasSuffix(got[spec], answer) || answer == "" {
			h.t.Errorf("%s: %q, want %q", spec, got[spec], answer)
			defer h.t.Log(h.journal("-u", authUnit, "-u", echoUnit))
		}
	}
}

func specs(want map[string]string) (all []string) {
	for spec := range want {
		all = append(all, spec)
	}
	return all
}

func TestClientsOfAnMITRealmAreServed(t *testing.T) {
	buildGoMsrpc(t)
	h := echo(t, "")
	m := h.kdc()
	m.keytab("keytab")
	h.sh("mkdir -p -m 700 /etc/credstore; ln -s /etc/krb5.keytab /etc/credstore/krb5.keytab")
	want := map[string]string{}
	for etype := range keytabTypes {
		for _, level := range []int{2, 4, 5, 6} {
			for _, flags := range []int{3, 7} {
				want[fmt.Sprintf("krb5,%s%d,%d,%d", echoPeers, etype, level, flags)] = fmt.Sprint("42 type ", etype)
			}
			want[fmt.Sprintf("spnego,%s%d,%d,7", echoPeers, etype, level)] = fmt.Sprint("42 type ", etype)
		}
	}
	h.expect(m.asks("gssapi_client.py", append([]string{echoPort}, specs(want)...)...), want)

	want = map[string]string{}
	for _, etype := range []int{17, 18, 23} { // those that impacket has
		for _, level := range []int{2, 5, 6} {
			if level == 5 && etype != 23 {
				continue // impacket 0.10 fails to sign with AES
			}
			spec := fmt.Sprintf("krb5,user1,,%s,%d,ncacn_ip_tcp:server.test.example%d", mitRealm, level, etype)
			want[spec+"["+echoPort+"]"], want[spec+"[135]"] = "42 9000", " entries"
		}
	}
	h.expect(m.asks("impacket_client.py", specs(want)...), want)
	h.authenticatesGoMsrpc(func(args ...string) string { return m.run("", args...) },
		"-mechanism", "krb5", "-user", "user1@"+mitRealm, "-target", echoPeers+"18")
}

// faults lets a client authenticate in vain, twice, and wants one message that says why.
func (m *mit) faults(what, answer, message string) {
	m.h.t.Helper()
	spec := "krb5," + echoPeers + "18,6,7"
	m.h.eventually(func() error { // until keys are the new ones
		if got := m.asks("gssapi_client.py", echoPort, spec)[spec]; !strings.HasPrefix(got, answer) {
			return fmt.Errorf("%s: %q, want %q", what, got, answer)
		}
		return nil
	})
	if message != "" {
		m.asks("gssapi_client.py", echoPort, spec)
		if n := strings.Count(m.h.journal("-u", echoUnit, "-u", authUnit), message); n != 1 {
			m.h.t.Errorf("%s: %q is logged %d times", what, message, n)
		}
	}
}

func TestKeysOfAKerberosServiceMayComeAndGo(t *testing.T) {
	h := echo(t, "")
	m := h.kdc()
	const served, refused = "42", "nak 9"
	fresh := func() { h.run("systemctl", "stop", echoUnit) } // what it logs once is logged again
	m.faults("no keytab", refused, "msrpc-auth has no keytab")
	h.sh("mkdir -p -m 700 /etc/credstore; ln -s /etc/krb5.keytab /etc/credstore/krb5.keytab")
	m.keytab("keytab")
	m.faults("a keytab that comes", served, "")
	h.MustWrite(t, "/etc/krb5.keytab", "not a keytab")
	fresh()
	m.faults("no keytab in the file", refused, "there is no Kerberos: keytab cannot be read")
	m.run("addprinc -randkey "+echoPeers+"18@OTHER.EXAMPLE\nktadd -k "+m.dir+"/other -norandkey "+echoPeers+"18@OTHER.EXAMPLE\n", "kadmin.local")
	m.keytab("other")
	fresh()
	m.faults("a keytab of another realm", refused, "no key of the keytab opens the ticket for \"host/server.test.example18\" of realm \"TEST.EXAMPLE\"")
	m.keytab("keytab")
	m.faults("the right one again", served, "")
	m.run("cpw -randkey "+echoPeers+"18\nktadd -k "+m.dir+"/keytab2 -norandkey "+echoPeers+"18\n", "kadmin.local")
	m.run(password+"\n", "kinit", "user1")
	fresh()
	m.faults("a ticket with a newer key", refused, "key version 2, encryption type 18; make the keytab again")
	m.keytab("keytab2")
	m.faults("the newer keytab", served, "")
	m.skew()
	fresh()
	m.faults("another clock", refused, "clocks of client and server differ by ")
}

// skew moves the clock of the client by ten minutes, as its cache of tickets has it.
func (m *mit) skew() {
	m.h.t.Helper()
	path := filepath.Join(m.dir, "cc")
	b, err := os.ReadFile(path)
	if err == nil && len(b) < 20 || string(b[:2]) != "\x05\x04" {
		err = errors.New("not a cache of version 4")
	}
	if err == nil {
		header := int(b[2])<<8 | int(b[3])
		b = append([]byte("\x05\x04\x00\x0c\x00\x01\x00\x08\x00\x00\x02\x58\x00\x00\x00\x00"), b[4+header:]...)
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		m.h.t.Fatal(err)
	}
}

func TestImpacketAndGoMsrpcAuthenticateWithNTLM(t *testing.T) {
	buildGoMsrpc(t)
	h := authenticating(t)
	h.hashes()
	for _, mechanism := range []string{"ntlm", "spnego"} {
		h.authenticatesGoMsrpc(func(args ...string) string {
			return h.run(append([]string{"/tools/gomsrpc"}, args[1:]...)...)
		}, "-mechanism", mechanism, "-user", `MSRPCTEST\root`)
	}
	script, err := os.ReadFile("testdata/impacket_client.py")
	if err != nil {
		t.Fatal(err)
	}
	h.MustWrite(t, "/root/impacket_client.py", string(script))
	ask := func(want map[string]string) {
		t.Helper()
		got := map[string]string{}
		for line := range strings.Lines(h.run(append([]string{"/usr/bin/python3", "/root/impacket_client.py"}, specs(want)...)...)) {
			spec, answer, _ := strings.Cut(strings.TrimSpace(line), " ")
			got[spec] = answer
		}
		h.expect(got, want)
	}
	const tcp, denied = "ncacn_ip_tcp:127.0.0.1[", "access_denied"
	spec := func(user string, level int, binding string) string {
		return fmt.Sprintf("ntlm,%s,,%d,%s", user, level, binding)
	}
	ask(map[string]string{spec("root,"+password, 6, tcp+echoPort+"]"): denied}) // impacket makes no MIC
	h.authSettings("Environment=MSRPC_NTLM_WITHOUT_MIC=yes")
	want := map[string]string{}
	for _, level := range []int{2, 5, 6} {
		for _, at := range []string{tcp + echoPort + "]", `ncacn_np:127.0.0.1[\pipe\rpcecho]`} {
			want[spec("root,"+password, level, at)] = "42 9000"
		}
		for _, at := range []string{tcp + "135]", `ncacn_np:127.0.0.1[\pipe\epmapper]`} {
			want[spec("root,"+password, level, at)] = " entries"
		}
		want[spec("root,wrong", level, tcp+echoPort+"]")] = denied
		want[spec("nobody,"+password, level, tcp+echoPort+"]")] = denied
	}
	ask(want)

	// Accounts that may not log on, as winbindd says.
	h.sh("rm /etc/credstore/msrpc.nthashes")
	for user, change := range map[string]string{"off": "smbpasswd -d off", "old": "net sam set pwdmustchangenow old yes", "locked": `pdbedit -P "bad lockout attempt" -C 1`} {
		h.sh("useradd " + user + "; printf '%s\\n%s\\n' " + password + " " + password + " | smbpasswd -s -a " + user + "; " + change)
	}
	h.run("systemctl", "start", "winbind.service")
	h.run("systemctl", "stop", authUnit)
	h.try("wbinfo", "-a", `MSRPCTEST\locked%wrong`)
	for user, status := range map[string]string{"off": "(0xc0000072)", "old": "(0xc0000224)", "locked": "(0xc0000234)"} {
		h.run("systemctl", "stop", echoUnit)
		ask(map[string]string{spec(user+","+password, 6, tcp+echoPort+"]"): denied, spec(user+","+password, 2, tcp+echoPort+"]"): denied})
		if n := strings.Count(h.journal("-u", echoUnit), status); n != 1 {
			t.Errorf("%s: %q is logged %d times:\n%s", user, status, n, h.journal("-u", echoUnit))
		}
	}
	ask(map[string]string{spec("root,"+password, 6, tcp+echoPort+"]"): "42 9000"})
}
