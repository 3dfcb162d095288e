// SPDX-License-Identifier: Apache-2.0

// Which TCP port an rpcd gets. Pure: equal inputs give equal ports in any
// order of the requests, and a port once given stays, whatever comes or goes.

package refresh

import (
	"fmt"
	"hash/fnv"
	"sort"

	"msrpcd/pkg/plan/config"
)

// PortRequest is one rpcd that has an interface on "ncacn_ip_tcp:" without
// endpoint. All such interfaces of one rpcd share one port, as in Samba.
type PortRequest struct {
	Name     string
	Pinned   int  // Port= of the configuration, 0 = none
	Previous int  // what the catalogue has, 0 = none
	Idle     bool // it has no TCP listener now, so it only keeps what no other needs
}

// AllocatePorts gives each request a port: the pinned one, else the previous
// one if it still lies in low..high, else the first free one of a sequence
// that starts where the name says, so that equal hosts agree without talking.
// fixed are ports that listings name themselves, with the rpcd that does. A
// port that busy says another process uses is not given out again; an rpcd that
// had it, or pins it, keeps it.
//
// Requests are in priority order, which decides which has a port that two pin.
// One that cannot have what is pinned gets an allocated port and a problem; an
// rpcd missing in the result has none, since the range is used up. Idle ones
// get no new port, and cause no problem.
func AllocatePorts(low, high int, requests []PortRequest, fixed map[int]string, busy func(port int) bool) (map[string]int, []config.Problem) {
	a := allocation{ports: map[string]int{}, owner: map[int]string{}, reserved: map[int]bool{}, busy: busy}
	for port, name := range fixed {
		a.owner[port] = name
	}
	if low < 1 || high > 65535 || low > high {
		a.problem("correct it", "rpc server dynamic port range %d-%d of smb.conf is not a range of ports, %d-%d is used instead",
			low, high, config.DefaultPortLow, config.DefaultPortHigh)
		low, high = config.DefaultPortLow, config.DefaultPortHigh
	}
	var active, idle []PortRequest
	for _, r := range requests {
		switch {
		case r.Idle:
			idle = append(idle, r)
			a.reserved[r.Previous] = true
			continue
		case r.Pinned != 0:
			a.pin(r)
		}
		active = append(active, r)
	}
	sort.Slice(active, func(i, j int) bool { return active[i].Name < active[j].Name })
	for _, r := range active {
		if r.Previous >= low && r.Previous <= high {
			a.take(r.Name, r.Previous)
		}
	}
	for _, r := range active {
		if _, ok := a.ports[r.Name]; !ok && !a.probe(r.Name, low, high) {
			a.problem("widen the range in smb.conf or pin a port with Port=", "no port is free for %s in rpc server dynamic port range %d-%d",
				r.Name, low, high)
		}
	}
	for _, r := range idle {
		if r.Previous >= low && r.Previous <= high {
			a.take(r.Name, r.Previous)
		}
	}
	return a.ports, a.problems
}

type allocation struct {
	ports    map[string]int
	owner    map[int]string
	reserved map[int]bool // of idle rpcds: given to others only when nothing else is left
	busy     func(port int) bool
	problems []config.Problem
}

func (a *allocation) problem(remedy, format string, args ...any) {
	a.problems = append(a.problems, config.Problem{What: fmt.Sprintf(format, args...), Remedy: remedy})
}

// take gives port to name unless name has one or the port is taken.
func (a *allocation) take(name string, port int) bool {
	if _, has := a.ports[name]; has || a.owner[port] != "" {
		return false
	}
	a.ports[name], a.owner[port] = port, name
	return true
}

func (a *allocation) pin(r PortRequest) {
	switch {
	case r.Pinned < 1 || r.Pinned > 65535:
		a.problem("give one from 1 to 65535, best outside net.ipv4.ip_local_port_range", "Port=%d of %s is not a port",
			r.Pinned, r.Name)
	case !a.take(r.Name, r.Pinned):
		a.problem("pin another one", "Port=%d of %s is taken by %s",
			r.Pinned, r.Name, a.owner[r.Pinned])
	}
}

// probe tries the ports of low..high, each once, from the one that name
// hashes to; those that are reserved last.
func (a *allocation) probe(name string, low, high int) bool {
	h := fnv.New32a()
	h.Write([]byte(name))
	n := uint32(high - low + 1)
	start := h.Sum32() % n
	for _, reserved := range []bool{false, true} {
		for i := uint32(0); i < n; i++ {
			port := low + int((start+i)%n)
			if a.reserved[port] == reserved && a.owner[port] == "" && !a.busy(port) && a.take(name, port) {
				return true
			}
		}
	}
	return false
}
