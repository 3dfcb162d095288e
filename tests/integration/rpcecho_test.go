// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rpcecho, the example of pkg/rpc/rpcd, with the clients that Samba tests its own
// with. Distributions ship no rpcd_rpcecho of Samba's to compare with.

const (
	echoPort  = "50910"
	echoLocal = "/run/samba/ncalrpc/rpcd_rpcecho"
	echoID    = "60a15ec5-4de8-11d7-a637-005056a20182"
	echoUnit  = "msrpc-worker-rpcecho@0.service"
)

var echoOver = map[string]string{
	"tcp": "ncacn_ip_tcp:127.0.0.1[" + echoPort + "]", "ncalrpc": "ncalrpc:[rpcd_rpcecho]", "np": `ncacn_np:127.0.0.1[\pipe\rpcecho]`,
}

// echo boots a host with rpcecho switched on.
func echo(t *testing.T, settings string) *host {
	t.Helper()
	return boot(t, file("/etc/msrpcd/rpcd.d/rpcecho.conf.d/on.conf",
		"[Rpcd]\nTransports=np tcp ncalrpc\nPort="+echoPort+"\n"+settings)).install()
}

var echoTests = []string{
	"addone", "doublepointer", "echodata", "enum", "sinkdata", "sleep", "sourcedata", "surrounding", "testcall", "testcall2",
}

func TestRpcechoPassesSambasTests(t *testing.T) {
	for name, settings := range map[string]string{"direct": "", "broker": "Activation=broker\nWorkers=2\n"} {
		t.Run(name, func(t *testing.T) {
			h := echo(t, settings).smbd()
			for _, tr := range slices.Sorted(maps.Keys(echoOver)) {
				user := "%"
				if tr == "np" {
					user = "root%" + password
				}
				o := h.torture("rpc.echo", echoOver[tr], "-U"+user, "--option=torture:quick=no")
				for _, failure := range o.echoFailures() {
					t.Errorf("%s: %s", tr, failure)
				}
			}
			if failures := h.journal("MSRPC_RPCD=rpcecho", "PRIORITY=3"); strings.TrimSpace(failures) != "" {
				t.Errorf("it logs errors:\n%s", failures)
			}
		})
	}
}

// mgmtOf is what smbtorture's rpc.mgmt prints about each interface, without
// numbers and without what the interfaces are: mgmt itself is one of them in
// Samba 4.17, and no longer in 4.22.
func mgmtOf(out string) map[string]string {
	sections := map[string]string{}
	for _, section := range strings.Split(out, "\nTesting pipe '")[1:] {
		name, text, _ := strings.Cut(section, "'\n")
		var lines []string
		for _, line := range strings.Split(text, "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "uuid") {
				lines = append(lines, strings.Join(strings.Fields(regexp.MustCompile(`\b\d+\b`).ReplaceAllString(line, "N")), " "))
			}
		}
		sections[name] = strings.Join(lines, "\n")
	}
	return sections
}

func TestRpcechoAnswersMgmtAsSambaDoes(t *testing.T) {
	h := echo(t, "").smbd()
	for binding, user := range map[string]string{"ncacn_ip_tcp:127.0.0.1": "%", "ncacn_np:127.0.0.1": "root%" + password} {
		o := h.torture("rpc.mgmt", binding, "-U"+user)
		got := mgmtOf(o.out)
		if d := cmp.Diff(got["winreg"], got["rpcecho"]); d != "" || !strings.Contains(got["rpcecho"], "server is listening") || o.of["mgmt"] != "success" {
			t.Errorf("%s: %v, winreg of Samba (-) and rpcecho (+) differ:\n%s", binding, o.of, d)
		}
	}
}

// A process that is told to stop leaves what it has in hand to the next one, as the
// listeners do with what waits in them.
func TestDirectRpcdIsRestartedUnderLoad(t *testing.T) {
	const restarts = 5
	h := echo(t, "")
	h.pipeClient()
	results := map[string]func() loadResult{}
	for tr, args := range map[string][]string{
		"tcp":     {"-addr", "127.0.0.1:" + echoPort},
		"ncalrpc": {"-net", "unix", "-addr", echoLocal},
		"np":      {"-net", "unix", "-addr", "/run/samba/ncalrpc/np/rpcecho", "-npa", npaRequest},
	} {
		_, results[tr] = h.loading(append(args, "-iface", echoID, "-c", "4", "-n", "0", "-d", "4s")...)
	}
	first := ""
	for range restarts {
		h.eventually(func() error {
			if pid := h.property(echoUnit, "MainPID"); pid == "0" || pid == first {
				return fmt.Errorf("process %s, was %s", pid, first)
			}
			return nil
		})
		first = h.property(echoUnit, "MainPID")
		h.run("systemctl", "restart", echoUnit)
	}
	for tr, result := range results {
		r := result()
		t.Logf("%d restarts, %s: %d binds answered, %d not: %v", restarts, tr, r.Conns, r.Failed, r.Errors)
		if r.Failed > 0 || r.Conns < 1000 {
			t.Errorf("%s: %d binds answered, %d not: %v", tr, r.Conns, r.Failed, r.Errors)
		}
	}
	h.contains(h.property(echoUnit, "Result"), "success")
	if units := h.active("msrpc-*-rpcecho.socket"); len(units) != 3 {
		t.Errorf("listeners afterwards: %v", units)
	}
}

func TestRpcechoEndsWhenIdle(t *testing.T) {
	for name, settings := range map[string]string{"direct": "IdleSec=1\n", "broker": "IdleSec=1\nActivation=broker\nWorkers=2\n"} {
		t.Run(name, func(t *testing.T) {
			h := echo(t, settings)
			held := h.ping("ncalrpc:[rpcd_rpcecho]", echoID+"/1.0")
			if held.Answered == 0 {
				t.Fatalf("%+v", held)
			}
			h.eventually(func() error {
				if units := h.active("msrpc-worker-rpcecho@*.service", "msrpc-broker@rpcecho.service"); len(units) > 0 {
					return fmt.Errorf("%v", units)
				}
				return nil
			})
			if again := h.ping("ncacn_ip_tcp:127.0.0.1["+echoPort+"]", echoID+"/1.0"); again.Answered == 0 {
				t.Errorf("%+v", again)
			}
			if failed := strings.TrimSpace(h.run("systemctl", "list-units", "--failed", "--plain", "--no-legend", "msrpc-*")); failed != "" {
				t.Errorf("failed units:\n%s", failed)
			}
		})
	}
}
