// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
)

// Clients that leave before their answer cost no other client anything.

// way is how a client reaches winreg, as arguments of bindload.
type way struct {
	name string
	args []string
}

func (h *host) ways() []way {
	h.pipeClient()
	return []way{
		{"ncalrpc", []string{"-net", "unix", "-addr", winregNcalrpc}},
		{"tcp", []string{"-addr", "127.0.0.1:" + h.port("winreg")}},
		{"np", []string{"-net", "unix", "-addr", winregPipe, "-npa", npaRequest}},
	}
}

// hold binds n connections in every way; the function that is returned calls on
// each of them and tells how that went.
func (h *host) hold(n int, w way) func() loadResult {
	h.t.Helper()
	c := h.crowd(append([]string{"bindload", "-hold", fmt.Sprint(n), "-check"}, w.args...)...)
	h.eventually(func() error {
		if !strings.Contains(c.out.String(), "\n") {
			return fmt.Errorf("its connections are not bound yet")
		}
		return nil
	})
	if r := parseLoad(h.t, c.out.String()); r.Conns != n {
		h.t.Fatalf("connections to hold: %+v", r)
	}
	return c.bind
}

func (h *host) rpcds() string {
	out, _ := h.try("pgrep", "-x", "rpcd_winreg")
	return strings.Join(strings.Fields(out), " ")
}

func TestClientsThatLeaveKillNoRpcd(t *testing.T) {
	h := boot(t).install()
	for _, w := range h.ways() {
		for how, all := range map[string]string{"close": "0 3 200", "reset": "0 3 200", "half": "3 200", "half-reset": "200", "deaf": "200"} {
			if w.name != "tcp" && strings.HasSuffix(how, "reset") {
				continue // is the same as without
			}
			for _, calls := range strings.Fields(all) {
				t.Run(fmt.Sprintf("%s, %s after %s calls", w.name, how, calls), func(t *testing.T) {
					check := h.hold(10, w)
					before := h.rpcds()
					r := h.load(append([]string{"-leave", how, "-session", calls, "-c", "4", "-n", "100"}, w.args...)...)
					if r.Conns < 50 {
						t.Errorf("clients that leave: %+v", r)
					}
					h.settled(w)
					if after := h.rpcds(); after != before {
						t.Errorf("rpcds before %s, after %s", before, after)
					}
					if r := check(); r.Conns != 10 || r.Failed != 0 {
						t.Errorf("10 innocent clients: %+v", r)
					}
				})
			}
		}
	}
	h.noneDied()
}

// noneDied fails for each rpcd that ended without being asked to.
func (h *host) noneDied() {
	h.t.Helper()
	for _, line := range strings.Split(h.journal("-o", "short", "-u", "msrpc-worker-*"), "\n") {
		if strings.Contains(line, "ended by signal") {
			h.t.Error(line)
		}
	}
}

// settled returns when the workers have dealt with all that was handed over.
func (h *host) settled(w way) {
	h.t.Helper()
	f := h.winreg()
	h.eventually(func() error {
		for i := range 5 {
			if sent, got := f.Sent(i).Sent.Load(), f.Worker(i).Received.Load(); sent != got {
				return fmt.Errorf("worker %d has %d of %d connections", i, got, sent)
			}
		}
		return nil
	})
	// One more client that is served by the same processes, after those.
	if r := h.load(append([]string{"-c", "8", "-n", "40", "-session", "1"}, w.args...)...); r.Conns != 40 {
		h.t.Errorf("clients after them: %+v", r)
	}
}

// TestKilledClientsBreakNoSession kills real clients at random moments while
// others have long sessions over SMB.
func TestKilledClientsBreakNoSession(t *testing.T) {
	h := boot(t).install().smbd()
	h.run("timeout", "20", "rpcclient", "127.0.0.1", "-U", "root%"+password, "-c", "srvinfo")
	out := h.sh(strings.ReplaceAll(`
for i in 1 2 3 4; do
	(while [ ! -e /tmp/end ]; do echo srvinfo; sleep .2; done; echo quit) |
		rpcclient 127.0.0.1 -U root%PASSWORD >/tmp/long.$i 2>&1 &
done
end=$(($(date +%s) + 10)) n=0
while [ "$(date +%s)" -lt $end ]; do
	timeout -s KILL 0.0$((20 + n * 7 % 70)) rpcclient 127.0.0.1 -U root%PASSWORD \
		-c 'netshareenumall;srvinfo;netshareenumall' >/dev/null 2>&1 || :
	n=$((n + 1))
done
touch /tmp/end
wait
grep -h NT_STATUS /tmp/long.* || :
echo "answered: $(cat /tmp/long.* | grep -c platform_id)"
`, "PASSWORD", password))
	if strings.Contains(out, "NT_STATUS") {
		t.Errorf("long sessions were broken:\n%s", out)
	}
	var answered int
	fmt.Sscanf(out[strings.LastIndex(out, "answered:"):], "answered: %d", &answered)
	if answered < 20 {
		t.Errorf("long sessions: %s", out)
	}
	h.noneDied()
}
