// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/wire/binding"
	"msrpcd/tests/tools/check"
)

// The endpoint mapper, as clients of three kinds see it.

const (
	mapperUnit   = "msrpc-worker-epmapper@0.service"
	mapperSocket = "msrpc-tcp-epmapper.socket"
	mapperLocal  = "/run/samba/ncalrpc/EPMAPPER"
)

// served is what the catalogue says that is served: UUID, then binding.
func (h *host) served() []string {
	h.t.Helper()
	c, err := catalogue.Read(h.Path("/var/lib/msrpcd/catalogue.db"))
	check.OK(h.t, err)
	var lines []string
	for _, e := range c.Rpcds {
		if e.Name == "rpcecho" {
			continue // has no listener unless it is given one
		}
		for _, i := range e.Listing.Interfaces {
			for _, b := range i.Bindings {
				switch {
				case b.Protseq == binding.HTTP:
					continue
				case b.Endpoint == "" && b.Protseq == binding.TCP:
					b.Endpoint = fmt.Sprint(e.Port)
				case b.Endpoint == "":
					b.Endpoint = "rpcd_" + e.Name
				}
				lines = append(lines, i.UUID.String()+" "+b.String())
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// distinct is a sorted list without the repetitions that come of two transfer
// syntaxes.
func distinct(lines []string) []string {
	slices.Sort(lines)
	return slices.Compact(lines)
}

var lookedUp = regexp.MustCompile(`(?m)^\S+ (ncacn_np|ncacn_ip_tcp|ncalrpc):([^\[]*)\[([^,\]]*),abstract_syntax=([0-9a-f-]+)/0x[0-9a-f]+\]: (.*)$`)

// epmlookup is rpcclient's list in the form of served, and the addresses.
func (h *host) epmlookup(at string) (lines, addresses []string) {
	h.t.Helper()
	user := "-N"
	if strings.HasPrefix(at, binding.NP) {
		user = "-Uroot%" + password
	}
	out := h.run("rpcclient", at, user, "-c", "epmlookup")
	for _, m := range lookedUp.FindAllStringSubmatch(out, -1) {
		lines = append(lines, m[4]+" "+m[1]+":["+m[3]+"]")
		if m[1] == binding.TCP {
			addresses = append(addresses, m[2])
		}
		if m[5] == "" {
			h.t.Errorf("no annotation: %s", m[0])
		}
	}
	return distinct(lines), distinct(addresses)
}

var dumped = regexp.MustCompile(`(?m)^(?:UUID    : ([0-9A-F-]+) |          (ncacn_np|ncacn_ip_tcp|ncalrpc):([^\[]*)\[([^\]]*)\])`)

// rpcdump is impacket's list in the same form.
func (h *host) rpcdump() []string {
	h.t.Helper()
	out := h.run("sh", "-c", "$(command -v impacket-rpcdump || echo python3 /usr/share/doc/python3-impacket/examples/rpcdump.py) 127.0.0.1")
	var lines []string
	id := ""
	for _, m := range dumped.FindAllStringSubmatch(out, -1) {
		if m[1] != "" {
			id = strings.ToLower(m[1])
			continue
		}
		lines = append(lines, id+" "+m[2]+":["+m[4]+"]")
	}
	return distinct(lines)
}

func TestEndpointMapperListsEveryEndpoint(t *testing.T) {
	h := boot(t).install().smbd()
	want := h.served()
	got, addresses := h.epmlookup("ncacn_ip_tcp:127.0.0.1")
	if len(want) < 30 {
		t.Errorf("the catalogue has %d endpoints", len(want))
	}
	check.SameIn(t, "endpoints of the catalogue and for rpcclient", want, got)
	check.SameIn(t, "addresses", []string{"127.0.0.1"}, addresses)
	got, addresses = h.epmlookup("ncacn_np:127.0.0.1") // smbd tells where the client came in
	check.SameIn(t, "endpoints over named pipes", want, got)
	check.SameIn(t, "addresses over named pipes", []string{"127.0.0.1"}, addresses)
	check.SameIn(t, "endpoints of the catalogue and for rpcdump", want, h.rpcdump())
	check.SameIn(t, "endpoints over ncalrpc", want, h.lookupLocally())
	h.contains(h.run("rpcclient", "ncacn_ip_tcp:127.0.0.1", "-N", "-c", "epmmap"), `ncacn_np:[\pipe\lsarpc`)
	out := h.run("msrpcctl", "endpoints", "::1")
	h.contains(out, h.port("winreg"))

	// A client that is told no port asks the mapper for it.
	h.contains(h.run("rpcclient", "ncacn_ip_tcp:127.0.0.1", "-U", "root%"+password, "-c", "srvinfo"), "MSRPCTEST")
	h.try("rpcclient", "ncacn_ip_tcp:127.0.0.1", "-U", "root%"+password, "-c", "winreg_enumkey HKLM")
	if n := h.statusFile("winreg").Broker().Accepted.Load(); n == 0 {
		t.Error("rpcclient did not find winreg's port")
	}
	h.fine()
	if log := h.journal("-u", mapperUnit, "-p", "warning", "-o", "cat"); strings.TrimSpace(log) != "" {
		t.Errorf("the mapper's journal:\n%s", log)
	}
}
