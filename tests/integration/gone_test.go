// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// TestNamingGroupsStartsNoWorker: an anonymous client asks for groups of every
// index. It gets what samba-dcerpcd answers, and no process.
func TestNamingGroupsStartsNoWorker(t *testing.T) {
	h := boot(t).install()
	bits := 16
	if strings.Contains(h.run("smbd", "-V"), " 4.17.") {
		bits = 24
	}
	first := h.dial(winregNcalrpc)
	group := bindOn(t, first)
	before := h.processes()
	for round := range 2 {
		for i := range 37 {
			c := h.dial(winregNcalrpc)
			wanted := uint32(i)<<bits | 0x4321
			if wanted == group {
				wanted++
			}
			c.Write(winregBind(wanted))
			if b, err := answer(c); err != nil || b[2] != 13 || binary.LittleEndian.Uint16(b[16:]) != 0 {
				t.Errorf("round %d, group %08x: %x, %v; want bind_nak with reason 0", round, wanted, b, err)
			}
			c.Close()
		}
	}
	if after := h.processes(); len(after) != len(before) {
		t.Errorf("%d processes before, %d after:\n%s", len(before), len(after), strings.Join(after, "\n"))
	}
	check.Is(t, "the group that is there: joined", group, bindTo(t, h.dial(winregNcalrpc), group))
}

// TestGroupsOfANativeWorkerAreReachedWhileItIsReplaced: it keeps them over a
// restart and a crash, and a client that joins meanwhile comes to it.
func TestGroupsOfANativeWorkerAreReachedWhileItIsReplaced(t *testing.T) {
	h := boot(t, file("/etc/msrpcd/rpcd.d/rpcecho.conf.d/on.conf", "[Rpcd]\nTransports=np tcp ncalrpc\nPort="+echoPort+"\nWorkers=2\nActivation=broker\n")).install()
	join := func(group uint32) (uint32, error) {
		bind := winregBind(group)
		copy(bind[32:], []byte{0xc5, 0x5e, 0xa1, 0x60, 0xe8, 0x4d, 0xd7, 0x11, 0xa6, 0x37, 0, 0x50, 0x56, 0xa2, 1, 0x82, 1, 0, 0, 0})
		c := h.dial(echoLocal)
		c.Write(bind)
		b, err := answer(c)
		if err != nil || b[2] != 12 {
			return 0, fmt.Errorf("answer %x, %v", b, err)
		}
		return binary.LittleEndian.Uint32(b[20:]), nil
	}
	group, err := join(0)
	check.OK(t, err)
	unit := fmt.Sprintf("msrpc-worker-rpcecho@%d.service", group>>16)
	h.run("sleep", "1.3") // younger connections are not kept over a crash
	for round := range 3 {
		for _, how := range [][]string{{"systemctl", "restart", "--no-block", unit}, {"systemctl", "kill", "-s", "KILL", unit}} {
			pid := h.property(unit, "MainPID")
			h.run(how...)
			for range 5 {
				if got, err := join(group); err != nil || got != group {
					t.Errorf("round %d, %v: %08x, %v; want %08x", round, how, got, err, group)
				}
			}
			h.eventually(func() error {
				if now := h.property(unit, "MainPID"); now == pid || now == "0" {
					return fmt.Errorf("%s is not back", unit)
				}
				return nil
			})
		}
	}
}

// TestClientsThatGaveUpAreLetGo: the worker is stopped, and more clients come and
// go than its inbox holds. Those that stay are served.
func TestClientsThatGaveUpAreLetGo(t *testing.T) {
	h := boot(t, winregWith("", "Workers=1\nSpares=0\n")).install()
	h.warm()
	unit := "msrpc-worker-winreg@0.service"
	h.run("systemctl", "kill", "--kill-whom=main", "-s", "STOP", unit)
	_, stay := h.loading("-addr", winregAddr, "-c", "900", "-n", "900", "-timeout", "100s")
	f := h.statusFile("winreg")
	h.eventually(func() error {
		a, s, p := f.Broker().Accepted.Load(), f.Sent(0).Sent.Load(), uint64(f.Broker().Pending.Load())
		if a < 950 || s+p != a || p < 100 {
			return fmt.Errorf("%d came, %d were sent, %d wait", a, s, p)
		}
		return nil
	})
	waiting := f.Broker().Pending.Load()
	for _, how := range []string{"close", "reset"} {
		if r := h.load("-addr", winregAddr, "-leave", how, "-c", "8", "-n", "2000"); r.Conns < 1000 {
			t.Errorf("clients that leave: %+v", r)
		}
		h.pending(waiting)
		t.Logf("%s: %d came, %d were sent, %d left, %d wait", how, f.Broker().Accepted.Load(), f.Sent(0).Sent.Load(), f.Broker().Left.Load(), waiting)
	}
	if left := f.Broker().Left.Load(); left < 3000 {
		t.Errorf("%d are counted as left, of 4000", left)
	}
	h.contains(h.run("msrpcctl", "status", "winreg"), "LEFT")
	h.run("systemctl", "kill", "--kill-whom=main", "-s", "CONT", unit)
	if r := stay(); r.Conns != 900 || r.Failed != 0 {
		t.Errorf("clients that stay: %+v", r)
	}
	h.pending(0)
	h.atOnce()
}
