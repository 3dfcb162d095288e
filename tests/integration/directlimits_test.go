// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"slices"
	"testing"
)

// TestAFloodOfADirectRpcdHurtsNobodyElse: the endpoint mapper, which has no broker
// before it, has a broker's limits.
func TestAFloodOfADirectRpcdHurtsNobodyElse(t *testing.T) {
	const limit, patience = 512, 50
	h := boot(t, file("/etc/msrpcd/msrpcd.conf", "[Msrpcd]\nBindTimeoutSec=5min\n")).install()
	h.pipeClient()
	at := func(args ...string) []string { return append(args, "-iface", epmapperID, "-major", "3") }
	port, local := at("-addr", "127.0.0.1:135"), at("-net", "unix", "-addr", mapperLocal)
	pipe := at("-net", "unix", "-addr", "/run/samba/ncalrpc/np/epmapper", "-npa", npaRequest)
	line := h.statusFile("epmapper").Worker(0)
	// held waits until so many connections are open, and at least some have come.
	held := func(open, received uint64) {
		t.Helper()
		h.eventually(func() error {
			if r, c := line.Received.Load(), line.Closed.Load(); r < received || r-c != open {
				return fmt.Errorf("%d connections of %d are open, want %d of at least %d", r-c, r, open, received)
			}
			return nil
		})
	}
	patient := h.silent("127.0.0.2", patience, port...)
	held(patience, patience)

	h.silent("127.0.0.3", 6000, port...) // more than may be silent in all
	h.atOnce(port...)                    // while they come
	held(patience+limit, 4500)
	h.atOnce(port...)

	h.crowd(slices.Concat(asNobody, []string{"bindload", "-n", "2000", "-silent", "-timeout", "100s"}, local)...)
	h.atOnce(local...) // root's
	held(patience+2*limit, 6500)

	h.silent("", 1000, pipe...) // all of one client of smbd
	held(patience+3*limit, 7500)
	h.atOnce(port...)
	h.atOnce(local...)
	if r := h.load(append(pipe, "-n", "50")...); r.Conns != 50 { // that client itself
		t.Errorf("talking connections of the client that floods: %+v", r)
	}

	if r := patient.bind(); r.Conns != patience {
		t.Errorf("clients from elsewhere that were silent before: %+v", r)
	}
	log := h.journal("-u", mapperUnit)
	h.contains(log, "MaxUnboundPerSource=")
	h.contains(log, "MaxUnboundPerUser=")
}
