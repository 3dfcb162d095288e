// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/tests/tools/benchmark/report"
)

// This file owns servers with more and more connections that say nothing: what
// each costs in memory, and what it costs others that bind meanwhile.

const titleHeld = "Connections held"

// raised lets our broker hold that many silent clients for long.
const raised = `mkdir -p /etc/msrpcd
printf '[Msrpcd]\nMaxUnbound=50000\nMaxUnboundPerSource=50000\nBindTimeoutSec=30min\n' >/etc/msrpcd/msrpcd.conf
msrpcctl refresh`

// holding is one series.
type holding struct {
	id, title, whose string
	who              func(*bench) (contender, error) // binds meanwhile
	comm             string                          // processes whose memory counts, "": all of the group
	bound            bool                            // held connections are bound, else silent
	arrived          func(b *bench, n int) (bool, error)
}

// held is each series as a part of the run.
func (b *bench) held() (parts []part) {
	for _, h := range []holding{
		{report.HeldBroker, "silent ones at the broker", "the broker", (*bench).samba, "msrpc-broker", false, (*bench).parked},
		{report.HeldNative, "bound ones at a native worker", "the worker", (*bench).native, "rpcd_rpcecho", true, nil},
		{"samba-bound", "bound ones at an unmodified rpcd_winreg below msrpcd", "broker, adaptors and rpcds of winreg", (*bench).samba, "", true, nil},
		{"stock-bound", "bound ones at an unmodified rpcd_winreg below samba-dcerpcd", "samba-dcerpcd and all its rpcds", (*bench).dcerpcd, "", true, nil},
		{"stock-silent", "silent ones at samba-dcerpcd", "samba-dcerpcd", (*bench).dcerpcd, "samba-dcerpcd", false, nil},
	} {
		parts = append(parts, part{titleHeld + ": " + h.title, func() error { return b.hold(h) }})
	}
	return parts
}

// parked reports whether so many silent clients have come to the broker of
// winreg and are parked. Where a listen queue overflows, the kernel lets a few
// come later, with what they say first.
func (b *bench) parked(n int) (bool, error) {
	f, err := status.Open(b.ours.Path("/run/msrpc/winreg/status"), false)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return int(f.Broker().Parked.Load()) >= n-n/200, nil
}

// levels are the numbers of held connections.
func (b *bench) levels() []int {
	all := []int{0}
	for _, n := range []int{1000, 5000, b.most} {
		if n <= b.most {
			all = append(all, n)
		}
	}
	return slices.Compact(all)
}

// hold measures one series. A server that fails on the way ends it; what was
// measured until then stays.
func (b *bench) hold(h holding) error {
	if err := sh(b.ours, raised); err != nil {
		return err
	}
	c, err := h.who(b)
	if err != nil {
		return err
	}
	out := report.Held{ID: h.id, Title: titleHeld + ": " + h.title, Whose: h.whose}
	defer func() { b.res.Held = append(b.res.Held, out) }()
	if err := c.warm(32); err != nil { // all workers run from the start
		return err
	}
	var crowds []*crowd
	defer func() {
		for _, c := range crowds {
			c.leave()
		}
	}()
	step := report.Step{}
	for _, n := range b.levels() {
		for step.Held+step.Failed < n { // crowds of some thousand: a process has a limit of descriptors, an address of ports
			more, err := c.crowd(min(n-step.Held-step.Failed, 5000), len(crowds)+2, h.bound)
			if err != nil {
				return err
			}
			crowds = append(crowds, more)
			step.Held, step.Failed = step.Held+more.held, step.Failed+more.failed
		}
		var err error
		if h.arrived != nil {
			err = await(time.Minute, func() (bool, error) { return h.arrived(b, step.Held) })
		}
		if err == nil {
			err = b.step(c, h.comm, &step)
		}
		if err != nil {
			out.End = fmt.Sprintf("with %d connections: %v", step.Held, err)
			return nil
		}
		fmt.Fprintf(os.Stderr, "benchmark: %d held, p50 %.0f µs\n", step.Held, step.P50)
		out.Steps = append(out.Steps, step)
	}
	return nil
}

// step measures at one level.
func (b *bench) step(c contender, comm string, s *report.Step) error {
	if err := c.atRest(); err != nil {
		return err
	}
	var err error
	n := 0
	if s.Memory, n, err = groupMemory(c.box, c.group, comm); err != nil || n == 0 {
		return cmp.Or(err, fmt.Errorf("no process %s", comm))
	}
	var rate, p50, p99 []float64
	s.Max, s.Unserved = 0, 0
	for range b.rounds {
		r, _, err := c.load("-n", "0", "-d", b.length.String(), "-timeout", "5s")
		if err != nil {
			return err
		}
		rate, p50, p99 = append(rate, r.Rate), append(p50, r.P50), append(p99, r.P99)
		s.Max, s.Unserved = max(s.Max, r.Max), s.Unserved+r.Failed
	}
	s.Rate, s.P50, s.P99 = report.Median(rate), report.Median(p50), report.Median(p99)
	return nil
}

// atRest waits until the server has done what follows a while after a connection
// came (parking after a second, say): two seconds in which it does next to nothing.
func (c contender) atRest() error {
	const window, idle = 2 * time.Second, 20 * time.Millisecond
	start, err := readCPU(c.box, c.group)
	if err != nil {
		return err
	}
	since := time.Now()
	return await(20*time.Second, func() (bool, error) {
		now, err := readCPU(c.box, c.group)
		if now.since(start).all() > idle {
			start, since = now, time.Now()
		}
		return time.Since(since) >= window, err
	})
}
