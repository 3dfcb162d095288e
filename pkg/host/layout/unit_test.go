// SPDX-License-Identifier: Apache-2.0

package layout

import "testing"

func TestAUnitIsParsedFromItsName(t *testing.T) {
	names := map[string]Unit{}
	for _, rpcd := range []string{"winreg", "a_1", "npsd_x", "tcp", "worker"} {
		for _, u := range []Unit{
			{Kind: KindListener, Rpcd: rpcd, Transport: NP}, {Kind: KindListener, Rpcd: rpcd, Transport: Ncalrpc},
			{Kind: KindListener, Rpcd: rpcd, Transport: TCP}, {Kind: KindListener, Rpcd: rpcd, Transport: TCP, Set: 12},
			{Kind: KindBroker, Rpcd: rpcd}, {Kind: KindInboxes, Rpcd: rpcd}, {Kind: KindWorkers, Rpcd: rpcd}, {Kind: KindSlice, Rpcd: rpcd},
			{Kind: KindInbox, Rpcd: rpcd}, {Kind: KindInbox, Rpcd: rpcd, Index: 4095}, {Kind: KindWorker, Rpcd: rpcd}, {Kind: KindWorker, Rpcd: rpcd, Index: 7},
		} {
			name := u.String()
			if other, twice := names[name]; twice {
				t.Errorf("%+v and %+v are both %s", u, other, name)
			}
			names[name] = u
			if got, ok := ParseUnit(name); !ok || got != u {
				t.Errorf("%s: %+v, %v, want %+v", name, got, ok, u)
			}
		}
	}
	if got := (Unit{Kind: KindWorker, Rpcd: "x", Index: 3}).Template(); got != WorkerTemplate("x") || Instances(got) != "msrpc-worker-x@*.service" {
		t.Errorf("template %s, instances %s", got, Instances(got))
	}
}

func TestOtherNamesAreKindNonesOfAnRpcd(t *testing.T) {
	for _, name := range []string{"", "msrpc.target", "msrpc.slice", "msrpc-preflight.service", "msrpc-samba-bgqd.service", "msrpc-worker-x.service",
		"msrpc-worker-x@01.service", "msrpc-worker-x@-1.socket", "msrpc-worker-x@0.slice", "msrpc-np-a-b.socket", "msrpc-np-a-1.socket",
		"msrpc-tcp-a-0.socket", "msrpc-tcp-a-01.socket", "msrpc-tcp-a--1.socket", "msrpc-tcp-a-.socket", "msrpc-tcp-.socket", "msrpc-udp-a.socket",
		"msrpc-worker-x@99999.service", "msrpc-tcp-x.service", "msrpc-broker@x.socket", "msrpc-broker@.service", "msrpc-A.slice", "smbd.service"} {
		if u, ok := ParseUnit(name); ok {
			t.Errorf("%s: %+v", name, u)
		}
	}
}

func FuzzParseUnit(f *testing.F) {
	for _, name := range []string{ListenerSocket(NP, "a"), AddressSocket("a", 3), BrokerService("a"), WorkerTemplate("a"), InboxTemplate("a"), WorkerService("a", 1), WorkerSocket("a", 2), Slice("a")} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if u, ok := ParseUnit(name); ok && (u.String() != name || !ValidName(u.Rpcd) || u.Kind == KindNone) {
			t.Errorf("%q: %+v is %q", name, u, u)
		}
	})
}
