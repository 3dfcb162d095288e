// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"strings"

	"msrpcd/pkg/wire/printable"
)

// statusTable is one line for each rpcd.
func (e *env) statusTable(list []rpcdStatus) {
	rows := [][]string{{"NAME", "LISTENERS", "BROKER", "WORKERS", "CONNECTIONS", "GROUPS", "WAITING", "MEMORY"}}
	for _, s := range list {
		var connections, waiting, mem uint64
		var groups uint32
		alive := 0
		for _, w := range s.Running {
			connections, groups, mem = connections+w.Connections, groups+w.Groups, mem+w.Memory
			waiting += w.Queued
			if w.PID != 0 {
				alive++
			}
		}
		workers := fmt.Sprintf("%d of %d+%d", alive, s.Workers, s.Spares)
		if s.Broker != nil {
			waiting += uint64(s.Broker.Pending)
			mem += s.Broker.Memory
		} else {
			workers = fmt.Sprintf("%d of %d", alive, s.Workers)
			if alive == 0 && len(s.Running) > 0 {
				workers += " (" + s.Running[0].State + ")"
			}
		}
		rows = append(rows, []string{s.Name, s.listenersText(), s.Broker.text(), workers,
			fmt.Sprint(connections), fmt.Sprint(groups), fmt.Sprint(waiting), memory(mem)})
	}
	table(e.out, "", rows)
	for _, s := range list {
		if s.Problem != "" {
			fmt.Fprintf(e.out, "%s: %s\n", s.Name, s.Problem)
		}
	}
}

// listenersText names the transports; one that does not listen with its state.
func (s *rpcdStatus) listenersText() string {
	var words []string
	for _, l := range s.Listeners {
		word := string(l.Transport)
		if l.State != "listening" && l.State != "running" {
			word += ":" + l.State
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// text is the state; an rpcd with direct activation has no broker.
func (b *brokerStatus) text() string {
	if b == nil {
		return "none"
	}
	if b.PID != 0 {
		return fmt.Sprintf("%s (%d)", b.State, b.PID)
	}
	return b.State
}

// statusDetail is all about one rpcd.
func (e *env) statusDetail(s *rpcdStatus) {
	fmt.Fprintln(e.out, s.Name)
	rows := [][]string{{"LISTENER", "STATE", "ENDPOINT"}}
	for _, l := range s.Listeners {
		for _, ep := range l.Endpoints {
			rows = append(rows, []string{l.Unit, l.State, ep})
		}
	}
	table(e.out, "  ", rows)
	if len(s.Authentication) > 0 {
		rows := [][]string{{"AUTHENTICATION", "FROM"}}
		for _, o := range s.Authentication {
			rows = append(rows, []string{o.Mechanism, o.Source})
		}
		table(e.out, "  ", rows)
	}
	if b := s.Broker; b != nil {
		table(e.out, "  ", [][]string{
			{"BROKER", "STATE", "PID", "ACCEPTED", "HANDED OVER", "REFUSED", "LEFT", "PENDING", "PARKED", "MEMORY"},
			{b.Unit, b.State, number(uint64(b.PID)), fmt.Sprint(b.Accepted), fmt.Sprint(b.Handed), fmt.Sprint(b.Refused), fmt.Sprint(b.Left),
				fmt.Sprint(b.Pending), fmt.Sprint(b.Parked), memory(b.Memory)},
		})
	}
	rows = [][]string{{"WORKER", "STATE", "PID", "RPCD PID", "CONNECTIONS", "GROUPS", "QUEUED", "MEMORY"}}
	for _, w := range s.Running {
		rows = append(rows, []string{w.Unit, w.State, number(uint64(w.PID)), number(uint64(w.RpcdPID)),
			fmt.Sprint(w.Connections), fmt.Sprint(w.Groups), fmt.Sprint(w.Queued), memory(w.Memory)})
	}
	switch {
	case s.Problem != "":
		fmt.Fprintln(e.out, "  "+s.Problem)
	case len(s.Running) == 0 && s.Broker == nil:
		fmt.Fprintln(e.out, "  the server does not run; it starts when a client comes")
	case len(s.Running) == 0:
		fmt.Fprintf(e.out, "  no worker runs; up to %s and %s start when clients come\n", printable.Count(s.Workers, "worker"), printable.Count(s.Spares, "spare"))
	}
	table(e.out, "  ", rows)
}

// number prints 0 as nothing.
func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
