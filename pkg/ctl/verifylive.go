// SPDX-License-Identifier: Apache-2.0

// Checks of verify that look at what runs: units, sockets, ports, processes.

package ctl

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"msrpcd/pkg/layout"
	"msrpcd/pkg/listeners"
	"msrpcd/pkg/refresh"
	"msrpcd/pkg/unitgen"
)

const epmapperPort = 135 // of the endpoint mapper on TCP (MS-RPCE 2.1.1.1)

// units finds units of msrpcd that failed, and a target that is off.
func (v *verifier) units(ctx context.Context, check string) {
	if v.m == nil {
		return
	}
	units, err := v.m.List(ctx, "msrpc-*", "msrpc.*")
	if err != nil {
		v.unknown(check, err)
		return
	}
	for _, u := range units {
		if u.Active == "failed" {
			v.find(check, "", fmt.Sprintf("look at systemctl status %s; then systemctl reset-failed %s and msrpcctl refresh", u.Name, u.Name),
				"%s failed: %s", u.Name, u.Description)
		}
	}
	target, err := v.m.Get(ctx, layout.Target)
	if err == nil && !target[0].Up() {
		v.find(check, "", "run systemctl enable --now "+layout.Target, "%s is %s", layout.Target, target[0].Active)
	}
}

// sockets checks that systemd listens on each node and port that is planned.
func (v *verifier) sockets(ctx context.Context, check string) {
	if v.m == nil || v.s == nil {
		return
	}
	if os.Geteuid() != 0 {
		v.unknown(check, fmt.Errorf("only root can see who holds a socket; run this as root"))
		return
	}
	target, err := v.m.Get(ctx, layout.Target)
	if err != nil || !target[0].Up() {
		return // that nothing listens is the finding before
	}
	for i := range v.plan.Rpcds {
		r := &v.plan.Rpcds[i]
		for _, l := range r.Listeners {
			unit, err := v.m.Get(ctx, l.Unit)
			if err != nil {
				v.unknown(l.Unit, err)
				continue
			}
			if unit[0].Load == "masked" {
				continue // switched off
			}
			if what := v.listener(l); what != "" {
				remedy := "run msrpcctl refresh, which starts " + l.Unit + " anew"
				if strings.Contains(what, heldBy) {
					remedy = "end who holds it, then " + remedy
				}
				v.find(check, r.Name, remedy, "%s", what)
			}
		}
	}
}

const heldBy = "is held by "

// listener says what is wrong with the first of its nodes that is not well.
func (v *verifier) listener(l unitgen.Listener) string {
	first, bad := "", 0
	for _, node := range l.Nodes {
		what := v.socket(l.Transport, node)
		if what == "" {
			continue
		}
		if bad++; bad == 1 {
			first = node + " " + what
		}
	}
	if bad > 1 {
		first += fmt.Sprintf(" (and %d more of %s)", bad-1, l.Unit)
	}
	return first
}

// socket says what is wrong with a node or TCP endpoint, "" for nothing.
func (v *verifier) socket(t layout.Transport, node string) string {
	inodes := refresh.Listeners(v.s, t, node)
	switch {
	case slices.ContainsFunc(inodes, v.s.HeldBySystemd):
		return ""
	case len(inodes) > 0:
		return heldBy + v.holders(inodes[0]) + " and not by systemd"
	case t == layout.TCP:
		return "is not listened on"
	}
	if state, _ := v.s.Node(node); state == listeners.NodeDead {
		return "has no listener behind it any more"
	}
	return "is not there"
}

func (v *verifier) holders(inode uint64) string {
	var names []string
	for _, h := range v.s.Holders(inode) {
		names = append(names, h.String())
	}
	if len(names) == 0 {
		return "a process that can not be seen"
	}
	return strings.Join(names, ", ")
}

// ports tells who has port 135, and finds ports that others use.
func (v *verifier) ports(_ context.Context, check string) {
	if v.s == nil {
		return
	}
	planned := slices.ContainsFunc(v.plan.Rpcds, func(r unitgen.Rpcd) bool {
		l := listener(&r, layout.TCP)
		return l != nil && slices.Contains(l.Ports, epmapperPort)
	})
	v.Port135 = "nobody"
	for _, l := range v.s.ListenersOn(epmapperPort) {
		v.Port135 = v.holders(l.Inode)
		if !planned && strings.Contains(v.Port135, "rpcd_") || strings.Contains(v.Port135, dcerpcdName) {
			v.find(check, "", "end it; msrpcd serves the endpoint mapper where its rpcd_epmapper is installed",
				"port 135 is held by %s, which knows nothing of msrpcd's endpoints", v.Port135)
		}
	}
	local := refresh.LocalPorts()
	for _, r := range v.plan.Rpcds {
		for _, l := range r.Listeners {
			for _, port := range l.Ports {
				if what := refresh.PortConflict(v.s, local, r.Name, port); what != "" {
					conflict, remedy, _ := strings.Cut(what, ": ")
					v.find(check, r.Name, remedy, "%s", conflict)
				}
			}
		}
	}
}

// dcerpcdName is the kernel's name of the daemon that msrpcd stands in for.
const dcerpcdName = "samba-dcerpcd"

func (v *verifier) dcerpcd(_ context.Context, check string) {
	for _, p := range listeners.Processes(v.e.proc) {
		if p.Name == dcerpcdName {
			v.find(check, "", fmt.Sprintf("set `rpc start on demand helpers = no` in smb.conf and restart smbd, or stop the service that started it; then kill %d and run msrpcctl refresh", p.PID),
				"%s runs and takes pipes and ports away from systemd", p)
		}
	}
}
