// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
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
// which starts two brokers and three workers.
func TestColdShareListingWritesFewLines(t *testing.T) {
	h := boot(t).install().smbd()
	before := len(h.entries())
	h.run("smbclient", "-L", "127.0.0.1", "-U", "root%"+password)
	var ours, rpcds []string
	for _, e := range h.entries()[before:] {
		id, _ := e["SYSLOG_IDENTIFIER"].(string)
		text, _ := e["MESSAGE"].(string)
		if strings.HasPrefix(id, "rpcd_") {
			rpcds = append(rpcds, id+": "+text)
			if e["MSRPC_RPCD"] != strings.TrimPrefix(id, "rpcd_") || e["MSRPC_WORKER"] == nil {
				t.Errorf("a line of %s has MSRPC_RPCD=%v, MSRPC_WORKER=%v", id, e["MSRPC_RPCD"], e["MSRPC_WORKER"])
			}
			continue
		}
		ours = append(ours, id+": "+text)
	}
	if len(ours) > 8 || len(ours) == 0 {
		t.Errorf("%d lines of msrpcd and systemd:\n%s", len(ours), strings.Join(ours, "\n"))
	}
	if h.since254() {
		for _, line := range rpcds {
			if strings.Contains(line, "Copyright") {
				t.Errorf("a banner is in the journal: %s", line)
			}
		}
	} else if len(rpcds) == 0 {
		t.Error("rpcds do not write to the journal under their own name")
	}
	t.Logf("of msrpcd and systemd:\n%s\nof rpcds:\n%s", strings.Join(ours, "\n"), strings.Join(rpcds, "\n"))
}

// since254 reports whether the box's systemd can filter messages by pattern.
func (h *host) since254() bool {
	h.t.Helper()
	var version int
	if _, err := fmt.Sscanf(h.run("systemctl", "--version"), "systemd %d", &version); err != nil {
		h.t.Fatal(err)
	}
	return version >= 254
}
