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

// sambaLog names an unmodified rpcd in the lines that it writes to standard
// output, which are all of one level, and leaves out its banner where systemd
// can do that.
func (b *builder) sambaLog(r *plan.Rpcd) {
	b.quiet()
	b.set("SyslogIdentifier", identifier(r))
	b.set("SyslogLevel", "notice")
	b.set("LogExtraFields", "MSRPC_RPCD="+r.Name)
	b.set("LogExtraFields", "MSRPC_WORKER=%i")
	if Since254 == "yes" {
		b.set("LogFilterPatterns", "~^rpcd_[a-z0-9_]+ version [^ ]+ started[.]$")
		b.set("LogFilterPatterns", "~^Copyright Andrew Tridgell and the Samba Team [0-9-]+$")
	}
}

// identifier is the name of Samba's program, made from the checked NAME.
func identifier(r *plan.Rpcd) string {
	if strings.HasPrefix(r.Name, "npsd_") {
		return r.Name
	}
	return "rpcd_" + r.Name
}
