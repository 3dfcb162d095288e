// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

// entries are messages of units of msrpcd and about them, at level info and
// above.
func (h *host) entries() (all []map[string]any) {
	h.t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(h.journal("-o", "json", "-p", "info", "-u", "msrpc*")), "\n") {
		var e map[string]any
		if json.Unmarshal([]byte(line), &e) == nil {
			all = append(all, e)
		}
	}
	return all
}

// TestColdShareListingWritesFewLines: nothing runs, one client lists the shares,
// which starts two brokers and two workers, and nothing that it does not need.
func TestColdShareListingWritesFewLines(t *testing.T) {
	h := boot(t).install().smbd()
	before := len(h.entries())
	h.run("smbclient", "-L", "127.0.0.1", "-U", "root%"+password)
	var lines []string
	for _, e := range h.entries()[before:] {
		id, _ := e["SYSLOG_IDENTIFIER"].(string)
		text, _ := e["MESSAGE"].(string)
		lines = append(lines, id+": "+text)
		if strings.Contains(text, "Copyright") {
			t.Errorf("a banner is in the journal: %s", text)
		}
		if name, ok := strings.CutPrefix(id, "rpcd_"); ok && (e["MSRPC_RPCD"] != name || e["MSRPC_WORKER"] == nil) {
			t.Errorf("a line of %s has MSRPC_RPCD=%v, MSRPC_WORKER=%v", id, e["MSRPC_RPCD"], e["MSRPC_WORKER"])
		}
	}
	if w := h.sh("systemctl list-units --plain --no-legend --state=running 'msrpc-worker-*.service' | cut -d ' ' -f 1"); w != "msrpc-worker-classic@0.service\nmsrpc-worker-winreg@5.service\n" {
		t.Errorf("these workers run:\n%s", w)
	}
	if len(lines) > 6 || len(lines) == 0 {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	t.Logf("lines:\n%s", strings.Join(lines, "\n"))
}
