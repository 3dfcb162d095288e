// SPDX-License-Identifier: Apache-2.0

package unitgen

// What units write to the journal. What always holds: warnings, errors and
// failures of a unit are stored.

import (
	"strings"

	"msrpcd/pkg/plan/plan"
)

// quiet leaves out what systemd says of each start and stop, several lines for
// each inbox, broker and worker that one client starts.
func (b *builder) quiet() {
	b.note("Else one client writes dozens of lines. LogLevelMax=info in a drop-in shows\n" +
		"starts and stops.")
	b.set("LogLevelMax", "notice")
}

// sambaLog names an unmodified rpcd in the lines that it and its scripts print;
// what it logs comes from the adaptor.
func (b *builder) sambaLog(r *plan.Rpcd) {
	b.quiet()
	b.set("SyslogIdentifier", identifier(r))
	b.set("SyslogLevel", "notice")
	b.set("LogExtraFields", "MSRPC_RPCD="+r.Name)
	b.set("LogExtraFields", "MSRPC_WORKER=%i")
}

// identifier is the name of Samba's program, made from the checked NAME.
func identifier(r *plan.Rpcd) string {
	if strings.HasPrefix(r.Name, "npsd_") {
		return r.Name
	}
	return "rpcd_" + r.Name
}
