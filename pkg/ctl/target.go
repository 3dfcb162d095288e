// SPDX-License-Identifier: Apache-2.0

// Where a command connects: a string binding, or the name of an rpcd of this
// host.

package ctl

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/printable"
)

// target is a server to connect to.
type target struct {
	binding    binding.Binding
	ncalrpcDir string
	indexBits  int // high bits of a group's id that are the worker's index; 0 = not known
}

// findTarget finds out what text stands for. served is nil, and failed says why, on
// a host without a catalogue.
func findTarget(text string, served *plan.Plan, failed error) (target, error) {
	t := target{ncalrpcDir: config.NoSamba(config.Global{}).NcalrpcDir}
	if served != nil && served.Catalogue.Samba != nil {
		t.ncalrpcDir = served.Catalogue.Samba.NcalrpcDir
	}
	if strings.Contains(text, ":") && !isHost(text) {
		b, err := rpcclient.ParseBinding(text)
		t.binding = b
		return t, err
	}
	if isHost(text) {
		t.binding = binding.Binding{Protseq: binding.TCP, Host: strings.Trim(text, "[]")}
		return t, nil
	}
	if served == nil {
		return t, fmt.Errorf("%s is not a binding (%s), and no rpcd can be looked up: %w", printable.Quote(text, 60), bindings, failed)
	}
	if served.Catalogue.Entry(text) == nil && !slices.Contains(served.KeepOut, text) {
		return t, fmt.Errorf("%s is neither an rpcd of this host, which msrpcctl list shows, nor a binding: %s", printable.Quote(text, 60), bindings)
	}
	rpcds, err := selected(served, []string{text})
	if err != nil {
		return t, err
	}
	t.indexBits = rpcds[0].IndexBits
	t.binding, err = localBinding(rpcds[0])
	return t, err
}

// bindings says what a binding looks like.
const bindings = "write ncacn_ip_tcp:HOST[PORT], ncalrpc:[NAME], or an address or a host name with a dot"

// isHost knows addresses and host names with a dot; no rpcd has a name like these.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return true
	}
	return strings.Contains(text, ".") && !strings.ContainsAny(text, ":/[]")
}

// localBinding is the first endpoint of an rpcd that needs no SMB client.
func localBinding(r *plan.Rpcd) (binding.Binding, error) {
	for _, transport := range []layout.Transport{layout.Ncalrpc, layout.TCP} {
		for _, l := range r.Listeners {
			if l.Transport != transport || len(l.Nodes) == 0 {
				continue
			}
			if transport.Local() {
				return binding.Binding{Protseq: binding.Ncalrpc, Endpoint: l.Nodes[0]}, nil
			}
			host, port, err := net.SplitHostPort(l.Nodes[0])
			return binding.Binding{Protseq: binding.TCP, Host: host, Endpoint: port}, err
		}
	}
	return binding.Binding{}, fmt.Errorf("rpcd %s has named pipes only, which belong to an SMB client", r.Name)
}
