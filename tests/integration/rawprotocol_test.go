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

// rawProtocol runs them against the mapper of a box.
func (h *host) rawProtocol() map[string]rawOutcome {
	h.t.Helper()
	if _, err := os.Stat("/usr/lib/python3/dist-packages/samba/tests/dcerpc/raw_protocol.py"); err != nil {
		h.t.Skip("this host has no tests of Samba's: install python3-samba of Debian 12")
	}
	conf := filepath.Join(h.t.TempDir(), "smb.conf")
	check.OK(h.t, os.WriteFile(conf, []byte("[global]\nworkgroup = MSRPC\nnetbios name = MSRPCTEST\n"), 0o644))
	cmd := exec.CommandContext(h.t.Context(), "nsenter", "-t", fmt.Sprint(h.PID()), "-n", "--", "/usr/bin/timeout", "100",
		"/usr/bin/python3", "testdata/raw_protocol.py")
	cmd.Env = append(os.Environ(), "SERVER=127.0.0.1", "DOMAIN=MSRPCTEST", "REALM=EXAMPLE.COM", "USERNAME=root", "PASSWORD="+password,
		"SMB_CONF_PATH="+conf, "MAX_NUM_AUTH=2049")
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
	if len(results) < 150 {
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
	want := stock.rawProtocol()
	ours := boot(t).install().smbd()
	ours.hashes()
	got := ours.rawProtocol()
	passed := [2]int{}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		g, w := got[name], want[name]
		for i, o := range []rawOutcome{w, g} {
			if o.result == "success" {
				passed[i]++
			}
		}
		t.Logf("%-60s Samba %-8s ours %-8s%s", name, w.result, g.result, g.needs)
		switch {
		case g.result == "success":
		case strings.Contains(g.needs, "kerberos"):
			// of a domain controller
		case w.result != "success" && (strings.Contains(g.needs, "interface-") || strings.Contains(g.needs, "pipe")):
			// of a domain controller
		case name == "test_spnego_multiple_auth_hdr_signing":
			// Samba's NTLM signs headers, whatever it is told
		default:
			t.Errorf("%s: Samba's mapper %s, ours %s\n%s", name, w.result, g.result, g.detail)
		}
	}
	t.Logf("of %d tests Samba's mapper passes %d, ours %d", len(got), passed[0], passed[1])
}
