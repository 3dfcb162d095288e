// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"msrpcd/pkg/host/journal"
	"msrpcd/tests/tools/check"
)

// TestJournalHasFieldsAndExplanations: what an administrator asks journalctl.
func TestJournalHasFieldsAndExplanations(t *testing.T) {
	h := boot(t).install()
	h.run("journalctl", "--update-catalog")
	c := h.dial(winregNcalrpc)
	c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	c.Read(make([]byte, 1))
	h.load("-net", "unix", "-addr", winregNcalrpc)
	h.run("journalctl", "--sync")
	found := map[string]map[string]any{}
	for _, line := range strings.Split(strings.TrimSpace(h.run("journalctl", "MSRPC_RPCD=winreg", "-o", "json")), "\n") {
		var record map[string]any
		check.OK(t, json.Unmarshal([]byte(line), &record))
		if id, ok := record["MESSAGE_ID"].(string); ok {
			found[id] = record
		}
	}
	for id, want := range map[string]map[string]string{
		journal.IDBrokerStarted: {"_SYSTEMD_UNIT": "msrpc-broker@winreg.service"},
		journal.IDBadPDU: {journal.Transport: "ncalrpc", journal.Client: "uid 0",
			journal.Binding: "ncalrpc:[rpcd_winreg]", "_SYSTEMD_UNIT": "msrpc-broker@winreg.service"},
		journal.IDWorkerReady: {journal.Worker: "0", "_SYSTEMD_UNIT": "msrpc-worker-winreg@0.service"},
	} {
		for field, value := range want {
			if found[id][field] != value {
				t.Errorf("message %s: %s=%v, want %s; it is %v", id, field, found[id][field], value, found[id])
			}
		}
		explained := h.run("journalctl", "-x", "-o", "short", "MESSAGE_ID="+id)
		if !strings.Contains(explained, "Subject: ") {
			t.Errorf("message %s is not explained:\n%s", id, explained)
		}
	}
}
