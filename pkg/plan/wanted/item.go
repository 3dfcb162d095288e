// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"context"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/preflight"
)

// Item is one thing that is to be so.
type Item interface {
	// Check compares it with what is. It reads files and nothing else.
	Check(ctx context.Context, s *State) []Finding
}

// Names of checks, as msrpcctl(8) explains them.
const (
	checkConfiguration = "configuration"
	checkCatalogue     = "catalogue"
	checkSmbConf       = "smb.conf"
	checkSmbd          = "smbd"
	checkDcerpcd       = "samba-dcerpcd"
	checkSandbox       = "sandbox"
	checkFileSystems   = "file systems"
	checkTarget        = "target"
	checkPreflight     = "preflight"
	checkDirectories   = "directories"
	checkStatusFiles   = "status files"
	checkUnitFiles     = "unit files"
	checkUnits         = "units"
	checkSockets       = "sockets"
	checkInboxes       = "inboxes"
	checkSettings      = "settings"
	checkProgress      = "progress"
	CheckPorts         = "ports" // TCP ports that other processes have
	checkAddresses     = "addresses"

	checkAuthentication = "authentication"
)

// Checks are the names of all checks, in the order in which they are made.
var Checks = []string{checkConfiguration, checkCatalogue, checkSmbConf, checkSmbd, checkDcerpcd, checkSandbox, checkFileSystems,
	checkTarget, checkPreflight, checkDirectories, checkStatusFiles, checkUnitFiles, checkUnits, checkSockets,
	checkInboxes, checkSettings, checkProgress, CheckPorts, checkAddresses, checkAuthentication}

// Items is the wanted state.
func Items(p *plan.Plan) []Item {
	items := []Item{configuration{}, programs{}, smbConf{}, smbd{}, dcerpcd{}, sandbox{}, fileSystem{layout.State}, fileSystem{layout.VolatileConf}, target{}, preflightUnit{}}
	for _, d := range preflight.Directories(p) {
		items = append(items, directory{d})
	}
	for i := range p.Rpcds {
		items = append(items, statusOf{&p.Rpcds[i]})
	}
	items = append(items, unitFiles{}, runningUnits{})
	for i := range p.Rpcds {
		r := &p.Rpcds[i]
		for j := range r.Listeners {
			items = append(items, listener{r, &r.Listeners[j]})
		}
	}
	for i := range p.Rpcds {
		r := &p.Rpcds[i]
		if !r.Direct {
			items = append(items, inboxes{r})
		}
		items = append(items, settings{r}, progress{r}, ports{r})
	}
	return append(items, addresses{}, authentication{})
}

// Check compares all items with what is.
func Check(ctx context.Context, s *State) []Finding {
	var all []Finding
	for _, i := range Items(s.Plan) {
		all = append(all, i.Check(ctx, s)...)
	}
	// A refresh that failed says of everything else that it could not mend it.
	for i := range all {
		if all[i].Unit == layout.RefreshService && all[i].Check == checkUnits {
			for _, f := range all {
				all[i].because = append(all[i].because, f.id)
			}
		}
	}
	return all
}
