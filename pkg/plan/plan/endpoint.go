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
	"msrpcd/pkg/wire/binding"
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
		if t.IP() {
			l.Ports = p.ports(e, set, c)
			for _, s := range addresses {
				l.Unit = layout.AddressSocket(e.Name, s.number)
				if l.Nodes = tcpNodes(l.Ports, s.addresses); len(l.Nodes) > 0 {
					ls = append(ls, l)
				}
			}
		} else if l.Nodes = p.nodes(e, t, c); len(l.Nodes) > 0 {
			ls = append(ls, l)
		}
	}
	return ls
}

// Node is the name of the node of a binding whose transport has nodes; ok is
// false for one that cannot have any. A binding without endpoint has the
// program's name, as in Samba.
func Node(e *catalogue.Entry, b binding.Binding) (name string, ok bool) {
	switch {
	case b.Protseq == binding.NP:
		name, err := listing.PipeNode(b)
		return name, err == nil
	case b.Endpoint == "":
		return "rpcd_" + e.Name, true
	}
	return b.Endpoint, true
}

// nodeNames are the nodes of all interfaces, each once: interfaces share them.
func nodeNames(e *catalogue.Entry, t layout.Transport) []string {
	var names []string
	for _, b := range bindings(&e.Listing, t) {
		if n, ok := Node(e, b); ok {
			names = append(names, n)
		}
	}
	if t.Relayed() {
		for _, p := range e.Listing.Pipes {
			names = append(names, p.Name)
		}
	}
	return unique(names)
}

// nodes claims the socket nodes of one transport and returns their paths.
func (p *Plan) nodes(e *catalogue.Entry, t layout.Transport, c claims) []string {
	dir, what := p.Catalogue.Samba.Dir(t), map[bool]string{true: "pipe", false: "ncalrpc endpoint"}[t.Relayed()]
	var paths []string
	for _, n := range nodeNames(e, t) {
		full := path.Join(dir, n)
		switch {
		case path.Dir(full) != path.Clean(dir) || path.Base(full) != n:
			p.problem("", "%s: %s %q leaves its directory; it is left out", e.Name, what, n)
		case len(full) > maxNode:
			p.problem("", "%s: %s %s: %s is longer than the %d bytes of a socket address; it is left out",
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
	for _, b := range bindings(&e.Listing, layout.TCP) {
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
			p.problem("see why with msrpcctl refresh, or set Port= for it", "%s: it has no TCP port", e.Name)
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
		p.problem("switch it off in one of them with Transports=, or change their order", "%s: %s belongs to %s, which comes first",
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

func bindings(l *listing.Listing, t layout.Transport) []binding.Binding {
	var bs []binding.Binding
	for i := range l.Interfaces {
		for _, b := range l.Interfaces[i].Bindings {
			if b.Protseq == t.Protseq() {
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
