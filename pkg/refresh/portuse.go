// SPDX-License-Identifier: Apache-2.0

// Ports that somebody else uses right now. Pure over a snapshot.

package refresh

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"msrpcd/pkg/layout"
	"msrpcd/pkg/listeners"
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

// LocalPorts is this network namespace's range, empty where it is not told.
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

// PortConflict tells who has the port that rpcd name is to listen on, with the
// remedy, or "" when nobody has it or systemd itself listens on it.
func PortConflict(s *listeners.Snapshot, local PortRange, name string, port int) string {
	users := s.UsersOf(port)
	if len(users) == 0 {
		return ""
	}
	who := "a process that can not be seen"
	for _, u := range users {
		// Connections that our own listener accepted have its port too.
		if u.Listening && s.HeldBySystemd(u.Inode) {
			return ""
		}
		if h := s.Holders(u.Inode); len(h) > 0 {
			if h[0].Name == brokerName {
				return "" // a copy that ends with the broker
			}
			who = h[0].String()
		}
	}
	if port < wellKnown {
		return fmt.Sprintf("port %d of %s is in use by %s: end that one, then run msrpcctl refresh; clients know of no other port, so "+
			"Transports= in %s/rpcd.d/%s.conf can only switch it off", port, name, who, layout.AdminConfig, name)
	}
	pin := fmt.Sprintf("pin another one with Port= in %s/rpcd.d/%s.conf", layout.AdminConfig, name)
	if !users[0].Listening && local.Contains(port) {
		return fmt.Sprintf("port %d of %s is used by an outgoing connection of %s, since it lies in net.ipv4.ip_local_port_range %d-%d: "+
			"keep it free with sysctl net.ipv4.ip_local_reserved_ports=%d (and the same line in /etc/sysctl.d), or %s",
			port, name, who, local.Low, local.High, port, pin)
	}
	return fmt.Sprintf("port %d of %s is in use by %s: end that one, or %s", port, name, who, pin)
}

// Listeners returns the inodes of the sockets that listen on node: a path, or
// for TCP "host:port", or ":port" for all addresses.
func Listeners(s *listeners.Snapshot, t layout.Transport, node string) []uint64 {
	if t != layout.TCP {
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
