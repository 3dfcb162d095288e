// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	rpc "msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/servers/epm"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

// Connections to native rpcds outlive the process that serves them.

const heldConns = 50

var echoInterface = dcerpc.SyntaxID{UUID: uuid.MustParse(echoID), Version: 1}

// heldAt are connections that are bound to an interface.
func (h *host) heldAt(socket string, id dcerpc.SyntaxID) (conns []*rpc.Conn) {
	h.t.Helper()
	for range heldConns {
		var c net.Conn
		h.eventually(func() (err error) { // its socket unit may be on its way
			c, err = net.Dial("unix", h.Path(socket))
			return err
		})
		conn := rpc.New(c, socket, rpc.Options{})
		h.t.Cleanup(func() { conn.Close() })
		check.OK(h.t, conn.Bind(context.Background(), 0, id))
		conns = append(conns, conn)
	}
	return conns
}

// stored waits until the worker has parked its connections: each of its slots
// is two descriptors in systemd's store.
func (h *host) stored(unit string) {
	h.t.Helper()
	h.eventually(func() error {
		if n := h.property(unit, "NFileDescriptorStore"); n == "0" || n == "2" || n == "4" {
			return fmt.Errorf("%s descriptors are stored", n)
		}
		return nil
	})
	// The last of them is at most one turn of the timer behind the first.
	h.run("sleep", "1.5")
}

// ends restarts the worker, and kills it, and calls check after each.
func (h *host) ends(unit string, check func(what string)) {
	h.t.Helper()
	for range 3 {
		pid := h.property(unit, "MainPID")
		h.run("systemctl", "restart", unit)
		if h.property(unit, "MainPID") == pid {
			h.t.Fatal("it has not been restarted")
		}
		check("restart")
		pid = h.property(unit, "MainPID")
		h.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", unit)
		h.eventually(func() error {
			if now := h.property(unit, "MainPID"); now == pid || now == "0" {
				return fmt.Errorf("the worker is not back")
			}
			return nil
		})
		check("crash")
	}
}

func TestHeldConnectionsOfRpcechoOutliveIt(t *testing.T) {
	for name, settings := range map[string]string{"direct": "", "broker": "Activation=broker\nWorkers=1\n"} {
		t.Run(name, func(t *testing.T) {
			h := echo(t, settings)
			conns := h.heldAt(echoLocal, echoInterface)
			h.stored(echoUnit)
			sum := uint32(0)
			// The load that a crash may cost something is there to be in the way.
			_, result := h.loading("-addr", "127.0.0.1:"+echoPort, "-iface", echoID, "-rate", "200", "-n", "0", "-c", "16", "-d", "4s")
			h.ends(echoUnit, func(what string) {
				for i, c := range conns {
					out, _, err := c.CallStub(context.Background(), rpc.Operation{Interface: echoInterface, Opnum: 0}, binary.LittleEndian.AppendUint32(nil, sum))
					if err != nil || len(out) != 4 || binary.LittleEndian.Uint32(out) != sum+1 {
						t.Errorf("%s, connection %d: %x, %v", what, i, out, err)
					}
				}
				sum++
			})
			if r := result(); r.Conns < 300 {
				t.Errorf("binds meanwhile: %+v", r)
			}
			if h.run("systemctl", "stop", echoUnit); !h.over(conns[0]) {
				t.Error("after a stop its clients do not see the end")
			}
		})
	}
}

// over reports whether a connection has ended.
func (h *host) over(c *rpc.Conn) bool {
	_, _, err := c.CallStub(context.Background(), rpc.Operation{Interface: echoInterface, Opnum: 0}, make([]byte, 4))
	return err != nil
}

// A restart loses no bind either.
func TestRestartsOfANativeRpcdLoseNoBind(t *testing.T) {
	h := echo(t, "")
	conns := h.heldAt(echoLocal, echoInterface)
	h.stored(echoUnit)
	_, result := h.loading("-addr", "127.0.0.1:"+echoPort, "-iface", echoID, "-rate", "200", "-n", "0", "-c", "16", "-d", "6s")
	for range 10 {
		h.run("systemctl", "restart", echoUnit)
	}
	if r := result(); r.Failed > 0 || r.Conns < 500 {
		t.Errorf("binds: %+v", r)
	} else {
		t.Logf("binds: %+v", r)
	}
	for i, c := range conns {
		if h.over(c) {
			t.Errorf("connection %d is lost", i)
		}
	}
}

// Whoever takes the endpoint map in pages gets all of it, once.
func TestPagesOfTheEndpointMapGoOn(t *testing.T) {
	h := boot(t).install()
	conns := h.heldAt(mapperLocal, epm.Interface)
	page := func(c *rpc.Conn, in *epm.LookupRequest) (towers []string) {
		var out epm.LookupResponse
		if err := c.Call(context.Background(), rpc.Operation{Interface: epm.Interface, Opnum: epm.OpLookup}, in, &out); err != nil {
			t.Error(err)
		}
		for _, e := range out.Entries.Elem {
			towers = append(towers, string(e.Tower.Tower.Octets))
		}
		in.Handle = out.Handle
		return towers
	}
	want := page(conns[0], &epm.LookupRequest{Versions: epm.VersionsAll, MaxEntries: epm.MaxPage})
	ask, got := make([]epm.LookupRequest, len(conns)), make([][]string, len(conns))
	for i, c := range conns[:len(conns)/2] { // before they are parked
		ask[i] = epm.LookupRequest{Versions: epm.VersionsAll, MaxEntries: 2}
		got[i] = page(c, &ask[i])
	}
	h.stored(mapperUnit)
	for i, c := range conns[len(conns)/2:] { // and after
		i += len(conns) / 2
		ask[i] = epm.LookupRequest{Versions: epm.VersionsAll, MaxEntries: 2}
		got[i] = page(c, &ask[i])
	}
	_, result := h.loading("-net", "unix", "-addr", mapperLocal, "-iface", epm.Interface.UUID.String(), "-major", "3", "-rate", "200", "-n", "0", "-c", "16", "-d", "3s")
	for range 3 {
		h.run("systemctl", "restart", mapperUnit)
	}
	if r := result(); r.Failed > 0 || r.Conns < 200 {
		t.Errorf("binds: %+v", r)
	}
	h.ends(mapperUnit, func(string) {
		for i, c := range conns {
			got[i] = append(got[i], page(c, &ask[i])...)
		}
	})
	for i, c := range conns {
		for !ask[i].Handle.IsNil() && !t.Failed() {
			got[i] = append(got[i], page(c, &ask[i])...)
		}
		if d := cmp.Diff(want, got[i]); d != "" {
			t.Fatalf("connection %d: %s", i, d)
		}
	}
}
