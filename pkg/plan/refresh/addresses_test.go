// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"net/netip"
	"testing"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/tests/tools/check"
)

func prefixes(list ...string) []netip.Prefix {
	var r []netip.Prefix
	for _, s := range list {
		r = append(r, netip.MustParsePrefix(s))
	}
	return r
}

func TestBindAddresses(t *testing.T) {
	host := []Interface{
		{Name: "lo", Addresses: prefixes("127.0.0.1/8", "::1/128")},
		{Name: "eth0", Broadcast: true, Addresses: prefixes("192.0.2.10/24", "2001:db8::10/64", "fe80::1/64")},
		{Name: "eth1", Broadcast: true, Addresses: prefixes("198.51.100.7/25", "198.51.100.8/25")},
		{Name: "wg0", Addresses: prefixes("203.0.113.1/32")},
	}
	for _, tc := range []struct {
		name     string
		off      bool
		entries  []string
		want     []string
		problems []string
	}{
		{name: "all", off: true, entries: []string{"lo"}},
		{name: "no entries", want: []string{"192.0.2.10", "2001:db8::10", "198.51.100.7", "198.51.100.8"}},
		{name: "names", entries: []string{"lo", "wg0"}, want: []string{"127.0.0.1", "::1", "203.0.113.1"}},
		{name: "glob", entries: []string{"eth*"}, want: []string{"192.0.2.10", "2001:db8::10", "198.51.100.7", "198.51.100.8"}},
		{name: "options", entries: []string{`"eth1;speed=100,capability=RSS"`}, want: []string{"198.51.100.7", "198.51.100.8"}},
		{name: "address", entries: []string{"127.0.0.1", "2001:db8::10", "192.0.2.99"},
			want: []string{"127.0.0.1", "2001:db8::10", "192.0.2.99"}},
		{name: "address with mask", entries: []string{"192.0.2.10/24", "198.51.100.7/255.255.255.128"},
			want: []string{"192.0.2.10", "198.51.100.7"}},
		{name: "network", entries: []string{"198.51.100.0/25", "2001:db8::/64"},
			want: []string{"198.51.100.7", "198.51.100.8", "2001:db8::10"}},
		{name: "broadcast address", entries: []string{"198.51.100.127/25"}, want: []string{"198.51.100.7", "198.51.100.8"}},
		{name: "each once", entries: []string{"lo", "127.0.0.1", "127.0.0.0/8"}, want: []string{"127.0.0.1", "::1"}},
		{name: "unknown", entries: []string{"lo", "eth9", "10.0.0.0/8", "192.0.2.10/255.0.255.0", "192.0.2.10/33"},
			want: []string{"127.0.0.1", "::1"},
			problems: []string{
				"interfaces = eth9 of smb.conf: no interface of this name is up",
				"interfaces = 10.0.0.0/8 of smb.conf: this host has no address in 10.0.0.0/8",
				`interfaces = 192.0.2.10/255.0.255.0 of smb.conf: "255.0.255.0" is not a mask`,
				`interfaces = 192.0.2.10/33 of smb.conf: "33" is not a mask`,
			}},
		{name: "nothing left", entries: []string{"eth9"}, want: []string{},
			problems: []string{
				"interfaces = eth9 of smb.conf: no interface of this name is up",
				"bind interfaces only = yes of smb.conf leaves no address to listen on: no rpcd has a TCP listener; name an interface in interfaces =",
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, problems := BindAddresses(!tc.off, tc.entries, host)
			check.Same(t, tc.want, got)
			check.Same(t, tc.problems, texts(problems))
		})
	}
}

func TestHostInterfaces(t *testing.T) {
	host, err := HostInterfaces()
	check.OK(t, err)
	for _, i := range host {
		if i.Name == "" {
			t.Errorf("an interface without name: %+v", i)
		}
	}
}

func TestAddressesBeyondTheCapAreLeftOutAndReported(t *testing.T) {
	host := []Interface{{Name: "eth0"}}
	for i := range 300 {
		host[0].Addresses = append(host[0].Addresses, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 256), byte(i)}), 24))
	}
	got, problems := BindAddresses(true, []string{"eth0"}, host)
	if len(got) != catalogue.MaxAddresses || got[255] != "10.0.0.255" {
		t.Errorf("%d addresses, %q", len(got), got[len(got)-1])
	}
	const want = "bind interfaces only = yes and interfaces of smb.conf name 300 addresses, and rpcds listen on 256 at most: " +
		"10.0.1.0, 10.0.1.1, 10.0.1.2, 10.0.1.3, 10.0.1.4, 10.0.1.5, 10.0.1.6, 10.0.1.7 and 36 more are left out; " +
		"name fewer, or say bind interfaces only = no and restrict msrpc-tcp-.socket.d with IPAddressAllow="
	if len(problems) != 1 || problems[0].String() != want {
		t.Errorf("%q", problems)
	}
}
