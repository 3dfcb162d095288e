// SPDX-License-Identifier: Apache-2.0

// Items of listeners: systemd listens on each node and port that is planned, and
// what has the rpcd's listeners has all of them; which other process has a port.

package wanted

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/listeners"
	"msrpcd/pkg/plan/plan"
)

// listener: systemd listens on all nodes of one socket unit.
type listener struct {
	r *plan.Rpcd
	l *plan.Listener
}

func (l listener) Check(_ context.Context, s *State) []Finding {
	u, ok := s.unit(l.l.Unit)
	if !ok || s.sockets == nil || u.Load == "masked" || !s.serving() && !u.Up() {
		return nil // masked: switched off
	}
	bad := s.missing(*l.l)
	if len(bad) == 0 {
		return l.copies(s)
	}
	more := ""
	if n := len(bad); n > 1 {
		more = fmt.Sprintf(" (and %d more of %s)", n-1, l.l.Unit)
	}
	if u.Active == "failed" {
		more += s.reason(u.Name)
	}
	f := found(checkSockets, "%s %s%s", bad[0].node, bad[0].what, more).of(l.r.Name, l.l.Unit).
		named("listener "+l.l.Unit, "target", "samba-dcerpcd")
	if l.l.Transport.IP() {
		f.because = append(f.because, "port "+l.r.Name)
	} else {
		f.because = append(f.because, directoryID(filepath.Dir(l.l.Nodes[0])))
	}
	if l.l.Transport.Relayed() {
		f.because = append(f.because, "preflight")
	}
	f.because = append(f.because, s.unitID(l.l.Unit), s.unitID(l.r.Service()), "unit files", "smb.conf", "addresses")
	f.Remedy = fmt.Sprintf("%s, which starts %s again", runRefresh, l.l.Unit)
	if bad[0].holder != nil {
		f.Remedy = fmt.Sprintf("end that process, then %s", f.Remedy)
		f.Commands = []string{fmt.Sprintf("kill %d", bad[0].holder.PID), refreshCommand}
	}
	return []Finding{f.refreshed(mend{step: stepListener, unit: l.l.Unit, rpcd: l.r.Name})}
}

// copies finds a service that runs and does not have the listener: clients
// would connect, and wait for ever.
func (l listener) copies(s *State) []Finding {
	service := l.r.Service()
	pid, ok := s.mainPID(service)
	u, _ := s.unit(service)
	if !ok || !s.Root || u.Active != "active" {
		return nil
	}
	for _, node := range l.l.Nodes {
		for _, inode := range Listeners(s.sockets, l.l.Transport, node) {
			if !s.sockets.HeldBySystemd(inode) || slices.ContainsFunc(s.sockets.Holders(inode), func(h listeners.Holder) bool { return h.PID == pid }) {
				continue
			}
			return []Finding{found(checkSockets, "%s runs and does not have the listener on %s", service, node).of(l.r.Name, service).
				named("copy "+service, s.unitID(service), "settings "+service).
				refreshed(mend{step: stepRenew, unit: service, rpcd: l.r.Name}).
				remedy(runRefresh+", which restarts "+service+"; that ends no connection", "systemctl restart "+service)}
		}
	}
	return nil
}

// lack is a node or a TCP endpoint that systemd does not listen on.
type lack struct {
	node, what string
	holder     *listeners.Holder // of it in systemd's stead, nil = none
}

// missing lists what systemd does not listen on of a listener. It asks for
// systemd's own copy: a broker that still has one serves on until its next
// restart, and then no process does.
func (s *State) missing(l plan.Listener) []lack {
	var bad []lack
	for _, node := range l.Nodes {
		if what, holder := s.node(l.Transport, node); what != "" {
			bad = append(bad, lack{node, what, holder})
		}
	}
	return bad
}

// node says what is wrong with a node or TCP endpoint, "" for nothing, or for
// nothing that can be seen.
func (s *State) node(t layout.Transport, node string) (what string, holder *listeners.Holder) {
	inodes := Listeners(s.sockets, t, node)
	switch {
	case len(inodes) > 0 && !s.Root:
		s.unknown("holders of sockets", errNotRoot, false)
		return "", nil
	case slices.ContainsFunc(inodes, s.sockets.HeldBySystemd):
		return "", nil
	case len(inodes) > 0:
		holders := s.sockets.Holders(inodes[0])
		if len(holders) == 0 {
			return "is held by a process that cannot be seen, and not by systemd", nil
		}
		return "is held by " + s.holders(holders) + " and not by systemd", &holders[0]
	case t.IP():
		return "is not listened on", nil
	}
	st, err := os.Lstat(node)
	switch {
	case errors.Is(err, fs.ErrPermission):
		s.unknown("named pipes", errNotRoot, false)
		return "", nil
	case err == nil && st.Mode()&fs.ModeSocket == 0:
		return "is not a socket", nil
	case err == nil:
		return "has no listener behind it any more", nil
	}
	return "is not there", nil
}

func (s *State) holders(list []listeners.Holder) string {
	var names []string
	for _, h := range list {
		names = append(names, s.holder(h))
	}
	return strings.Join(names, ", ")
}

// mainPID is the main process of a service that runs.
func (s *State) mainPID(service string) (int, bool) {
	n, ok := s.details[service].Number("MainPID")
	return int(n), ok && n > 0
}

// ports: no other process has a TCP port of ours.
type ports struct{ r *plan.Rpcd }

func (p ports) Check(_ context.Context, s *State) []Finding {
	if s.sockets == nil {
		return nil
	}
	local := LocalPorts()
	var fs []Finding
	for _, l := range p.r.Listeners {
		for _, port := range l.Ports {
			if c := PortConflict(s.sockets, s.Proc, local, p.r.Name, port); c != nil {
				fs = append(fs, found(CheckPorts, "%s", c.What).of(p.r.Name, l.Unit).
					named("port "+p.r.Name, "samba-dcerpcd").remedy(c.Remedy, c.Commands...))
			}
		}
	}
	return fs
}
