// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// suites are those of smbtorture that the rpcds of a standalone server take
// part in; epm_test.go has those that ask the endpoint mapper. They need not pass; they
// must end with msrpcd as with samba-dcerpcd, or better.
var suites = []string{
	"rpc.handles", "rpc.winreg", "rpc.srvsvc", "rpc.lsa", "rpc.lsa-getuser", "rpc.lsa.lookupsids",
	"rpc.lsa.lookupnames", "rpc.lsa.privileges", "rpc.lsa.secrets", "rpc.lsa.trusted.domains",
	"rpc.dssetup", "rpc.wkssvc", "rpc.svcctl", "rpc.mgmt",
}

// commands are client calls whose output must be the same, too.
var commands = []string{
	"srvinfo", "netshareenumall", "enumdomusers", "lookupnames root", "lookupsids S-1-1-0",
	"enumprinters", "querydominfo", "lsaquery", "dsroledominfo", "wkssvc_wkstagetinfo",
}

// TestSameResultsAsStockSamba runs the same clients against samba-dcerpcd and
// against msrpcd, each on a host of its own, and compares test by test.
func TestSameResultsAsStockSamba(t *testing.T) {
	stock := boot(t, func(o *sandboxOptions) { o.Stage = "" }).smbdBehindStock()
	ours := boot(t).install().smbd()
	for _, s := range suites {
		t.Run(s, func(t *testing.T) {
			want, got := stock.torture(s), ours.torture(s)
			for test, w := range want {
				// Better is allowed: samba-dcerpcd closes where a bind_nak is due.
				if g := got[test]; g != w && g != "success" && g != passed {
					t.Errorf("%s: %q with samba-dcerpcd, %q with msrpcd", test, w, g)
				}
			}
			if len(got) < len(want) || len(want) == 0 {
				t.Errorf("%d results with samba-dcerpcd, %d with msrpcd", len(want), len(got))
			}
		})
	}
	for _, c := range commands {
		t.Run(c, func(t *testing.T) {
			want, wantRC := stock.try(rpcclient(c)...)
			got, gotRC := ours.try(rpcclient(c)...)
			if d := cmp.Diff(steady(want), steady(got)); d != "" || wantRC != gotRC {
				t.Errorf("exit status %d and %d; samba-dcerpcd (-) and msrpcd (+) differ:\n%s", wantRC, gotRC, d)
			}
		})
	}
}

// smbdBehindStock starts smbd and samba-dcerpcd as Samba means them.
func (h *host) smbdBehindStock() *host {
	h.t.Helper()
	h.sh("mkdir -p /run/samba; systemd-run -q --unit=samba-dcerpcd " + h.dcerpcd() + " -F --libexec-rpcds")
	h.smbd()
	h.eventually(func() error {
		if out, rc := h.try("test", "-S", "/run/samba/ncalrpc/np/winreg", "-a", "-S", "/run/samba/ncalrpc/np/srvsvc"); rc != 0 {
			return fmt.Errorf("samba-dcerpcd does not serve yet %s", out)
		}
		return nil
	})
	return h
}

// dcerpcd is the path of samba-dcerpcd.
func (h *host) dcerpcd() string {
	return strings.TrimSpace(h.sh("ls /usr/libexec/samba/samba-dcerpcd /usr/lib/*/samba/samba-dcerpcd 2>/dev/null | head -n 1"))
}

var outcome = regexp.MustCompile(`(?m)^(success|failure|error|skip|xfail): ([^ \n]+)`)

const passed = "exit status 0"

// torture runs one suite and returns the outcome of each of its tests; the
// suite's own is the exit status.
func (h *host) torture(suite string) map[string]string {
	return h.tortureAs("ncacn_np:127.0.0.1", "-Uroot%"+password, suite)
}

// tortureAs is torture over another binding and by another user.
func (h *host) tortureAs(binding, user, suite string) map[string]string {
	out, rc := h.try("timeout", "100", "smbtorture", binding, user, suite)
	got := map[string]string{suite: fmt.Sprint("exit status ", rc)}
	for _, m := range outcome.FindAllStringSubmatch(out, -1) {
		got[m[2]] = m[1]
	}
	return got
}

var changing = regexp.MustCompile(`S-1-5-21-[0-9-]+|0x[0-9a-f]{8,}|Sequence No:.*`)

// steady is output without what differs from host to host.
func steady(out string) string { return changing.ReplaceAllString(out, "*") }
