// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
)

// rpcdStatus is one rpcd of msrpcctl status.
type rpcdStatus struct {
	Name       string           `json:"name"`
	Activation string           `json:"activation"` // broker or direct
	Workers    int              `json:"workers"`    // ordinary ones
	Spares     int              `json:"spares"`
	Listeners  []listenerStatus `json:"listeners"`
	Broker     *brokerStatus    `json:"broker,omitempty"`  // nil with direct activation
	Running    []workerStatus   `json:"running"`           // workers that live, or have connections in their inbox
	Problem    string           `json:"problem,omitempty"` // why counts and workers are not known

	Authentication []offer `json:"authentication,omitempty"` // by msrpc-auth, of native rpcds
}

type listenerStatus struct {
	Transport layout.Transport `json:"transport"`
	Unit      string           `json:"unit"`
	State     string           `json:"state"` // systemd's, "masked", or "unknown" without systemd
	Endpoints []string         `json:"endpoints"`
}

type brokerStatus struct {
	Unit     string `json:"unit"`
	State    string `json:"state"`
	PID      uint32 `json:"pid,omitempty"`
	Accepted uint64 `json:"accepted"` // since boot
	Handed   uint64 `json:"handed_over"`
	Refused  uint64 `json:"refused"`
	Left     uint64 `json:"left"`    // while they waited for a worker
	Pending  uint32 `json:"pending"` // now
	Parked   uint32 `json:"parked"`  // of pending
	Memory   uint64 `json:"memory,omitempty"`
}

type workerStatus struct {
	Index       int    `json:"index"`
	Spare       bool   `json:"spare,omitempty"`
	Unit        string `json:"unit"`
	State       string `json:"state"` // starting, ready, draining, or down with something queued; systemd's where only this is known
	PID         uint32 `json:"pid,omitempty"`
	RpcdPID     uint32 `json:"rpcd_pid,omitempty"`
	Connections uint64 `json:"connections"`
	Groups      uint32 `json:"groups"`
	Received    uint64 `json:"received"` // connections since boot
	Queued      uint64 `json:"queued"`   // handed over and not yet taken
	Memory      uint64 `json:"memory,omitempty"`
}

func (e *env) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show listeners, brokers, workers and connections",
		Long: `Show for each rpcd its listeners, its broker and its running workers; with a
name in detail. Memory is what the unit's control group has, else the
proportional share (PSS) of its processes.`,
		Args:              args(0, 1, "at most one rpcd"),
		ValidArgsFunction: completeNames(0),
		RunE: func(cmd *cobra.Command, names []string) error {
			served, err := load()
			if err != nil {
				return err
			}
			rpcds, err := selected(served, names)
			if err != nil {
				return err
			}
			m, err := e.connect(cmd.Context())
			if err != nil && !errors.Is(err, systemctl.ErrNotBooted) {
				return err
			}
			if err == nil {
				defer m.Close()
			} else {
				m = nil
			}
			list := []rpcdStatus{}
			for _, r := range rpcds {
				s, err := e.status(cmd.Context(), m, r)
				if err != nil {
					return err
				}
				list = append(list, *s)
			}
			return e.show(list, func() {
				if len(names) == 1 {
					e.statusDetail(&list[0])
				} else {
					e.statusTable(list)
				}
			})
		},
	}
}

// status looks at one rpcd; m is nil without systemd.
func (e *env) status(ctx context.Context, m manager, r *plan.Rpcd) (*rpcdStatus, error) {
	s := &rpcdStatus{Name: r.Name, Activation: activation(r), Workers: r.Workers, Spares: r.Spares,
		Running: []workerStatus{}, Listeners: []listenerStatus{}}
	service, names := "unknown", []string{r.Service()}
	for _, l := range r.Listeners {
		names = append(names, l.Unit)
		s.Listeners = append(s.Listeners, listenerStatus{l.Transport, l.Unit, "unknown", l.Nodes})
	}
	if m != nil {
		units, err := m.Get(ctx, names...)
		if err != nil {
			return nil, err
		}
		service = state(units[0])
		for i := range s.Listeners {
			s.Listeners[i].State = state(units[i+1])
		}
	}
	s.Authentication = offered(ctx, m, r)
	if !r.Direct {
		s.Broker = &brokerStatus{Unit: r.Service(), State: service}
	}
	e.statusFile(ctx, m, r, s)
	if r.Direct && len(s.Running) == 0 && service != "dead" && service != "unknown" {
		// It failed, or has not come as far as its line.
		s.Running = append(s.Running, workerStatus{Unit: r.Service(), State: service})
	}
	return s, nil
}

// statusFile adds what broker and workers say of themselves.
func (e *env) statusFile(ctx context.Context, m manager, r *plan.Rpcd, s *rpcdStatus) {
	f, err := status.Copy(layout.StatusFile(r.Name))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return // nothing ran yet, or only root may know
	}
	if err != nil {
		s.Problem = err.Error() + "; run msrpcctl refresh"
		return
	}
	defer f.Close()
	if s.Broker != nil {
		e.brokerLine(ctx, m, f, s.Broker)
	}
	for i := range min(f.Len(), r.Workers+r.Spares) {
		if w, ok := e.workerLine(ctx, m, f, r, i); ok {
			s.Running = append(s.Running, w)
		}
	}
}

// activation is the value of Activation= that holds.
func activation(r *plan.Rpcd) string {
	if r.Direct {
		return config.ActivationDirect
	}
	return config.ActivationBroker
}

func (e *env) brokerLine(ctx context.Context, m manager, f *status.File, b *brokerStatus) {
	l := f.Broker()
	b.Accepted, b.Refused, b.Left = l.Accepted.Load(), l.Refused.Load(), l.Left.Load()
	for i := range f.Len() {
		b.Handed += f.Sent(i).Sent.Load()
	}
	b.Pending, b.Parked = l.Pending.Load(), l.Parked.Load()
	if f.BrokerAlive() {
		b.PID = l.PID.Load()
		b.Memory = e.memory(ctx, m, b.Unit, b.PID)
	}
}

// workerLine is the line of worker i; false: it is down and nothing waits for it.
func (e *env) workerLine(ctx context.Context, m manager, f *status.File, r *plan.Rpcd, i int) (workerStatus, bool) {
	l := f.Worker(i)
	w := workerStatus{Index: i, Spare: i >= r.Workers, Unit: layout.WorkerService(r.Name, i), State: "down"}
	w.Received = l.Received.Load()
	if sent := f.Sent(i).Sent.Load(); sent > w.Received && !r.Direct {
		w.Queued = sent - w.Received
	}
	if !f.WorkerAlive(i) {
		return w, w.Queued > 0
	}
	flags := l.Flags.Load()
	switch {
	case flags&status.Draining != 0:
		w.State = "draining"
	case flags&status.Ready != 0:
		w.State = "ready"
	default:
		w.State = "starting"
	}
	w.PID, w.RpcdPID = l.PID.Load(), l.ChildPID.Load()
	w.Connections, w.Groups = l.Open(), l.Groups.Load()
	w.Memory = e.memory(ctx, m, w.Unit, w.PID, w.RpcdPID)
	return w, true
}

// memory is that of the unit's control group where it is counted, else the
// proportional share of the processes; bytes, 0 = not known.
func (e *env) memory(ctx context.Context, m manager, unit string, pids ...uint32) uint64 {
	if m != nil {
		if p, err := m.Properties(ctx, unit); err == nil {
			if n, ok := p.Number("MemoryCurrent"); ok && n > 0 {
				return n
			}
		}
	}
	var sum uint64
	for _, pid := range pids {
		if pid != 0 {
			sum += pss(filepath.Join(e.host.Proc, strconv.Itoa(int(pid)), "smaps_rollup"))
		}
	}
	return sum
}

// pss reads the proportional set size of smaps_rollup (proc(5)), bytes.
func pss(path string) uint64 {
	b, _ := os.ReadFile(path)
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
			n, _ := strconv.ParseUint(f[1], 10, 50)
			return n << 10
		}
	}
	return 0
}

func state(u systemctl.Unit) string {
	switch {
	case u.Load == "masked" || u.Load == "not-found":
		return u.Load
	case u.Active == "active":
		return u.Sub
	}
	return u.Active
}
