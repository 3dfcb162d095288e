// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// Samba's raw_protocol tests state what Windows does, PDU by PDU. Debian 12's
// python3-samba has them; they run on the host, in the network of the box.

// rawOutcome is how one test ended and what it needs, besides the protocol.
type rawOutcome struct {
	result string // success, failure, error
	needs  string
	detail string
}

var (
	rawResult = regexp.MustCompile(`(?m)^(successful|failure|error): samba\.\S+\.(test_\w+)(?: \[\n((?s:.*?))^\]$)?`)
	rawNeeds  = regexp.MustCompile(`(?m)^needs: samba\.\S+\.(test_\w+) (\S+)$`)
)

// rawProtocol runs those tests, or all, against the mapper of a box.
func (h *host) rawProtocol(env []string, tests ...string) map[string]rawOutcome {
	h.t.Helper()
	if _, err := os.Stat("/usr/lib/python3/dist-packages/samba/tests/dcerpc/raw_protocol.py"); err != nil {
		h.t.Skip("this host has no tests of Samba's: install python3-samba of Debian 12")
	}
	dir := h.t.TempDir()
	for name, text := range map[string]string{
		"smb.conf":  "[global]\nworkgroup = MSRPC\nnetbios name = MSRPCTEST\nrealm = " + realm + "\n",
		"krb5.conf": "[libdefaults]\ndefault_realm = " + realm + "\n[realms]\n" + realm + " = {\nkdc = " + dcAddress + "\n}\n",
	} {
		check.OK(h.t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	cmd := exec.CommandContext(h.t.Context(), "nsenter", append([]string{"-t", fmt.Sprint(h.PID()), "-n", "--", "/usr/bin/timeout", "100",
		"/usr/bin/python3", "testdata/raw_protocol.py"}, tests...)...)
	cmd.Env = append(append(os.Environ(), "REALM="+realm, "SMB_CONF_PATH="+dir+"/smb.conf", "KRB5_CONFIG="+dir+"/krb5.conf", "MAX_NUM_AUTH=2049"), env...)
	out, err := cmd.Output() // its exit status says that some fail
	results := map[string]rawOutcome{}
	for _, m := range rawResult.FindAllStringSubmatch(string(out), -1) {
		results[m[2]] = rawOutcome{result: strings.Replace(m[1], "successful", "success", 1), detail: m[3]}
	}
	for _, m := range rawNeeds.FindAllStringSubmatch(string(out), -1) {
		if o := results[m[1]]; !strings.Contains(o.needs, m[2]) {
			o.needs += " " + m[2]
			results[m[1]] = o
		}
	}
	if len(results) < max(len(tests), 1) {
		h.t.Fatalf("%d results, %v:\n%s", len(results), err, out)
	}
	return results
}

// TestNativeMapperSpeaksAsWindowsDoes compares it with what Windows is known to do,
// and with Samba's own mapper on a host of the same kind.
func TestNativeMapperSpeaksAsWindowsDoes(t *testing.T) {
	stock := boot(t, func(o *sandboxOptions) { o.Stage = "" }).smbdBehindStock()
	stock.eventually(func() error {
		if out, rc := stock.try("bash", "-c", "</dev/tcp/127.0.0.1/135"); rc != 0 {
			return errors.New(out)
		}
		return nil
	})
	env := []string{"SERVER=127.0.0.1", "DOMAIN=MSRPCTEST", "USERNAME=root", "PASSWORD=" + password}
	want := stock.rawProtocol(env)
	ours := boot(t).install().smbd()
	ours.hashes()
	got := ours.rawProtocol(env)
	if len(got) < 150 {
		t.Errorf("%d results", len(got))
	}
	rawCompared(t, "NTLM", want, got)
}

// needKerberos are tests of Kerberos; NTLM of Samba's client signs headers,
// whatever is agreed on.
var needKerberos = []string{
	"test_krb5_signing_packet", "test_krb5_hdr_signing_packet", "test_krb5_signing_integrity", "test_krb5_hdr_signing_integrity",
	"test_krb5_hdr_sign_delayed1_ok1", "test_krb5_hdr_sign_delayed1_fail1", "test_krb5_hdr_sign_delayed2_ok1",
	"test_krb5_hdr_sign_delayed2_fail1", "test_krb5_hdr_sign_delayed3_fail1", "test_spnego_multiple_auth_hdr_signing",
	// These end otherwise than by NTLM, when a client asks for less than the level.
	"test_spnego_change_auth_type1", "test_spnego_change_auth_type2", "test_spnego_packet_bind_none",
	"test_spnego_integrity_bind_none", "test_spnego_privacy_bind_none", "test_spnego_privacy_bind_sign",
}

// rawKerberos runs them, or all, against the mapper of a member.
func (h *host) rawKerberos() map[string]rawOutcome {
	h.t.Helper()
	user, password, _ := strings.Cut(admin, "%")
	env := []string{"SERVER=" + memberAddress, "TARGET_HOSTNAME=" + memberName, "DOMAIN=" + domainName, "USERNAME=" + user, "PASSWORD=" + password}
	if compareAll {
		return h.rawProtocol(env)
	}
	var tests []string
	for _, test := range needKerberos {
		tests = append(tests, "samba.tests.dcerpc.raw_protocol.TestDCERPC_BIND."+test)
	}
	return h.rawProtocol(env, tests...)
}

// rawCompared shows the results of both mappers: ours passes each test that it
// has what is needed for.
func rawCompared(t *testing.T, mechanism string, want, got map[string]rawOutcome) {
	var rows []string
	passed := [2]int{}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		g, w := got[name], want[name]
		for i, o := range []rawOutcome{w, g} {
			if o.result == "success" {
				passed[i]++
			}
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |", name, w.result, g.result, g.needs))
		switch {
		case g.result == "success":
		case mechanism == "NTLM" && (strings.Contains(g.needs, "kerberos") || name == "test_spnego_multiple_auth_hdr_signing"):
		case w.result != "success" && (strings.Contains(g.needs, "interface-") || strings.Contains(g.needs, "pipe") || name == "test_assoc_group_fail3"):
			// of a domain controller, or of an SMB server that Samba's client has Kerberos with
		default:
			t.Errorf("%s: Samba's mapper %s, ours %s\n%s", name, w.result, g.result, g.detail)
		}
	}
	summary := fmt.Sprintf("raw_protocol by %s: of %d tests Samba's mapper passes %d, ours %d", mechanism, len(got), passed[0], passed[1])
	t.Log(summary)
	show(t, summary+"\n\n| test | Samba's | ours | needs |\n|---|---|---|---|\n"+strings.Join(rows, "\n")+"\n")
}
