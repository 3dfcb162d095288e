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
// part in, and those that ask the endpoint mapper. They need not pass; they must
// end with msrpcd as with samba-dcerpcd, or better.
var suites = []string{
	"rpc.handles", "rpc.winreg", "rpc.srvsvc", "rpc.lsa", "rpc.lsa-getuser", "rpc.lsa.lookupsids",
	"rpc.lsa.lookupnames", "rpc.lsa.privileges", "rpc.lsa.secrets", "rpc.lsa.trusted.domains",
	"rpc.dssetup", "rpc.wkssvc", "rpc.svcctl", "rpc.mgmt", "rpc.bind", "rpc.epmapper",
}

// leftOut are suites that no run compares, and why.
var leftOut = map[string]string{
	"rpc.bench-rpc": "measures", "rpc.bench-schannel1": "measures", "rpc.samr.large-dc": "makes thousands of accounts",
}

// bindings are those that a suite is run over: in a normal run each over the next.
var bindings = []string{
	"ncacn_np:127.0.0.1", "ncacn_np:127.0.0.1[seal,spnego]", "ncacn_np:127.0.0.1[sign,ntlm]", "ncacn_np:127.0.0.1[connect,ntlm,bigendian]",
	"ncacn_ip_tcp:127.0.0.1[seal,spnego]", "ncacn_np:127.0.0.1[packet,spnego,ndr64]", "ncacn_ip_tcp:127.0.0.1[sign,ntlm,bigendian]",
}

// suiteRuns are those of a standalone host, each with a user of its own accounts.
func (h *host) suiteRuns() (runs []suiteRun) {
	const root = "root%" + password
	for i, suite := range h.suites() {
		over := bindings[i%len(bindings):][:1]
		if compareAll {
			over = bindings
		}
		for _, b := range over {
			runs = append(runs, suiteRun{suite, b, root, "off"})
		}
	}
	for _, suite := range []string{"rpc.epmapper", "rpc.bind", "rpc.mgmt"} {
		runs = append(runs, suiteRun{suite, "ncacn_ip_tcp:127.0.0.1", "%", "off"}, suiteRun{suite, "ncalrpc:", "%", "off"})
	}
	return append(runs, suiteRun{"rpc.epmapper", "ncacn_np:127.0.0.1", root, "off"})
}

// suites are those that are compared.
func (h *host) suites() (list []string) {
	if !compareAll {
		return suites
	}
	for _, suite := range strings.Fields(h.run("smbtorture", "--list-suites")) {
		if strings.HasPrefix(suite, "rpc.") && leftOut[suite] == "" {
			list = append(list, suite)
		}
	}
	return list
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
	ours.hashes()
	runs := ours.suiteRuns()
	stocks := make(chan map[suiteRun]tortured, 1)
	go func() { stocks <- stock.results(runs) }() // both at once
	got := ours.results(runs)
	noneWorse(t, "Suites of smbtorture, on a standalone host", <-stocks, got)
	local := got[suiteRun{"rpc.epmapper", "ncalrpc:", "%", "off"}].of
	if local["epmapper.Insert_noreplace"] != "success" || local["epmapper.Map_full"] != "success" {
		t.Errorf("insert and delete by local root: %q", local)
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
	h.stockServer()
	h.smbd()
	h.eventually(func() error {
		if out, rc := h.try("test", "-S", "/run/samba/ncalrpc/np/winreg", "-a", "-S", "/run/samba/ncalrpc/np/srvsvc"); rc != 0 {
			return fmt.Errorf("samba-dcerpcd does not serve yet %s", out)
		}
		return nil
	})
	return h
}

// stockServer starts samba-dcerpcd.
func (h *host) stockServer() {
	h.t.Helper()
	h.sh("mkdir -p /run/samba; systemd-run -q --unit=samba-dcerpcd " + h.dcerpcd() + " -F --libexec-rpcds")
}

// dcerpcd is the path of samba-dcerpcd.
func (h *host) dcerpcd() string {
	return strings.TrimSpace(h.sh("ls /usr/libexec/samba/samba-dcerpcd /usr/lib/*/samba/samba-dcerpcd 2>/dev/null | head -n 1"))
}

var changing = regexp.MustCompile(`S-1-5-21-[0-9-]+|0x[0-9a-f]{8,}|Sequence No:.*`)

// steady is output without what differs from host to host.
func steady(out string) string { return changing.ReplaceAllString(out, "*") }
