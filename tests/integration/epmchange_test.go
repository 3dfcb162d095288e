// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	rpc "msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/servers/epm"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

// The endpoint mapper while what it knows changes, and beside other mappers.

// mapperClient connects to the mapper's local endpoint, as root.
func (h *host) mapperClient() *rpc.Conn {
	h.t.Helper()
	c, err := net.Dial("unix", h.Path(mapperLocal))
	check.OK(h.t, err)
	conn := rpc.New(c, mapperLocal, rpc.Options{})
	h.t.Cleanup(func() { conn.Close() })
	check.OK(h.t, conn.Bind(context.Background(), 0, epm.Interface))
	return conn
}

// lookupLocally is the list over ncalrpc in the form of served.
func (h *host) lookupLocally() (lines []string) {
	h.t.Helper()
	in := epm.LookupRequest{Versions: epm.VersionsAll, MaxEntries: epm.MaxPage}
	var out epm.LookupResponse
	check.OK(h.t, h.mapperClient().Call(context.Background(), rpc.Operation{Interface: epm.Interface, Opnum: epm.OpLookup}, &in, &out))
	for _, e := range out.Entries.Elem {
		tower, err := epm.ParseTower(e.Tower.Tower.Octets)
		check.OK(h.t, err)
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
	tower, err := epm.AppendTower(nil, id, dcerpc.NDR, binding.Binding{Protseq: binding.TCP})
	check.OK(h.t, err)
	in := epm.MapRequest{Tower: epm.TowerRef{Present: true, Tower: epm.TowerOctets{Octets: tower}}, MaxTowers: 4}
	var out epm.MapResponse
	check.OK(h.t, c.Call(context.Background(), rpc.Operation{Interface: epm.Interface, Opnum: epm.OpMap}, &in, &out))
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
	tower, err := epm.AppendTower(nil, id, dcerpc.NDR, binding.Binding{Protseq: binding.TCP, Endpoint: "5000"})
	check.OK(t, err)
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
			return fmt.Errorf("no process listens")
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
		t.Error("it answers nothing")
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
