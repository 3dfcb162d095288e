// SPDX-License-Identifier: Apache-2.0

package layout

import "testing"

func TestParseUnit(t *testing.T) {
	for _, rpcd := range []string{"winreg", "a_1", "npsd_x"} {
		for _, tr := range Transports {
			if u, ok := ParseUnit(ListenerSocket(tr, rpcd)); !ok || u != (Unit{Rpcd: rpcd, Transport: tr}) {
				t.Errorf("%s: %+v", ListenerSocket(tr, rpcd), u)
			}
		}
		if u, ok := ParseUnit(AddressSocket(rpcd, 12)); !ok || u != (Unit{Rpcd: rpcd, Transport: TCP}) {
			t.Errorf("%s: %+v, %v", AddressSocket(rpcd, 12), u, ok)
		}
		if u, ok := ParseUnit(BrokerService(rpcd)); !ok || u.Rpcd != rpcd || !u.Broker {
			t.Errorf("%s: %+v", BrokerService(rpcd), u)
		}
		for _, i := range []int{0, 7, 4095} {
			if u, ok := ParseUnit(WorkerService(rpcd, i)); !ok || u.Rpcd != rpcd || u.Index != i || !u.Worker || u.Inbox || u.Template != WorkerTemplate(rpcd, "service") {
				t.Errorf("%s: %+v", WorkerService(rpcd, i), u)
			}
			if u, ok := ParseUnit(WorkerSocket(rpcd, i)); !ok || u.Rpcd != rpcd || u.Index != i || u.Worker || !u.Inbox || u.Template != WorkerTemplate(rpcd, "socket") {
				t.Errorf("%s: %+v", WorkerSocket(rpcd, i), u)
			}
		}
	}
	for _, name := range []string{"", "msrpc.target", "msrpc-preflight.service", "msrpc-winreg.slice", "msrpc-worker-x@.service",
		"msrpc-worker-x@01.service", "msrpc-worker-x@-1.socket", "msrpc-worker-x@0.slice", "msrpc-np-a-b.socket", "msrpc-np-a-1.socket", "msrpc-tcp-a-0.socket", "msrpc-tcp-a-01.socket", "msrpc-tcp-a--1.socket", "msrpc-tcp-.socket",
		"msrpc-tcp-x.service", "msrpc-broker@x.socket", "msrpc-broker@.service", "smbd.service"} {
		if u, ok := ParseUnit(name); ok {
			t.Errorf("%s: %+v", name, u)
		}
	}
}
