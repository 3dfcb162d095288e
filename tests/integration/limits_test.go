// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/sandbox"
)

const (
	winregAddr = "127.0.0.1:50555"
	brokerDrop = "/etc/systemd/system/msrpc-broker@winreg.service.d/50-test.conf"
)

// winregWith has winreg on winregAddr, with settings of msrpcd.conf and of its
// own file.
func winregWith(global, own string) func(*sandboxOptions) {
	return func(o *sandboxOptions) {
		file("/etc/msrpcd/msrpcd.conf", "[Msrpcd]\n"+global)(o)
		file("/etc/msrpcd/rpcd.d/winreg.conf", "[Rpcd]\nPort=50555\n"+own)(o)
	}
}

// TestTwentyThousandSilentClients: they cost a talking one nothing, and lose
// nothing. Where the host does not let the broker have LimitNOFILE= descriptors,
// the oldest of them make room.
func TestTwentyThousandSilentClients(t *testing.T) {
	const n, lag = 20000, 50
	h := boot(t, winregWith("MaxUnbound=25000\nMaxUnboundPerSource=6000\nBindTimeoutSec=5min\n", "")).install()
	h.warm()
	var crowds []*crowd
	for i := range 4 {
		crowds = append(crowds, h.silent(fmt.Sprintf("127.0.0.%d", i+2), n/4))
	}
	h.atOnce() // while they come
	f := h.statusFile("winreg")
	// Where its queue is full the kernel lets clients come later, a few not
	// before they send something.
	sandbox.Eventually(t, time.Minute, func() error {
		if all := uint64(f.Broker().Pending.Load()) + f.Broker().Refused.Load(); all < n-lag {
			return fmt.Errorf("%d of %d came", all, n)
		}
		return nil
	})
	held := int(f.Broker().Pending.Load())
	t.Logf("%d are held, %d parked", held, f.Broker().Parked.Load())
	if held < n-500 {
		t.Errorf("%d of %d are held", held, n)
	}
	h.atOnce()
	used, since := h.cpu(), time.Now()
	h.run("sleep", "2")
	if used = h.cpu() - used; used > 200*time.Millisecond {
		t.Errorf("%v of CPU time in %v for nobody", used, time.Since(since))
	}
	results := make(chan loadResult)
	for _, c := range crowds {
		go func() { results <- c.bind() }()
	}
	served := 0
	for range crowds {
		served += (<-results).Conns
	}
	if refused := f.Broker().Refused.Load(); served+int(refused) < n-lag {
		t.Errorf("%d of %d could bind after all, %d had made room", served, n, refused)
	}
	h.pending(0)
	h.atOnce()
}

func TestAFloodFromOneAddressHurtsNobodyElse(t *testing.T) {
	h := boot(t, winregWith("BindTimeoutSec=5min\n", "")).install()
	patient := h.silent("127.0.0.2", 50)
	h.pending(50)
	h.silent("127.0.0.3", 10000)
	h.silent("127.0.0.3", 10000)
	h.atOnce() // while they come
	f := h.statusFile("winreg")
	h.eventually(func() error {
		// Not all may have come: the kernel drops some where its queue is full.
		if n, p := f.Broker().Refused.Load(), f.Broker().Pending.Load(); n < 10000 || p != 50+512 {
			return fmt.Errorf("%d of the flood were refused, %d clients wait, want 512 of it and 50", n, p)
		}
		return nil
	})
	h.atOnce()
	if r := patient.bind(); r.Conns != 50 {
		t.Errorf("clients from elsewhere that were silent before: %+v", r)
	}
	h.contains(h.journal("-u", "msrpc-broker@winreg.service"), "MaxUnboundPerSource=")
}

// fewDescriptors lets the broker have 64.
func fewDescriptors(o *sandboxOptions) {
	winregWith("BindTimeoutSec=5min\n", "Workers=1\nSpares=0\n")(o)
	file(brokerDrop, "[Service]\nLimitNOFILE=64\n")(o)
}

// TestDescriptorsRunOut: the worker is stopped, so that more clients wait than
// the broker has descriptors for, and than may be on their way (ETOOMANYREFS).
func TestDescriptorsRunOut(t *testing.T) {
	h := boot(t, fewDescriptors).install()
	h.warm()
	pid := h.property("msrpc-broker@winreg.service", "MainPID")
	h.run("systemctl", "kill", "--kill-whom=main", "-s", "STOP", "msrpc-worker-winreg@0.service")
	_, result := h.loading("-addr", winregAddr, "-c", "300", "-n", "300", "-timeout", "100s")
	h.eventually(func() error {
		if text := h.journal("-u", "msrpc-broker@winreg.service"); !strings.Contains(text, "accept fails") {
			return fmt.Errorf("no word of it in the journal:\n%s", text)
		}
		return nil
	})
	used := h.cpu()
	h.run("sleep", "3")
	if used = h.cpu() - used; used > 600*time.Millisecond {
		t.Errorf("%v of CPU time in 3 s in which nothing could be done", used)
	}
	h.run("systemctl", "kill", "--kill-whom=main", "-s", "CONT", "msrpc-worker-winreg@0.service")
	if r := result(); r.Conns != 300 || r.Failed > 0 {
		t.Errorf("clients that had to wait: %+v", r)
	}
	h.pending(0)
	h.atOnce()
	if now := h.property("msrpc-broker@winreg.service", "MainPID"); now != pid {
		t.Errorf("the broker was replaced: process %s, then %s", pid, now)
	}
}

// TestSilentClientsTakeNoDescriptorsFromTalkingOnes: the oldest go.
func TestSilentClientsTakeNoDescriptorsFromTalkingOnes(t *testing.T) {
	h := boot(t, fewDescriptors).install()
	h.silent("127.0.0.2", 300)
	f := h.statusFile("winreg")
	h.eventually(func() error {
		if n := f.Broker().Refused.Load(); n < 200 {
			return fmt.Errorf("%d of 300 silent clients made room", n)
		}
		return nil
	})
	h.atOnce()
}

// TestStoppedWorkerKeepsNobodyElse: one that does not read its inbox gets no new
// groups.
func TestStoppedWorkerKeepsNobodyElse(t *testing.T) {
	h := boot(t, winregWith("", "Workers=3\n")).install()
	h.load("-addr", winregAddr, "-c", "20", "-n", "300")
	h.run("systemctl", "kill", "--kill-whom=main", "-s", "STOP", "msrpc-worker-winreg@0.service")
	f := h.statusFile("winreg")
	// Some are on their way to it before that shows.
	_, early := h.loading("-addr", winregAddr, "-c", "20", "-n", "200", "-rate", "200", "-timeout", "100s")
	h.eventually(func() error {
		if f.Sent(0).Sent.Load() == f.Worker(0).Received.Load() {
			return fmt.Errorf("nothing is on its way to the stopped worker")
		}
		return nil
	})
	h.run("sleep", "0.5")
	sent := f.Sent(0).Sent.Load()
	h.atOnce()
	if n := f.Sent(0).Sent.Load() - sent; n > 0 {
		t.Errorf("%d more went to the stopped worker", n)
	}
	h.run("systemctl", "kill", "--kill-whom=main", "-s", "CONT", "msrpc-worker-winreg@0.service")
	if r := early(); r.Conns != 200 {
		t.Errorf("those that came before: %+v", r)
	}
}

// TestNobodyWaitsForTheManager: systemd is stopped, as it is for seconds in the
// middle of daemon-reload on a large host. The broker serves and parks what it
// can; when systemd is back all are parked.
func TestNobodyWaitsForTheManager(t *testing.T) {
	// One worker: a second one would be started, which only systemd can do.
	h := boot(t, winregWith("BindTimeoutSec=5min\n", "Workers=1\n")).install()
	h.warm()
	pid := h.property("msrpc-broker@winreg.service", "MainPID")
	talk := h.Command(context.Background(), "bindload", "-addr", winregAddr, "-n", "200", "-rate", "100")
	out := &bytes.Buffer{}
	talk.Stdout = out
	f := h.statusFile("winreg")
	check.OK(t, syscall.Kill(h.PID(), syscall.SIGSTOP))
	silent := h.silent("127.0.0.2", 200)
	err := talk.Run()
	h.pending(200)
	syscall.Kill(h.PID(), syscall.SIGCONT)
	if r := parseLoad(t, out.String()); err != nil || r.Conns != 200 || r.P50 > 100_000 {
		t.Errorf("talking clients while systemd is stopped: %v, %+v", err, r)
	}
	h.eventually(func() error {
		if n := f.Broker().Parked.Load(); n != 200 {
			return fmt.Errorf("%d of 200 are parked", n)
		}
		return nil
	})
	h.run("systemctl", "kill", "-s", "KILL", "msrpc-broker@winreg.service")
	h.eventually(func() error {
		if now := h.property("msrpc-broker@winreg.service", "MainPID"); now == pid || now == "0" {
			return fmt.Errorf("the broker is not back")
		}
		return nil
	})
	if r := silent.bind(); r.Conns != 200 {
		t.Errorf("silent clients after a kill: %+v", r)
	}
}
