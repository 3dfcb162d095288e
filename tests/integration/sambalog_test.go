// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// What an unmodified rpcd logs is in its log file, as with stock Samba, and in
// the journal.

// ofRpcd are the messages of a program of Samba.
func (h *host) ofRpcd(program string) (all []map[string]string) {
	h.t.Helper()
	for _, line := range strings.Split(h.journal("-o", "json", "-t", program, "MSRPC_RPCD="+strings.TrimPrefix(program, "rpcd_")), "\n") {
		var e map[string]any
		if json.Unmarshal([]byte(line), &e) == nil {
			m := map[string]string{}
			for k, v := range e {
				m[k] = fmt.Sprint(v)
			}
			all = append(all, m)
		}
	}
	return all
}

// TestAnErrorOfSambaIsOneEntryOfTheJournal: a signal makes Samba say, at level
// 0, that it ends.
func TestAnErrorOfSambaIsOneEntryOfTheJournal(t *testing.T) {
	for name, settings := range map[string][]string{
		"as Samba's build has it": {},
		"with a log file":         {"logging = file", "log file = /srv/out/log.%m"},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*sandboxOptions)
			for _, line := range settings {
				change = append(change, global(line))
			}
			h := boot(t, change...)
			h.sh("mkdir -p /srv/out")
			h.install()
			h.load("-net", "unix", "-addr", winregNcalrpc)
			pid := h.one("pgrep -o -x rpcd_winreg")
			file := h.one("readlink /proc/" + pid + "/fd/2")
			if strings.Contains(file, "socket") || name == "with a log file" && !strings.HasPrefix(file, "/srv/out/log.") && !h.ignoresLogFile() {
				t.Errorf("the log file is %s", file)
			}
			h.run("kill", "-SEGV", pid)
			h.eventually(func() error {
				var errors []map[string]string
				for _, e := range h.ofRpcd("rpcd_winreg") {
					if strings.Contains(e["MESSAGE"], "Signal 11") {
						errors = append(errors, e)
					}
				}
				if len(errors) == 0 {
					return fmt.Errorf("nothing in the journal: %v", h.ofRpcd("rpcd_winreg"))
				}
				for _, e := range errors {
					for field, want := range map[string]string{"PRIORITY": "3", "LEVEL": "0", "MSRPC_WORKER": "0", "_SYSTEMD_UNIT": "msrpc-worker-winreg@0.service"} {
						if e[field] != want {
							t.Errorf("%s=%s, want %s: %v", field, e[field], want, e)
						}
					}
					if !strings.Contains(e["CODE_FILE"], "fault.c") || e["CODE_LINE"] == "" || e["CODE_FUNC"] == "" {
						t.Errorf("the place is missing: %v", e)
					}
				}
				return nil
			})
			h.contains(h.run("cat", file), "Signal 11")
			for _, e := range h.ofRpcd("rpcd_winreg") {
				if strings.Contains(e["MESSAGE"], "Copyright") || strings.HasPrefix(e["MESSAGE"], "[") {
					t.Errorf("a banner or header is in the journal: %v", e)
				}
			}
		})
	}
}

// one is the output of a shell command, of one line.
func (h *host) one(command string) string {
	h.t.Helper()
	return strings.TrimSpace(h.sh(command))
}

// ignoresLogFile holds for Samba 4.17, whose rpcds log where its build says.
func (h *host) ignoresLogFile() bool {
	h.t.Helper()
	return strings.Contains(h.run("smbd", "--version"), " 4.17.")
}

// TestLogLevel10IsInTheJournal: Samba moves its log file aside again and again
// meanwhile (4.17 does so at 5 MB only).
func TestLogLevel10IsInTheJournal(t *testing.T) {
	h := boot(t, global("log level = 10"), global("max log size = 500")).install()
	start := time.Now()
	h.load("-net", "unix", "-addr", winregNcalrpc, "-n", "200")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("200 clients take %v", took)
	} else {
		t.Logf("200 clients take %v", took)
	}
	h.run("pkill", "-SEGV", "-o", "-x", "rpcd_winreg")
	h.eventually(func() error {
		lines, levels, last := 0, map[string]int{}, false
		for _, e := range h.ofRpcd("rpcd_winreg") {
			levels[e["LEVEL"]]++
			if strings.Contains(e["MESSAGE"], "\n") {
				lines++
			}
			last = last || strings.Contains(e["MESSAGE"], "Signal 11")
		}
		if levels["10"] < 100 || lines < 10 || !last {
			return fmt.Errorf("messages by level: %v; %d of several lines", levels, lines)
		}
		return nil
	})
}
