// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// One who takes what he can get, beside a client that wants little: of native
// rpcds, by the example of the endpoint mapper and of rpcecho, and of Samba's.

// attack runs tests/tools/attack from 127.0.0.3 until it has what it wants. end
// ends it and returns what it prints last.
func (h *host) attack(args ...string) (end func() string) {
	h.t.Helper()
	c := h.crowd(append([]string{"attack", "-from", "127.0.0.3"}, args...)...)
	h.eventually(func() error {
		if out := c.out.String(); !strings.Contains(out, "ready") {
			return fmt.Errorf("the attack has not begun: %s", out)
		}
		return nil
	})
	return func() string {
		fmt.Fprintln(c.input)
		c.cmd.Wait()
		lines := strings.Fields(c.out.String())
		return lines[len(lines)-1]
	}
}

// calls are those of another client, on so many connections; how many were
// answered, how many not, and the association group of the last connection.
func (h *host) calls(args ...string) (answered, refused int, group uint64) {
	h.t.Helper()
	out := strings.Fields(h.run(append([]string{"attack"}, args...)...))
	answered, _ = strconv.Atoi(out[0])
	refused, _ = strconv.Atoi(out[1])
	group, _ = strconv.ParseUint(out[2], 16, 32)
	return answered, refused, group
}

// others are clients that bind from 127.0.0.2, one after the other. p50 is in µs.
func (h *host) others(args ...string) (p50 int64) {
	h.t.Helper()
	r := h.load(append([]string{"-from", "127.0.0.2", "-n", "200"}, args...)...)
	if r.Conns != 200 {
		h.t.Errorf("clients from elsewhere: %+v", r)
	}
	return r.P50
}

// asBefore has others take not five times as long as before. The machine may have
// something else to do: one of three tries has to do.
func (h *host) asBefore(what string, before int64, args ...string) {
	h.t.Helper()
	var now int64
	for range 3 {
		if now = h.others(args...); now <= 5*before {
			break
		}
	}
	h.t.Logf("%s: p50 of others %d µs, %d µs before", what, now, before)
	if now > 5*before {
		h.t.Errorf("%s: p50 of others %d µs, %d µs before", what, now, before)
	}
}

// most is the most memory that the main process of a unit had, in MiB.
func (h *host) most(unit string) int {
	h.t.Helper()
	f := strings.Fields(h.sh("grep VmHWM /proc/$(systemctl show -P MainPID " + unit + ")/status"))
	n, err := strconv.Atoi(f[1])
	check.OK(h.t, err)
	return n >> 10
}

func TestAnAttackOnTheMapperLeavesOthersServed(t *testing.T) {
	h := boot(t).install()
	mapper := []string{"-addr", "127.0.0.1:135", "-iface", epmapperID, "-major", "3"}
	before := h.others(mapper...)
	line := h.statusFile("epmapper").Worker(0)

	held := h.crowd(append([]string{"bindload", "-from", "127.0.0.3", "-c", "8", "-hold", "6000"}, mapper...)...)
	h.eventually(func() error {
		if n := line.Received.Load(); n < 6000 {
			return fmt.Errorf("%d of 6000 have come", n)
		}
		return nil
	})
	h.asBefore("6000 bound connections", before, mapper...)
	if open := line.Received.Load() - line.Closed.Load(); open > 2048+10 {
		t.Errorf("%d connections are open, one source may have 2048", open)
	}
	h.contains(h.journal("-u", mapperUnit), "MaxBoundPerSource=")
	fmt.Fprintln(held.input)
	held.cmd.Wait()

	for _, n := range []string{"1", "16", "128"} {
		end := h.attack(append([]string{"-opnum", "5", "-c", n, "-do", "flood"}, mapper...)...)
		h.asBefore(n+" connections with calls sent ahead", before, mapper...)
		end()
	}
	if n := h.most(mapperUnit); n > 100 {
		t.Errorf("the mapper had %d MiB", n)
	} else {
		t.Logf("the mapper had %d MiB", n)
	}
}

func TestAnAttackOnANativeRpcdLeavesOthersServed(t *testing.T) {
	h := echo(t, "")
	server := []string{"-addr", "127.0.0.1:" + echoPort, "-iface", echoID}
	before := h.others(server...)
	other := func(args ...string) []string {
		return append(append([]string{"-from", "127.0.0.2"}, server...), args...)
	}

	answered, _, group := h.calls(other("-stub", "01000000", "-do", "calls")...)
	if answered != 1 {
		t.Fatal("a call before all is not answered")
	}
	if n, _, _ := h.calls(append([]string{"-from", "127.0.0.3", "-group", fmt.Sprint(group), "-stub", "01000000", "-do", "calls"}, server...)...); n != 0 {
		t.Error("another address joined an association group")
	}

	twoFragments := "381f0000381f0000" + strings.Repeat("00", 7992) // SinkData
	end := h.attack(append([]string{"-c", "60", "-opnum", "2", "-do", "partial"}, server...)...)
	if answered, refused, _ := h.calls(other("-c", "20", "-n", "5", "-opnum", "2", "-stub", twoFragments, "-do", "calls")...); answered != 100 {
		t.Errorf("beside unfinished requests %d calls in two fragments were answered, %d refused", answered, refused)
	}
	h.asBefore("unfinished requests", before, server...)
	t.Logf("%s bytes of unfinished requests were sent, %d MiB is the most", end(), h.most(echoUnit))
	if n := h.most(echoUnit); n > 150 {
		t.Errorf("unfinished requests took %d MiB, 16 MiB is the share", n)
	}

	end = h.attack(append([]string{"-c", "80", "-n", "16", "-opnum", "6", "-stub", "14000000", "-do", "block"}, server...)...)
	if answered, refused, _ := h.calls(other("-c", "20", "-opnum", "6", "-stub", "00000000", "-do", "calls")...); answered != 20 {
		t.Errorf("beside calls that block %d of others were answered, %d refused", answered, refused)
	}
	h.asBefore("calls that block", before, server...)
	end()
}

func TestAnAttackOnAWorkerOfSambaLeavesOthersServed(t *testing.T) {
	h := boot(t, winregWith("MaxBoundPerSource=100\n", "Workers=1\nSpares=0\n")).install()
	before := h.others("-addr", winregAddr)
	line := h.statusFile("winreg").Worker(0)
	child := line.ChildPID.Load()
	var crowds []*crowd
	for i := range 5 {
		crowds = append(crowds, h.crowd("bindload", "-addr", winregAddr, "-from", fmt.Sprintf("127.0.0.%d", i+3), "-c", "4", "-hold", "500", "-timeout", "100s"))
	}
	h.eventually(func() error {
		if n := line.Received.Load(); n < 2500 {
			return fmt.Errorf("%d of 2500 have come", n)
		}
		return nil
	})
	h.asBefore("2500 bound connections of five addresses", before, "-addr", winregAddr)
	if r := h.load("-net", "unix", "-addr", winregNcalrpc, "-n", "50"); r.Conns != 50 {
		t.Errorf("root's clients: %+v", r)
	}
	h.eventually(func() error {
		if open := line.Received.Load() - line.Closed.Load(); open > 600 {
			h.others("-addr", winregAddr)
			return fmt.Errorf("%d connections are open, each of five addresses may have 100", open)
		}
		return nil
	})
	if line.ChildPID.Load() != child {
		t.Error("the rpcd did not live on")
	}
	h.contains(h.journal("-u", "msrpc-worker-winreg@0.service"), "too many connections")
	for _, c := range crowds {
		fmt.Fprintln(c.input)
		c.cmd.Wait()
	}
}
