// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/wanted"
)

const transportLong = `Switch the listeners of one transport on or off, for all rpcds or for one.

Off masks the socket units and restarts the brokers, which have a copy of each
listener; connections that are there stay. Where a server has its listeners
itself (Activation=direct), it is restarted. On unmasks and starts them. The
choice outlives reboots and refreshes. The same by hand:

  systemctl mask --now msrpc-tcp-NAME.socket
  systemctl try-restart msrpc-broker@NAME.service`

// switched is what transport did for one rpcd.
type switched struct {
	Rpcd string `json:"rpcd"`
	Unit string `json:"unit"`
	On   bool   `json:"on"`
}

func (e *env) transportCommand() *cobra.Command {
	runtime := false
	cmd := &cobra.Command{
		Use:   "transport {on|off} {np|tcp|ncalrpc} [NAME]",
		Short: "Switch listeners of one transport on or off",
		Long:  transportLong,
		Args:  args(2, 3, "on or off, a transport and at most one rpcd"),
		ValidArgsFunction: func(c *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
			switch len(given) {
			case 0:
				return []string{"on", "off"}, cobra.ShellCompDirectiveNoFileComp
			case 1:
				return transportNames(), cobra.ShellCompDirectiveNoFileComp
			}
			return completeNames(2)(c, given, prefix)
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			on := given[0] == "on"
			if !on && given[0] != "off" {
				return usageError{fmt.Errorf("%q is neither on nor off", given[0])}
			}
			if !slices.Contains(transportNames(), given[1]) {
				return usageError{fmt.Errorf("%q is not a transport, which are %s", given[1], strings.Join(transportNames(), ", "))}
			}
			if runtime && on {
				return usageError{errors.New("--runtime goes with off; on undoes both kinds of off")}
			}
			return e.transport(cmd.Context(), on, runtime, layout.Transport(given[1]), given[2:])
		},
	}
	cmd.Flags().BoolVar(&runtime, "runtime", false, "off until the next boot, in /run; works where /etc is read-only")
	return cmd
}

func transportNames() []string {
	var names []string
	for _, t := range layout.Transports {
		names = append(names, string(t))
	}
	return names
}

func (e *env) transport(ctx context.Context, on, runtime bool, t layout.Transport, names []string) error {
	served, err := load()
	if err != nil {
		return err
	}
	rpcds, err := listening(served, names, t)
	if err != nil {
		return err
	}
	if len(rpcds) == 0 && len(names) > 0 {
		return fmt.Errorf("rpcd %s has no %s listener; msrpcctl list %s shows what it has", names[0], t, names[0])
	}
	m, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	var units []string
	for _, r := range rpcds {
		units = append(units, layout.ListenerSocket(t, r.Name))
	}
	if err := mask(ctx, m, on, runtime, units); err != nil {
		return err
	}
	if !on { // systemd would know those of later addresses no more
		if err := stopSets(ctx, m, rpcds, t); err != nil {
			return err
		}
	}
	if err := m.DaemonReload(ctx); err != nil {
		return err
	}
	if on { // what is on may be several units
		if served, err = load(); err != nil {
			return err
		}
		if rpcds, err = listening(served, names, t); err != nil {
			return err
		}
	}
	var errs []error
	done := []switched{}
	for _, r := range rpcds {
		if on {
			err = e.explainPort(open(ctx, m, r, t), r, t)
		} else {
			err = shut(ctx, m, r, t)
		}
		errs = append(errs, err)
		if err == nil {
			done = append(done, switched{r.Name, layout.ListenerSocket(t, r.Name), on})
		}
	}
	err = e.show(done, func() {
		for _, d := range done {
			fmt.Fprintln(e.out, map[bool]string{true: "on", false: "off"}[on], d.Unit)
		}
	})
	return errors.Join(append(errs, err)...)
}

// listening are the rpcds that names mean, of these those with a listener of t.
func listening(served *plan.Plan, names []string, t layout.Transport) ([]*plan.Rpcd, error) {
	rpcds, err := selected(served, names)
	return slices.DeleteFunc(rpcds, func(r *plan.Rpcd) bool { return listener(r, t) == nil }), err
}

// mask makes units impossible to start, or possible again.
func mask(ctx context.Context, m manager, on, runtime bool, units []string) error {
	if on {
		return m.Unmask(ctx, units...)
	}
	err := m.Mask(ctx, runtime, units...)
	if errors.Is(err, systemctl.ErrReadOnly) {
		return fmt.Errorf("%w; try --runtime, which holds until the next boot", err)
	}
	return err
}

// stopSets stops the units that have addresses which came later.
func stopSets(ctx context.Context, m manager, rpcds []*plan.Rpcd, t layout.Transport) error {
	for _, r := range rpcds {
		for _, l := range r.Listeners {
			if l.Transport == t && l.Unit != layout.ListenerSocket(t, r.Name) {
				if err := m.Stop(ctx, l.Unit); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func listener(r *plan.Rpcd, t layout.Transport) *plan.Listener {
	for i := range r.Listeners {
		if r.Listeners[i].Transport == t {
			return &r.Listeners[i]
		}
	}
	return nil
}

// shut closes a listener that is masked: PID 1's copy, then the service's. A
// service with no other listener has nothing to come back for.
func shut(ctx context.Context, m manager, r *plan.Rpcd, t layout.Transport) error {
	if err := m.Stop(ctx, layout.ListenerSocket(t, r.Name)); err != nil {
		return err
	}
	up, units, err := serviceAndListeners(ctx, m, r)
	if err != nil || !up {
		return err
	}
	if !slices.ContainsFunc(units, systemctl.Unit.Up) {
		return m.Stop(ctx, r.Service())
	}
	return m.Restart(ctx, r.Service())
}

// open starts a listener. One that is new to a running service comes with the
// service's restart and cannot be started beside it.
func open(ctx context.Context, m manager, r *plan.Rpcd, t layout.Transport) error {
	names := []string{layout.Target}
	for _, l := range r.Listeners {
		if l.Transport == t {
			names = append(names, l.Unit)
		}
	}
	state, err := m.Get(ctx, names...)
	if err != nil {
		return err
	}
	if !state[0].Up() {
		return nil // the target starts it
	}
	up, _, err := serviceAndListeners(ctx, m, r)
	if err != nil {
		return err
	}
	if up && slices.ContainsFunc(state[1:], func(u systemctl.Unit) bool { return !u.Up() }) {
		if err := m.Restart(ctx, r.Service()); err != nil {
			return err
		}
	}
	for _, name := range names[1:] {
		if err := m.Start(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// explainPort names the process that has the port of a listener that could not be
// started.
func (e *env) explainPort(err error, r *plan.Rpcd, t layout.Transport) error {
	var job *systemctl.JobError
	if !errors.As(err, &job) {
		return err
	}
	s, snapErr := e.host.Sockets()
	if snapErr != nil {
		return err
	}
	for _, port := range listener(r, t).Ports {
		if c := wanted.PortConflict(s, e.host.Proc, wanted.LocalPorts(), r.Name, port); c != nil {
			return errors.New(c.String())
		}
	}
	return err
}

// serviceAndListeners looks at what has the listeners, and at these.
func serviceAndListeners(ctx context.Context, m manager, r *plan.Rpcd) (up bool, listeners []systemctl.Unit, err error) {
	names := []string{r.Service()}
	for _, l := range r.Listeners {
		names = append(names, l.Unit)
	}
	units, err := m.Get(ctx, names...)
	if err != nil {
		return false, nil, err
	}
	return units[0].Up(), units[1:], nil
}
