// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/plan/catalogue"
	rpc "msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/servers/epm"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/listing"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
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
	if err != nil {
		h.t.Fatal(err)
	}
	var lines []string
	for _, e := range c.Rpcds {
		if e.Name == "rpcecho" {
			continue // has no listener unless it is given one
		}
		for _, i := range e.Listing.Interfaces {
			for _, b := range i.Bindings {
				switch {
				case b.Protseq == listing.ProtseqHTTP:
					continue
				case b.Endpoint == "" && b.Protseq == listing.ProtseqTCP:
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
func (h *host) epmlookup(binding string) (lines, addresses []string) {
	h.t.Helper()
	user := "-N"
	if strings.HasPrefix(binding, listing.ProtseqNP) {
		user = "-Uroot%" + password
	}
	out := h.run("rpcclient", binding, user, "-c", "epmlookup")
	for _, m := range lookedUp.FindAllStringSubmatch(out, -1) {
		lines = append(lines, m[4]+" "+m[1]+":["+m[3]+"]")
		if m[1] == listing.ProtseqTCP {
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
	if d := cmp.Diff(want, got); d != "" || len(want) < 30 {
		t.Errorf("rpcclient: catalogue (-) and mapper (+) differ:\n%s", d)
	}
	if d := cmp.Diff([]string{"127.0.0.1"}, addresses); d != "" {
		t.Errorf("addresses: %s", d)
	}
	got, addresses = h.epmlookup("ncacn_np:127.0.0.1") // smbd tells where the client came in
	if d := cmp.Diff(want, got) + cmp.Diff([]string{"127.0.0.1"}, addresses); d != "" {
		t.Errorf("over named pipes: %s", d)
	}
	if d := cmp.Diff(want, h.rpcdump()); d != "" {
		t.Errorf("rpcdump: catalogue (-) and mapper (+) differ:\n%s", d)
	}
	if got := h.lookupLocally(); cmp.Diff(want, got) != "" {
		t.Errorf("over ncalrpc: %s", cmp.Diff(want, got))
	}
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

// TestEndpointMapperAsSambas compares smbtorture's outcomes with those of
// Samba's own mapper, on a host of its own. Nobody authenticates over TCP and
// ncalrpc; over named pipes the SMB server does it.
func TestEndpointMapperAsSambas(t *testing.T) {
	stock := boot(t, func(o *sandboxOptions) { o.Stage = "" }).smbdBehindStock()
	ours := boot(t).install().smbd()
	good := 0
	for _, binding := range []string{"ncacn_ip_tcp:127.0.0.1", "ncalrpc:", "ncacn_np:127.0.0.1"} {
		for _, suite := range []string{"rpc.epmapper", "rpc.bind", "rpc.mgmt"} {
			user := "-U%"
			if strings.HasPrefix(binding, "ncacn_np") {
				if suite != "rpc.epmapper" {
					continue // its TCP part wants to be authenticated
				}
				user = "-Uroot%" + password
			}
			t.Run(suite+" "+binding, func(t *testing.T) {
				want, got := stock.tortureAs(binding, user, suite), ours.tortureAs(binding, user, suite)
				for test, w := range want {
					g := got[test]
					if g != w && g != "success" && g != passed {
						t.Errorf("%s: %q with Samba's mapper, %q with msrpcd's", test, w, g)
					}
					if g == "success" {
						good++
					}
				}
				if len(got) < len(want) || len(want) < 2 {
					t.Errorf("%d results with Samba's mapper, %d with msrpcd's", len(want), len(got))
				}
				if suite == "rpc.bind" && strings.HasPrefix(binding, "ncacn_ip") && got["assoc_group_handles_external"] != "success" {
					t.Errorf("assoc_group_handles_external: %q", got["assoc_group_handles_external"])
				}
				if suite == "rpc.epmapper" && binding == "ncalrpc:" && (got["epmapper.Insert_noreplace"] != "success" || got["epmapper.Map_full"] != "success") {
					t.Errorf("insert and delete by local root: %q", got)
				}
			})
		}
	}
	if good < 10 {
		t.Errorf("only %d tests pass", good)
	}
}

// mapperClient connects to the mapper's local endpoint, as root.
func (h *host) mapperClient() *rpc.Conn {
	h.t.Helper()
	c, err := net.Dial("unix", h.Path(mapperLocal))
	if err != nil {
		h.t.Fatal(err)
	}
	conn := rpc.New(c, mapperLocal, rpc.Options{})
	h.t.Cleanup(func() { conn.Close() })
	if err := conn.Bind(context.Background(), 0, epm.Interface); err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// lookupLocally is the list over ncalrpc in the form of served.
func (h *host) lookupLocally() (lines []string) {
	h.t.Helper()
	in := epm.LookupRequest{Versions: epm.VersionsAll, MaxEntries: epm.MaxPage}
	var out epm.LookupResponse
	if err := h.mapperClient().Call(context.Background(), rpc.Operation{Interface: epm.Interface, Opnum: epm.OpLookup}, &in, &out); err != nil {
		h.t.Fatal(err)
	}
	for _, e := range out.Entries.Elem {
		tower, err := epm.ParseTower(e.Tower.Tower.Octets)
		if err != nil {
			h.t.Fatal(err)
		}
		b, _ := tower.Binding()
		lines = append(lines, tower.Interface.UUID.String()+" "+b.String())
	}
	return distinct(lines)
}

// mapped asks for an interface over TCP.
func (h *host) mapped(id dcerpc.SyntaxID) epm.MapResponse {
	h.t.Helper()
	c := h.mapperClient()
	defer c.Close()
	tower, err := epm.AppendTower(nil, id, dcerpc.NDR, epm.Binding{Protseq: listing.ProtseqTCP})
	if err != nil {
		h.t.Fatal(err)
	}
	in := epm.MapRequest{Tower: epm.TowerRef{Present: true, Tower: epm.TowerOctets{Octets: tower}}, MaxTowers: 4}
	var out epm.MapResponse
	if err := c.Call(context.Background(), rpc.Operation{Interface: epm.Interface, Opnum: epm.OpMap}, &in, &out); err != nil {
		h.t.Fatal(err)
	}
	return out
}

var winregInterface = dcerpc.SyntaxID{UUID: uuid.MustParse("338cd001-2244-31f1-aaaa-900038001003"), Version: 1}

func TestEndpointMapperFollowsWithoutARestart(t *testing.T) {
	h := boot(t).install()
	_ = h.mapped(winregInterface)
	pid := h.property(mapperUnit, "MainPID")
	late := dcerpc.SyntaxID{UUID: uuid.MustParse("338cd001-2244-31f1-aaaa-900038001099"), Version: 1}
	status := func(id dcerpc.SyntaxID, want epm.Status) {
		t.Helper()
		h.eventually(func() error {
			if out := h.mapped(id); out.Status != want {
				return fmt.Errorf("%s: %s, want %s", id.UUID, out.Status, want)
			}
			return nil
		})
	}
	status(late, epm.NotRegistered)
	h.MustWrite(t, "/opt/rpcd/rpcd_late", "#!/bin/sh\n"+listingHead+" ncacn_ip_tcp:\\n'\n")
	h.MustWrite(t, "/etc/msrpcd/rpcd.d/late.conf", "[Rpcd]\nExec=/opt/rpcd/rpcd_late\n")
	h.run("chmod", "755", "/opt/rpcd/rpcd_late")
	h.run("msrpcctl", "refresh")
	status(late, epm.OK)
	h.run("msrpcctl", "transport", "off", "tcp", "winreg")
	status(winregInterface, epm.NotRegistered)
	h.run("msrpcctl", "transport", "on", "tcp", "winreg")
	status(winregInterface, epm.OK)
	h.sh("printf '[Rpcd]\\nTransports=np\\n' >/etc/msrpcd/rpcd.d/winreg.conf; systemctl daemon-reload") // the generator runs, no refresh
	status(winregInterface, epm.NotRegistered)
	h.sh("rm -r /etc/msrpcd/rpcd.d/late.conf /etc/msrpcd/rpcd.d/winreg.conf")
	h.run("msrpcctl", "refresh")
	status(late, epm.NotRegistered)
	status(winregInterface, epm.OK)
	if now := h.property(mapperUnit, "MainPID"); now != pid || pid == "0" {
		t.Errorf("the mapper was process %s and is %s", pid, now)
	}
}

// status is what ept_insert returns.
type eptStatus struct{ epm.Status }

func (s *eptStatus) NDR(c *ndr.Codec) { c.Uint32((*uint32)(&s.Status)) }

func TestInsertedEndpointsOutliveTheMapper(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/epmapper.conf.d/idle.conf", "[Rpcd]\nIdleSec=1\n")).install()
	id := dcerpc.SyntaxID{UUID: uuid.New(), Version: 1}
	tower, err := epm.AppendTower(nil, id, dcerpc.NDR, epm.Binding{Protseq: listing.ProtseqTCP, Endpoint: "5000"})
	if err != nil {
		t.Fatal(err)
	}
	c := h.mapperClient()
	in := epm.InsertRequest{Entries: epm.Entries{Elem: []epm.Entry{{Tower: epm.TowerRef{Present: true, Tower: epm.TowerOctets{Octets: tower}}, Annotation: []byte("own")}}}}
	var out eptStatus
	if err := c.Call(context.Background(), rpc.Operation{Interface: epm.Interface, Opnum: epm.OpInsert}, &in, &out); err != nil || out.Status != epm.OK {
		t.Fatal(err, out.Status)
	}
	c.Close()
	h.eventually(func() error {
		if up := h.active(mapperUnit); len(up) > 0 {
			return fmt.Errorf("%v", up)
		}
		return nil
	})
	if out := h.mapped(id); out.Status != epm.OK {
		t.Errorf("after an idle exit: %s", out.Status)
	}
	h.run("systemctl", "kill", "-s", "KILL", mapperUnit)
	if out := h.mapped(id); out.Status != epm.OK {
		t.Errorf("after a crash: %s", out.Status)
	}
}

func TestEndpointMapperBesideAnother(t *testing.T) {
	h := boot(t)
	other := h.MustStart(t, "python3", "-c", "import socket; s=socket.socket(socket.AF_INET6); s.bind(('::',135)); s.listen(); s.accept()")
	h.eventually(func() error {
		if out, _ := h.try("ss", "-Hltn", "sport = :135"); out == "" {
			return fmt.Errorf("nobody listens")
		}
		return nil
	})
	h.run("systemd-sysusers")
	h.run("systemd-tmpfiles", "--create")
	h.run("systemctl", "daemon-reload")
	out, rc := h.try("msrpcctl", "refresh")
	h.run("systemctl", "start", "msrpc.target")
	if rc == 0 && !strings.Contains(out, "port 135") {
		out, _ = h.try("msrpcctl", "refresh")
	}
	h.contains(out, "port 135 of epmapper is in use by python3")
	if state := h.property(mapperSocket, "ActiveState"); state != "failed" {
		t.Errorf("%s is %s", mapperSocket, state)
	}
	out, rc = h.try("msrpcctl", "verify")
	h.contains(out, "port 135 of epmapper is in use by python3")
	h.contains(out, "clients know of no other port")
	if rc == 0 {
		t.Error("verify finds nothing wrong")
	}
	h.contains(h.run("msrpcctl", "status", "epmapper"), "failed")
	if r := h.load("-net", "unix", "-addr", winregNcalrpc); r.Conns != 1 {
		t.Errorf("the other rpcds: %+v", r)
	}
	other.Kill(syscall.SIGKILL)
	other.Wait()
	h.run("msrpcctl", "refresh")
	h.fine()
	if got, _ := h.epmlookup("ncacn_ip_tcp:127.0.0.1"); len(got) == 0 {
		t.Error("it tells nothing")
	}
}

// On a domain controller samba(8) has the endpoint mapper.
func TestEndpointMapperKeepsOutOnADomainController(t *testing.T) {
	h := boot(t, global("server role = active directory domain controller"))
	h.install()
	h.contains(h.run("msrpcctl", "list", "epmapper"), "keeps out: ")
	if units := h.active("msrpc-*-epmapper.socket"); len(units) > 0 {
		t.Errorf("listeners %v", units)
	}
	if out := h.sh("ss -Hltn"); strings.Contains(out, ":135 ") {
		t.Errorf("port 135 is taken:\n%s", out)
	}
}
