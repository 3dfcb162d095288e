// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"testing"

	"msrpcd/pkg/conn/setting"
	"msrpcd/tests/tools/check"
)

// What a worker may be like.
var (
	idle     = load{running: true}
	off      = load{}
	starting = load{inflight: 1, groups: 1}
	absent   = load{absent: true}
	drains   = load{running: true, draining: true, open: 2, groups: 2}
	leaves   = load{running: true, draining: true, leaving: true, open: 2, groups: 2}
)

func busy(open, groups uint64) load { return load{running: true, open: open, groups: groups} }

var routeTests = []struct {
	name     string
	loads    []load
	workers  int
	bits     int
	group    uint32
	needIdle bool
	fill     int
	want     int
}{
	{name: "nobody runs", loads: []load{off, off}, want: 0},
	{name: "an idle one before one that is off", loads: []load{off, idle}, want: 1},
	{name: "the first idle one", loads: []load{idle, idle}, want: 0},
	{name: "one that is off before a busy one", loads: []load{busy(1, 1), off}, want: 1},
	{name: "one that is off before one that starts", loads: []load{starting, off}, want: 1},
	{name: "fewest groups", loads: []load{busy(2, 2), busy(9, 1), busy(3, 3)}, want: 1},
	{name: "then fewest connections", loads: []load{busy(3, 1), busy(2, 1)}, want: 1},
	{name: "not one that drains", loads: []load{{running: true, draining: true}, busy(9, 9)}, want: 1},
	{name: "not one that does not read", loads: []load{{running: true, stalled: true, inflight: 1, groups: 1}, busy(9, 9)}, want: 1},
	{name: "one that drains where there is no other", loads: []load{{running: true, draining: true}}, want: 0},
	{name: "a spare stands in for one that drains", workers: 1, loads: []load{drains, off, off}, want: 1},
	{name: "the spare that stands in already", workers: 1, loads: []load{drains, busy(3, 3), idle}, want: 1},
	{name: "as many spares as workers stand in", workers: 2, loads: []load{drains, leaves, busy(3, 3), off, idle}, want: 3},
	{name: "an idle spare that runs where no worker does", workers: 1, loads: []load{off, idle}, want: 1},
	{name: "and where one starts", workers: 1, loads: []load{starting, off, idle}, want: 2},
	{name: "no spare that has a client", workers: 1, loads: []load{off, busy(1, 1)}, want: 0},
	{name: "no idle spare while a worker runs", workers: 2, loads: []load{busy(3, 3), off, idle}, want: 1},
	{name: "no spare while another worker serves", workers: 2, loads: []load{drains, busy(9, 9), idle}, want: 1},
	{name: "no spare for one that does not read", workers: 1, loads: []load{{running: true, stalled: true, inflight: 1, groups: 1}, idle}, want: 0},
	{name: "the next spare where the first drains", workers: 1, loads: []load{drains, drains, off, off}, want: 2},
	{name: "one that drains where no spare is there", workers: 1, loads: []load{drains, absent}, want: 0},
	{name: "none that leaves, even where there is no other", loads: []load{leaves}, want: none},
	{name: "one that drains before one that leaves", loads: []load{leaves, drains}, want: 1},
	{name: "a spare before one that drains and one that leaves", workers: 2, loads: []load{leaves, drains, busy(4, 4)}, want: 2},
	{name: "a group's worker, leaving", loads: []load{idle, leaves}, group: 0x00010001, want: 1},
	{name: "no idle spare that drains", workers: 1, needIdle: true, loads: []load{idle, drains, off}, want: 2},
	{name: "none is there", loads: []load{absent, absent}, want: none},
	{name: "a group's worker, running", loads: []load{busy(1, 1), idle}, group: 0x0000f1cc, want: 0},
	{name: "a group's worker, 16 bits", loads: []load{idle, busy(5, 5)}, group: 0x0001f1cc, want: 1},
	{name: "a group's worker, 8 bits", bits: 8, loads: []load{idle, busy(5, 5)}, group: 0x0100f1cc, want: 1},
	{name: "a group's worker, dead", loads: []load{idle, off}, group: 0x00010001, want: 1},
	{name: "a group's worker, draining", loads: []load{idle, {draining: true}}, group: 0x00010001, want: 1},
	{name: "a group of a spare", loads: []load{idle, busy(1, 1)}, workers: 1, group: 0x00010001, want: 1},
	{name: "a group of an index that is not there", loads: []load{busy(1, 1), idle}, group: 0xffff0001, want: 1},
	{name: "a group of an index without inbox", loads: []load{idle, absent}, group: 0x00010001, want: 0},
	{name: "idle spare", loads: []load{idle, busy(1, 1), idle}, workers: 1, needIdle: true, want: 2},
	{name: "next spare", loads: []load{idle, busy(1, 1), off, off}, workers: 1, needIdle: true, want: 2},
	{name: "no spare that starts", loads: []load{idle, starting, off}, workers: 1, needIdle: true, want: 2},
	{name: "no idle spare", loads: []load{idle, busy(1, 1), absent}, workers: 1, needIdle: true, want: none},
	{name: "no spares at all", loads: []load{busy(2, 2), busy(1, 1)}, needIdle: true, want: 1},
	{name: "a group before idleness", loads: []load{busy(1, 1), idle}, workers: 1, group: 1, needIdle: true, want: 0},
	{name: "fill first", fill: 3, loads: []load{busy(2, 2), idle}, want: 0},
	{name: "fill first: full", fill: 3, loads: []load{busy(3, 3), idle, idle}, want: 1},
	{name: "fill first: all full", fill: 1, loads: []load{busy(3, 3), busy(2, 2)}, want: 1},
}

func TestRoute(t *testing.T) {
	for _, tt := range routeTests {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{Values: setting.Values{Workers: tt.workers, IndexBits: tt.bits, FillFirst: tt.fill}}
			if c.Workers == 0 {
				c.Workers = len(tt.loads)
			}
			c.Spares = len(tt.loads) - c.Workers
			if c.IndexBits == 0 {
				c.IndexBits = 16
			}
			check.Is(t, "route", tt.want, route(tt.loads, &c, tt.group, tt.needIdle))
		})
	}
	check.Is(t, "fewestConns", 2, fewestConns([]load{idle, busy(2, 2), busy(1, 1), absent}, 1))
}

func BenchmarkRoute(b *testing.B) {
	c := Config{Values: setting.Values{Workers: 5, Spares: 32, IndexBits: 16}}
	loads := make([]load, 5)
	for i := range loads {
		loads[i] = load{running: true, open: uint64(i), groups: uint64(i + 1)}
	}
	for b.Loop() {
		route(loads, &c, 0, false)
	}
}

// Whether a spare that does not run waits for one that does.
func TestASpareThatRunsIsWaitedForWhereItMayBecomeIdle(t *testing.T) {
	for _, tt := range []struct {
		name   string
		loads  []load
		chosen int
		want   bool
	}{
		{"its one client may have left", []load{off, busy(1, 1), off}, 2, true},
		{"it has two", []load{off, busy(2, 1), off}, 2, false},
		{"it drains", []load{off, {running: true, draining: true, open: 1}, off}, 2, false},
		{"its client is on its way", []load{off, {running: true, open: 0, inflight: 1}, off}, 2, false},
		{"it is an ordinary worker", []load{busy(1, 1), off, off}, 1, false},
		{"an idle one is chosen", []load{off, busy(1, 1), idle}, 2, false},
		{"it starts", []load{off, starting, off}, 2, false},
	} {
		if got := freesSoon(tt.loads, 1, tt.chosen); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
