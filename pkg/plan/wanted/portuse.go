// SPDX-License-Identifier: Apache-2.0

// Ports that other processes use right now. Pure over a snapshot.

package wanted

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/listeners"
)

// PortRange is net.ipv4.ip_local_port_range: what outgoing connections use.
type PortRange struct{ Low, High int }

// ParsePortRange reads /proc/sys/net/ipv4/ip_local_port_range.
func ParsePortRange(text string) (PortRange, error) {
	f := strings.Fields(text)
	if len(f) == 2 {
		low, err1 := strconv.Atoi(f[0])
		high, err2 := strconv.Atoi(f[1])
		if err1 == nil && err2 == nil && low >= 0 && low <= high && high <= 65535 {
			return PortRange{low, high}, nil
		}
	}
	return PortRange{}, fmt.Errorf("ip_local_port_range %q is not a range of ports", text)
}

// LocalPorts is this network namespace's range, empty where it is not known.
func LocalPorts() PortRange {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return PortRange{}
	}
	r, _ := ParsePortRange(string(text))
	return r
}

// Contains reports whether port lies in the range.
func (r PortRange) Contains(port int) bool { return port >= r.Low && port <= r.High }

// brokerName is the kernel's name of a broker's process.
const brokerName = "msrpc-broker"

// wellKnown is above the ports that are not allocated: the interface names them.
const wellKnown = 1024

// Conflict is a port of ours that another process has.
type Conflict struct {
	Port     int
	What     string
	Remedy   string
	Commands []string // that carry it out
}

// String is what and what to do.
func (c *Conflict) String() string { return c.What + ": " + c.Remedy }

// PortConflict finds the process that has the port of rpcd name; nil
// when no other process has it, or none that can be seen. proc is "/proc".
func PortConflict(s Sockets, proc string, local PortRange, name string, port int) *Conflict {
	users := s.UsersOf(port)
	var holder *listeners.Holder
	outgoing := true
	for _, u := range users {
		// Connections that our own listener accepted have its port too.
		if u.Listening && s.HeldBySystemd(u.Inode) {
			return nil
		}
		h := s.Holders(u.Inode)
		if len(h) == 0 {
			continue
		}
		if h[0].Name == brokerName {
			return nil // a copy that ends with the broker
		}
		if holder == nil || u.Listening && outgoing {
			holder = &h[0]
		}
		outgoing = outgoing && !u.Listening
	}
	if holder == nil {
		return nil
	}
	who := describe(proc, *holder)
	c := &Conflict{Port: port, What: fmt.Sprintf("port %d of %s is in use by %s", port, name, who)}
	end := fmt.Sprintf("kill %d", holder.PID)
	if unit := listeners.UnitOf(proc, holder.PID); strings.HasSuffix(unit, ".service") {
		end = "systemctl stop " + unit
	}
	c.Commands = []string{end, refreshCommand}
	pin := fmt.Sprintf("pin another one with Port= in %s/rpcd.d/%s.conf", layout.AdminConfig, name)
	switch {
	case port < wellKnown:
		c.Remedy = fmt.Sprintf("end that one (%s), then run %s; clients know of no other port, so "+
			"Transports= in %s/rpcd.d/%s.conf can only switch it off", end, refreshCommand, layout.AdminConfig, name)
	case outgoing && local.Contains(port):
		c.What = fmt.Sprintf("port %d of %s is used by an outgoing connection of %s, since it lies in net.ipv4.ip_local_port_range %d-%d", port, name, who, local.Low, local.High)
		c.Remedy = fmt.Sprintf("keep it free with sysctl net.ipv4.ip_local_reserved_ports=%d (and the same line in /etc/sysctl.d), or %s", port, pin)
	default:
		c.Remedy = fmt.Sprintf("end that one (%s), then run %s; or %s", end, refreshCommand, pin)
	}
	return c
}

// describe names a process, with the unit that it runs in.
func describe(proc string, h listeners.Holder) string {
	if unit := listeners.UnitOf(proc, h.PID); unit != "" {
		return fmt.Sprintf("%s in %s", h, unit)
	}
	return h.String()
}

// Listeners returns the inodes of the sockets that listen on node: a path, or
// for TCP "host:port", or ":port" for all addresses.
func Listeners(s Sockets, t layout.Transport, node string) []uint64 {
	if !t.IP() {
		if state, inode := s.Node(node); state == listeners.NodeLive {
			return []uint64{inode}
		}
		return nil
	}
	host, text, err := net.SplitHostPort(node)
	if err != nil {
		return nil
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	var inodes []uint64
	for _, l := range s.ListenersOn(port) {
		wild := l.Addr == "::" || l.Addr == "0.0.0.0"
		if wild || l.Addr == host {
			inodes = append(inodes, l.Inode)
		}
	}
	return inodes
}
