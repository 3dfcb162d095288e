// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"msrpcd/tests/tools/sandbox"

	"msrpcd/tests/tools/check"
)

// A client that takes what it can get, beside one that wants little: of native
// rpcds, by the example of the endpoint mapper and of rpcecho, of msrpc-auth, and of
// Samba's. tests/faults --full takes more.

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

// onePage are the arguments of an ept_lookup that gets one entry and a context handle.
var onePage = strings.Repeat("00000000", 3) + "01000000" + strings.Repeat("00", 20) + "01000000"

func TestAnAttackOnTheMapperLeavesOthersServed(t *testing.T) {
	h := boot(t).install()
	mapper := []string{"-addr", "127.0.0.1:135", "-iface", epmapperID, "-major", "3"}
	before := h.others(mapper...)
	line := h.statusFile("epmapper").Worker(0)

	many := uint64(times(6000, 21000))
	held := h.crowd(append([]string{"bindload", "-from", "127.0.0.3", "-c", "8", "-hold", fmt.Sprint(many), "-d", "5m"}, mapper...)...)
	sandbox.Eventually(t, time.Duration(times(20, 200))*time.Second, func() error {
		if n := line.Received.Load(); n < many {
			return fmt.Errorf("%d of %d have come", n, many)
		}
		return nil
	})
	h.asBefore(fmt.Sprint(many, " bound connections"), before, mapper...)
	if open := line.Received.Load() - line.Closed.Load(); open > 2048+10 {
		t.Errorf("%d connections are open, one source may have 2048", open)
	}
	h.contains(h.journal("-u", mapperUnit), "MaxBoundPerSource=")
	fmt.Fprintln(held.input)
	held.cmd.Wait()

	for name, args := range map[string][]string{
		"calls sent ahead on 1 connection":     {"-c", "1", "-do", "flood"},
		"on 16":                                {"-c", "16", "-do", "flood"},
		"on many":                              {"-c", fmt.Sprint(times(128, 256)), "-do", "flood"},
		"from 50 addresses":                    {"-c", "100", "-sources", "50", "-do", "flood"},
		"cancels, orphaned and alter_contexts": {"-c", "16", "-do", "storm"},
		"lookups that leave context handles":   {"-c", fmt.Sprint(times(60, 400)), "-n", "1020", "-opnum", "2", "-stub", onePage, "-do", "handles"},
	} {
		end := h.attack(append(append([]string{"-opnum", "5"}, mapper...), args...)...)
		h.asBefore(name, before, mapper...)
		if answered, refused, _ := h.calls(append([]string{"-from", "127.0.0.2", "-c", "10", "-opnum", "2", "-stub", onePage, "-do", "calls"}, mapper...)...); answered != 10 {
			t.Errorf("%s: %d lookups of others were answered, %d refused", name, answered, refused)
		}
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

	// Answers of 4 MiB.
	end = h.attack(append([]string{"-c", fmt.Sprint(times(60, 400)), "-opnum", "3", "-stub", "00004000", "-n", "4", "-do", "deaf"}, server...)...)
	h.asBefore("answers that are not taken", before, server...)
	t.Logf("%s answers were not taken, %d MiB is the most", end(), h.most(echoUnit))
	if n := h.most(echoUnit); n > 300 {
		t.Errorf("answers took %d MiB", n)
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
	many := uint64(5 * times(500, 16500))
	for i := range 5 {
		crowds = append(crowds, h.crowd("bindload", "-addr", winregAddr, "-from", fmt.Sprintf("127.0.0.%d", i+3), "-c", "4", "-hold", fmt.Sprint(many/5), "-timeout", "100s", "-d", "5m"))
	}
	sandbox.Eventually(t, time.Duration(times(20, 200))*time.Second, func() error {
		if n := line.Received.Load(); n < many {
			return fmt.Errorf("%d of %d have come", n, many)
		}
		return nil
	})
	h.asBefore("bound connections of five addresses", before, "-addr", winregAddr)
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

// Handshakes that are begun and not ended, on more connections than msrpc-auth has
// room for.
func TestAnAttackOnHandshakesLeavesOthersAuthenticated(t *testing.T) {
	h := authenticating(t)
	h.hashes()
	h.echoes("127.0.0.1", "seal", "-U", "root%"+password)
	server := []string{"-addr", "127.0.0.1:" + echoPort, "-iface", echoID}
	before := h.others(server...)
	for name, args := range map[string][]string{
		"one address":       {"-c", "30", "-n", "30"},
		"a hundred of them": {"-c", fmt.Sprint(times(200, 1000)), "-n", "10", "-sources", "100"},
	} {
		end := h.attack(append(append([]string{"-do", "shake"}, server...), args...)...)
		h.asBefore(name, before, server...)
		for range 5 {
			h.echoes("127.0.0.1", "seal", "-U", "root%"+password)
		}
		t.Logf("%s: %s connections had begun handshakes, msrpc-auth had %d MiB", name, end(), h.most(authUnit))
		if n := h.most(authUnit); n > 200 {
			t.Errorf("msrpc-auth had %d MiB", n)
		}
	}
}

// What msrpcd.conf says counts from the next refresh on, for native rpcds and brokers.
func TestProcessesKeepToTheLimitsOfTheConfiguration(t *testing.T) {
	h := echo(t, "")
	h.MustWrite(t, "/etc/msrpcd/msrpcd.conf", "[Msrpcd]\nMaxBoundPerSource=20\nMaxHandlesPerSource=30\nMaxPartialPerSource=200K\nMaxUnboundPerSource=10\nBindTimeoutSec=1\n")
	h.run("msrpcctl", "refresh")
	mapper := []string{"-addr", "127.0.0.1:135", "-iface", epmapperID, "-major", "3"}
	server := []string{"-addr", "127.0.0.1:" + echoPort, "-iface", echoID}

	held := h.crowd(append([]string{"bindload", "-from", "127.0.0.3", "-hold", "50"}, server...)...)
	h.eventually(func() error {
		if text := h.journal("-u", echoUnit); !strings.Contains(text, "more than 20 bound connections of one source") {
			return fmt.Errorf("the journal does not tell of 50 connections:\n%s", text)
		}
		return nil
	})
	fmt.Fprintln(held.input)
	held.cmd.Wait()
	if answered, refused, _ := h.calls(append([]string{"-from", "127.0.0.3", "-n", "40", "-opnum", "2", "-stub", onePage, "-do", "calls"}, mapper...)...); answered != 40 || refused != 0 {
		t.Errorf("%d lookups were answered, %d refused", answered, refused)
	}
	h.contains(h.journal("-u", mapperUnit), "more than 30 context handles of one source")
	end := h.attack(append([]string{"-c", "2", "-opnum", "2", "-do", "partial"}, server...)...)
	h.contains(h.journal("-u", echoUnit), "more than 204800 bytes of unfinished requests of one source")
	end()

	for _, tt := range []struct{ addr, unit string }{{"127.0.0.1:" + echoPort, echoUnit}, {"127.0.0.1:" + h.port("winreg"), brokerUnit}} {
		silent := h.crowd("bindload", "-addr", tt.addr, "-from", "127.0.0.3", "-n", "30", "-silent")
		h.eventually(func() error {
			text := h.journal("-u", tt.unit)
			for _, want := range []string{"MaxUnboundPerSource=", "no complete bind in"} {
				if !strings.Contains(text, want) {
					return fmt.Errorf("%s does not say %q", tt.unit, want)
				}
			}
			return nil
		})
		if r := silent.bind(); r.Conns != 0 {
			t.Errorf("%s: %d silent clients were waited for", tt.unit, r.Conns)
		}
	}
}
