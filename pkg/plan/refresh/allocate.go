// SPDX-License-Identifier: Apache-2.0

// The ports of a survey: which rpcds need one, and which ports of this host are
// in use.

package refresh

import (
	"slices"
	"strconv"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/wanted"
	"msrpcd/pkg/wire/binding"
)

// ports gives a port to each rpcd that leaves one open and gets a TCP
// listener. One that gets none keeps its port for the day that it does.
func (r *Refresher) ports(c *catalogue.Catalogue, rpcds []config.Rpcd) (problems []config.Problem, err error) {
	requests, fixed := portRequests(c, rpcds)
	now, err := r.Host.Sockets()
	if err != nil {
		return nil, err
	}
	local := wanted.LocalPorts()
	busy := func(port int) bool { return wanted.PortConflict(now, r.Host.Proc, local, "", port) != nil }
	ports, problems := AllocatePorts(c.Samba.PortLow, c.Samba.PortHigh, requests, fixed, busy)
	for i := range c.Rpcds {
		c.Rpcds[i].Port = ports[c.Rpcds[i].Name]
	}
	for _, p := range problems {
		r.Log.Error(p.String(), journal.MessageID, journal.IDPortUnavailable)
	}
	return problems, nil
}

// portRequests are the requests of the rpcds of c, in their order, and the
// ports that listings name.
func portRequests(c *catalogue.Catalogue, rpcds []config.Rpcd) (requests []PortRequest, fixed map[int]string) {
	settings := map[string]config.Rpcd{}
	for _, s := range rpcds {
		settings[s.Name] = s
	}
	fixed = map[int]string{}
	for i := range c.Rpcds {
		e := &c.Rpcds[i]
		s := settings[e.Name]
		listens := slices.ContainsFunc(s.On(c.Samba), layout.Transport.IP) && !e.KeepsOut()
		dynamic := false
		for _, in := range e.Listing.Interfaces {
			for _, b := range in.Bindings {
				if b.Protseq != binding.TCP {
					continue
				}
				if b.Endpoint == "" {
					dynamic = true
				} else if port, err := strconv.Atoi(b.Endpoint); err == nil && fixed[port] == "" && listens {
					fixed[port] = e.Name
				}
			}
		}
		if dynamic {
			requests = append(requests, PortRequest{Name: e.Name, Pinned: s.Port, Previous: e.Port, Idle: !listens})
		}
	}
	return requests, fixed
}
