// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// addresses: TCP listeners have the addresses that smb.conf names on this host
// as it is now.
type addresses struct{}

func (addresses) Check(_ context.Context, s *State) []Finding {
	if s.samba == nil || s.Addresses == nil {
		return nil
	}
	now, err := s.Addresses(s.samba)
	if err != nil {
		s.unknown(checkAddresses, err, true)
		return nil
	}
	was := s.Plan.Catalogue.Addresses
	if SameAddresses(was, now) {
		return nil
	}
	return []Finding{found(checkAddresses, "TCP listeners have %s; `interfaces` of smb.conf means %s now", list(was), list(now)).
		named("addresses", "smb.conf changed").refreshed(mend{})}
}

func list(addresses []string) string {
	switch {
	case addresses == nil:
		return "all addresses"
	case len(addresses) == 0:
		return "no address"
	}
	return Some(addresses)
}

// SameAddresses compares those of listeners; nil, for all, is not none.
func SameAddresses(a, b []string) bool {
	return (a == nil) == (b == nil) && slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Some names the first of many.
func Some(list []string) string {
	const shown = 8
	if n := len(list) - shown; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:shown], ", "), n)
	}
	return strings.Join(list, ", ")
}

// Reachable is a TCP endpoint that other hosts can reach, as far as no firewall
// is before it.
type Reachable struct {
	Address string `json:"address"` // "*" = every address of this host
	Port    int    `json:"port"`
	Rpcd    string `json:"rpcd"`
	Unit    string `json:"unit"`
}

// Reachable lists what is listened on that is not loopback.
func (s *State) Reachable() []Reachable {
	found := []Reachable{}
	if s.sockets == nil {
		return found
	}
	for i := range s.Plan.Rpcds {
		r := &s.Plan.Rpcds[i]
		for _, l := range r.Listeners {
			if !l.Transport.IP() {
				continue
			}
			for _, node := range l.Nodes {
				host, _, err := net.SplitHostPort(node)
				if addr, bad := netip.ParseAddr(host); err != nil || bad == nil && addr.IsLoopback() || len(Listeners(s.sockets, l.Transport, node)) == 0 {
					continue
				}
				if host == "" {
					host = "*"
				}
				found = append(found, Reachable{host, portOf(node), r.Name, l.Unit})
			}
		}
	}
	return found
}

func portOf(node string) (port int) {
	fmt.Sscan(node[strings.LastIndexByte(node, ':')+1:], &port)
	return port
}

// Listens names the processes that listen on a TCP port; ok is false when that
// cannot be seen.
func (s *State) Listens(port int) (who string, ok bool) {
	if s.sockets == nil {
		return "", false
	}
	for _, l := range s.sockets.ListenersOn(port) {
		h := s.sockets.Holders(l.Inode)
		if len(h) == 0 {
			return "", false
		}
		who = s.holders(h)
	}
	return who, true
}
