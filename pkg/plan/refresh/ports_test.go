// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/tests/tools/check"
)

func free(int) bool { return false }

// portCases are requests for ports and what is given out.
var portCases = []struct {
	name      string
	low, high int
	requests  []PortRequest
	fixed     map[int]string
	busy      []int // ports that other processes use
	want      map[string]int
	problems  []string
}{
	{name: "nothing", low: 49152, high: 65535, want: map[string]int{}},
	{name: "by name", low: 49152, high: 65535,
		requests: []PortRequest{{Name: "winreg"}, {Name: "classic"}, {Name: "lsad"}, {Name: "spoolss"}},
		want:     map[string]int{"classic": 60755, "lsad": 61917, "spoolss": 60958, "winreg": 50113}},
	{name: "pinned before previous before allocated", low: 50000, high: 50002,
		requests: []PortRequest{{Name: "a"}, {Name: "b", Previous: 50001}, {Name: "c", Pinned: 50000, Previous: 50002}},
		want:     map[string]int{"a": 50002, "b": 50001, "c": 50000}},
	{name: "a pinned port outside the range is fine", low: 50000, high: 50001,
		requests: []PortRequest{{Name: "a", Pinned: 1024}}, want: map[string]int{"a": 1024}},
	{name: "previous outside a range that changed", low: 50000, high: 50000,
		requests: []PortRequest{{Name: "a", Previous: 49152}}, want: map[string]int{"a": 50000}},
	{name: "a pin moves who had the port", low: 50000, high: 50001,
		requests: []PortRequest{{Name: "a", Previous: 50000}, {Name: "b", Pinned: 50000}},
		want:     map[string]int{"a": 50001, "b": 50000}},
	{name: "two pin one port", low: 50000, high: 50000,
		requests: []PortRequest{{Name: "b", Pinned: 1024}, {Name: "a", Pinned: 1024}},
		want:     map[string]int{"b": 1024, "a": 50000},
		problems: []string{"Port=1024 of a is taken by b; pin another one"}},
	{name: "pinned to an endpoint of another", low: 50000, high: 50000,
		requests: []PortRequest{{Name: "a", Pinned: 135}}, fixed: map[int]string{135: "epmapper"},
		want:     map[string]int{"a": 50000},
		problems: []string{"Port=135 of a is taken by epmapper; pin another one"}},
	{name: "pinned to no port", low: 50000, high: 50000,
		requests: []PortRequest{{Name: "a", Pinned: 70000}}, want: map[string]int{"a": 50000},
		problems: []string{"Port=70000 of a is not a port; give one from 1 to 65535, best outside net.ipv4.ip_local_port_range"}},
	{name: "used up", low: 50000, high: 50000,
		requests: []PortRequest{{Name: "a"}, {Name: "b"}}, want: map[string]int{"a": 50000},
		problems: []string{"no port is free for b in rpc server dynamic port range 50000-50000; widen the range in smb.conf or pin a port with Port="}},
	{name: "idle ones take none", low: 50000, high: 50001,
		requests: []PortRequest{{Name: "a", Idle: true}, {Name: "b"}, {Name: "c"}, {Name: "d", Idle: true, Pinned: 50000}},
		want:     map[string]int{"b": 50001, "c": 50000}},
	{name: "an idle one keeps its port while there are others", low: 50000, high: 50003,
		requests: []PortRequest{{Name: "a", Idle: true, Previous: 50000}, {Name: "b", Idle: true, Previous: 50001}, {Name: "c"}, {Name: "d"}},
		want:     map[string]int{"a": 50000, "b": 50001, "c": 50002, "d": 50003}},
	{name: "an idle one gives way", low: 50000, high: 50000,
		requests: []PortRequest{{Name: "a", Idle: true, Previous: 50000}, {Name: "b"}}, want: map[string]int{"b": 50000}},
	{name: "ports in use are not given out", low: 50000, high: 50002, busy: []int{50000, 50002},
		requests: []PortRequest{{Name: "a"}}, want: map[string]int{"a": 50001}},
	{name: "a port in use stays with its rpcd", low: 50000, high: 50001, busy: []int{50000, 50001, 1024},
		requests: []PortRequest{{Name: "a", Previous: 50000}, {Name: "b", Pinned: 1024}},
		want:     map[string]int{"a": 50000, "b": 1024}},
	{name: "all in use", low: 50000, high: 50001, busy: []int{50000, 50001}, requests: []PortRequest{{Name: "a"}}, want: map[string]int{},
		problems: []string{"no port is free for a in rpc server dynamic port range 50000-50001; widen the range in smb.conf or pin a port with Port="}},
	{name: "no range", low: 70000, high: 1,
		requests: []PortRequest{{Name: "winreg"}}, want: map[string]int{"winreg": 50113},
		problems: []string{"rpc server dynamic port range 70000-1 of smb.conf is not a range of ports, 49152-65535 is used instead; correct it"}},
}

func TestAllocatePorts(t *testing.T) {
	for _, tc := range portCases {
		t.Run(tc.name, func(t *testing.T) {
			got, problems := AllocatePorts(tc.low, tc.high, tc.requests, tc.fixed, func(port int) bool { return slices.Contains(tc.busy, port) })
			check.Same(t, tc.want, got)
			check.Same(t, tc.problems, texts(problems))
		})
	}
}

// Equal hosts agree whatever the order of their rpcds; no two share a port;
// removing one and adding it again changes no port, not even its own.
func TestPortsAreStable(t *testing.T) {
	for seed := uint64(0); seed < 300; seed++ {
		rnd := rand.New(rand.NewPCG(seed, 1))
		low := 49152
		high := low + 20 + rnd.IntN(50) // narrow, so that sequences meet
		var requests []PortRequest
		for i := range 3 + rnd.IntN(18) {
			requests = append(requests, PortRequest{Name: fmt.Sprintf("r%d_%d", i, rnd.IntN(1000))})
		}
		first, problems := AllocatePorts(low, high, requests, nil, free)
		if len(problems) > 0 || len(first) != len(requests) {
			t.Fatalf("seed %d: %v, %d of %d", seed, problems, len(first), len(requests))
		}
		seen := map[int]string{}
		for name, port := range first {
			if other := seen[port]; other != "" || port < low || port > high {
				t.Fatalf("seed %d: port %d of %s and %s", seed, port, name, other)
			}
			seen[port] = name
		}
		rnd.Shuffle(len(requests), func(i, j int) { requests[i], requests[j] = requests[j], requests[i] })
		again, _ := AllocatePorts(low, high, requests, nil, free)
		if d := cmp.Diff(first, again); d != "" {
			t.Fatalf("seed %d: another order: %s", seed, d)
		}

		removed, rest := requests[0], requests[1:]
		for i := range rest {
			rest[i].Previous = first[rest[i].Name]
		}
		without, _ := AllocatePorts(low, high, rest, nil, free)
		with, _ := AllocatePorts(low, high, append([]PortRequest{removed}, rest...), nil, free)
		if d := cmp.Diff(first, with); d != "" {
			t.Fatalf("seed %d: %s removed and added: %s", seed, removed.Name, d)
		}
		delete(with, removed.Name)
		if d := cmp.Diff(with, without); d != "" {
			t.Fatalf("seed %d: %s removed: %s", seed, removed.Name, d)
		}
	}
}
