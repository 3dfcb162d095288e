// SPDX-License-Identifier: Apache-2.0

// "bind interfaces only" and "interfaces" of smb.conf, resolved to addresses
// as smb.conf(5) describes: an entry is an interface name with wildcards, an
// address, or a network or address with a mask. Pure over the host's
// interfaces. Host names are not resolved: a listener must not wait for DNS.

package refresh

import (
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/wanted"
)

// Interface is a network interface of this host.
type Interface struct {
	Name      string
	Broadcast bool // can broadcast, so not loopback and not point-to-point
	Addresses []netip.Prefix
}

// HostInterfaces reads the interfaces that are up.
func HostInterfaces() ([]Interface, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var list []Interface
	for _, i := range ifaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		entry := Interface{Name: i.Name, Broadcast: i.Flags&net.FlagBroadcast != 0}
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone meanwhile
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				entry.Addresses = append(entry.Addresses, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
			}
		}
		list = append(list, entry)
	}
	return list, nil
}

// BindAddresses are the addresses to listen on: nil for all, else those that
// the entries of "interfaces" name on a host with these interfaces, in order,
// each once. Link-local IPv6 addresses are left out, since they say nothing
// without their interface. Without entries Samba takes all interfaces that can
// broadcast; loopback only counts when it is listed.
func BindAddresses(only bool, entries []string, host []Interface) (addrs []string, problems []config.Problem) {
	if !only {
		return nil, nil
	}
	problem := func(remedy, format string, args ...any) {
		problems = append(problems, config.Problem{What: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	addrs = []string{}
	seen := map[netip.Addr]bool{}
	add := func(list ...netip.Addr) {
		for _, a := range list {
			if seen[a] || a.Is6() && a.IsLinkLocalUnicast() {
				continue
			}
			seen[a] = true
			addrs = append(addrs, a.String())
		}
	}
	for _, entry := range entries {
		found, err := resolve(entry, host)
		if err != nil {
			problem("", "interfaces = %s of smb.conf: %v", entry, err)
		}
		add(found...)
	}
	if len(entries) == 0 {
		for _, i := range host {
			if i.Broadcast {
				add(i.addrs()...)
			}
		}
	}
	if n := len(addrs) - catalogue.MaxAddresses; n > 0 {
		left := addrs[catalogue.MaxAddresses:]
		addrs = addrs[:catalogue.MaxAddresses]
		problem("name fewer, or say bind interfaces only = no and restrict msrpc-tcp-.socket.d with IPAddressAllow=",
			"bind interfaces only = yes and interfaces of smb.conf name %d addresses, and rpcds listen on %d at most: %s are left out",
			n+catalogue.MaxAddresses, catalogue.MaxAddresses, wanted.Some(left))
	}
	if len(addrs) == 0 {
		problem("name an interface in interfaces =", "bind interfaces only = yes of smb.conf leaves no address to listen on: no rpcd has a TCP listener")
	}
	return addrs, problems
}

func (i Interface) addrs() []netip.Addr {
	var list []netip.Addr
	for _, p := range i.Addresses {
		list = append(list, p.Addr())
	}
	return list
}

func resolve(entry string, host []Interface) ([]netip.Addr, error) {
	name, _, _ := strings.Cut(entry, ";") // "eth0;speed=1000000000,capability=RSS"
	name = strings.Trim(strings.TrimSpace(name), `"`)
	var found []netip.Addr
	matched := false
	for _, i := range host {
		if ok, _ := path.Match(name, i.Name); ok {
			matched = true
			found = append(found, i.addrs()...)
		}
	}
	if matched {
		return found, nil
	}
	text, mask, masked := strings.Cut(name, "/")
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return nil, fmt.Errorf("no interface of this name is up")
	}
	if !masked {
		return []netip.Addr{addr.Unmap()}, nil
	}
	n, err := maskBits(mask, addr)
	if err != nil {
		return nil, err
	}
	network := netip.PrefixFrom(addr, n).Masked()
	if addr != network.Addr() && addr != broadcast(network) {
		return []netip.Addr{addr}, nil
	}
	for _, i := range host {
		for _, a := range i.addrs() {
			if network.Contains(a) {
				found = append(found, a)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("this host has no address in %s", network)
	}
	return found, nil
}

// maskBits reads "24" or "255.255.255.0".
func maskBits(mask string, addr netip.Addr) (int, error) {
	if n, err := strconv.Atoi(mask); err == nil && n >= 0 && n <= addr.BitLen() {
		return n, nil
	}
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() && addr.Is4() {
		b := m.As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		if n := bits.LeadingZeros32(^v); v<<n == 0 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q is not a mask", mask)
}

// broadcast is the last address of a network; an IPv4 one, else the zero Addr.
func broadcast(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}
