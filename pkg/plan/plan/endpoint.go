// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/wire/listing"
)

// maxNode is the longest path of a socket node: sun_path without the NUL, unix(7).
const maxNode = 107

// claims says which rpcd has a node or port.
type claims map[string]string

// listeners makes the socket units of one rpcd and claims their endpoints.
func (p *Plan) listeners(e *catalogue.Entry, set config.Rpcd, addresses []addressSet, c claims) []Listener {
	var ls []Listener
	for _, t := range set.On(p.Catalogue.Samba) {
		l := Listener{Transport: t, Unit: layout.ListenerSocket(t, e.Name)}
		switch t {
		case layout.NP:
			l.Nodes = p.nodes(e, "pipe", p.Catalogue.Samba.NPDir, pipeNodes(&e.Listing), c)
		case layout.Ncalrpc:
			l.Nodes = p.nodes(e, "ncalrpc endpoint", p.Catalogue.Samba.NcalrpcDir, ncalrpcNodes(e), c)
		case layout.TCP:
			l.Ports = p.ports(e, set, c)
			for _, s := range addresses {
				l.Unit = layout.AddressSocket(e.Name, s.number)
				if l.Nodes = tcpNodes(l.Ports, s.addresses); len(l.Nodes) > 0 {
					ls = append(ls, l)
				}
			}
			continue
		}
		if len(l.Nodes) > 0 {
			ls = append(ls, l)
		}
	}
	return ls
}

// pipeNodes are the pipes of all interfaces, each once: interfaces share them.
func pipeNodes(l *listing.Listing) []string {
	var nodes []string
	for _, b := range bindings(l, listing.ProtseqNP) {
		if n, err := b.PipeNode(); err == nil {
			nodes = append(nodes, n)
		}
	}
	for _, p := range l.Pipes {
		nodes = append(nodes, p.Name)
	}
	return unique(nodes)
}

// ncalrpcNodes: a binding without endpoint is the program's name, as in Samba.
func ncalrpcNodes(e *catalogue.Entry) []string {
	var nodes []string
	for _, b := range bindings(&e.Listing, listing.ProtseqNcalrpc) {
		n := b.Endpoint
		if n == "" {
			n = "rpcd_" + e.Name
		}
		nodes = append(nodes, n)
	}
	return unique(nodes)
}

// nodes claims socket nodes below dir and returns their paths.
func (p *Plan) nodes(e *catalogue.Entry, what, dir string, names []string, c claims) []string {
	var paths []string
	for _, n := range names {
		full := path.Join(dir, n)
		switch {
		case path.Dir(full) != path.Clean(dir) || path.Base(full) != n:
			p.problem("%s: %s %q leaves its directory; it is left out", e.Name, what, n)
		case len(full) > maxNode:
			p.problem("%s: %s %s: %s is longer than the %d bytes of a socket address; it is left out",
				e.Name, what, n, full, maxNode)
		case p.claim(c, e.Name, what+" "+n, full):
			paths = append(paths, full)
		}
	}
	return paths
}

// ports claims the TCP ports: those that the listing names, and one for all
// bindings that name none.
func (p *Plan) ports(e *catalogue.Entry, set config.Rpcd, c claims) []int {
	var ports []int
	dynamic := false
	for _, b := range bindings(&e.Listing, listing.ProtseqTCP) {
		n, err := strconv.ParseUint(b.Endpoint, 10, 16)
		switch {
		case b.Endpoint == "":
			dynamic = true
		case err == nil && n > 0:
			ports = append(ports, int(n))
		}
	}
	if dynamic {
		if port := dynamicPort(e, set); port != 0 {
			ports = append(ports, port)
		} else {
			p.problem("%s: it has no TCP port; see why with msrpcctl refresh, or set Port= for it", e.Name)
		}
	}
	slices.Sort(ports)
	return slices.DeleteFunc(slices.Compact(ports), func(n int) bool {
		return !p.claim(c, e.Name, fmt.Sprintf("TCP port %d", n), fmt.Sprintf("tcp:%d", n))
	})
}

// dynamicPort is the port of bindings that name none, 0 for none.
func dynamicPort(e *catalogue.Entry, set config.Rpcd) int {
	port := e.Port // the pinned one, unless refresh found that it cannot be had
	if port == 0 {
		port = set.Port
	}
	if port < 0 || port > 65535 {
		return 0
	}
	return port
}

// claim gives key to name unless another rpcd has it.
func (p *Plan) claim(c claims, name, what, key string) bool {
	if owner, taken := c[key]; taken {
		p.problem("%s: %s belongs to %s, which comes first; switch it off in one of them with Transports=, or change their order",
			name, what, owner)
		return false
	}
	c[key] = name
	return true
}

// tcpNodes combines ports and addresses; no address stands for all.
func tcpNodes(ports []int, addresses []string) []string {
	var nodes []string
	for _, port := range ports {
		if addresses == nil {
			nodes = append(nodes, fmt.Sprintf(":%d", port))
		}
		for _, a := range addresses {
			if ip, err := netip.ParseAddr(a); err == nil && ip.Zone() == "" {
				nodes = append(nodes, netip.AddrPortFrom(ip.Unmap(), uint16(port)).String())
			}
		}
	}
	return unique(nodes)
}

func bindings(l *listing.Listing, protseq string) []listing.Binding {
	var bs []listing.Binding
	for i := range l.Interfaces {
		for _, b := range l.Interfaces[i].Bindings {
			if b.Protseq == protseq {
				bs = append(bs, b)
			}
		}
	}
	return bs
}

// unique drops repetitions and keeps the order.
func unique(s []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(s, func(v string) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
}
