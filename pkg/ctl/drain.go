// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/wire/printable"
)

const drainLong = `Let workers end without ending a connection: they take no new clients, serve
those that they have to their end, and exit. Other workers or spares take new
clients meanwhile; the next client of a drained worker starts it again, with the
program and the unit that are there then.

NAME is an rpcd, NAME@I its worker I. The command waits until all have ended, or
for --timeout; then the exit status is 1 and it says what is left, which goes on
draining. systemctl restart of a worker's service does the same for
TimeoutStopSec= at most, and closes what is left then.`

const (
	drainPoll  = 100 * time.Millisecond
	drainAgain = time.Second // between requests to a worker that has not heard one
)

// drainUnheard is after what time a worker that serves never will hear it.
var drainUnheard = 10 * time.Second

func (e *env) drainCommand() *cobra.Command {
	var all bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "drain {NAME | NAME@I}... | --all",
		Short: "Let workers end when their clients have ended",
		Long:  drainLong,
		Args: func(_ *cobra.Command, names []string) error {
			if all == (len(names) > 0) {
				return usageError{errors.New("takes names of rpcds or workers, or --all")}
			}
			return nil
		},
		ValidArgsFunction: func(c *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
			return completeNames(len(given))(c, given, prefix)
		},
		RunE: func(cmd *cobra.Command, names []string) error {
			if timeout < 0 {
				return usageError{errors.New("--timeout is less than 0")}
			}
			return e.drain(cmd.Context(), names, timeout)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all workers of all rpcds")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "wait so long, such as 30s (default: until all have ended)")
	return cmd
}

// drainee is a worker that is drained.
type drainee struct {
	Rpcd        string  `json:"rpcd"`
	Worker      int     `json:"worker"`
	Unit        string  `json:"unit"`
	State       string  `json:"state"` // drained, draining, or unheard: it does not react to the request
	Connections uint64  `json:"connections"`
	Groups      uint32  `json:"groups"`
	Seconds     float64 `json:"seconds"` // since it began to drain

	file    *status.File
	startID uint64
	asked   time.Time
	heard   time.Time // when it drained, or was starting, at the last look
}

func (d *drainee) name() string { return d.Rpcd + "@" + strconv.Itoa(d.Worker) }

// look updates what is known of the worker; true: it still runs. A status file
// that cannot be read just now leaves that as it was.
func (d *drainee) look() bool {
	if f, err := status.Copy(layout.StatusFile(d.Rpcd)); err == nil {
		d.file.Close()
		d.file = f
	}
	if d.Worker >= d.file.Len() {
		return true
	}
	l := d.file.Worker(d.Worker)
	if l.StartID.Load() != d.startID || !d.file.WorkerAlive(d.Worker) {
		d.State, d.Connections, d.Groups = "drained", 0, 0
		return false
	}
	d.Connections, d.Groups = l.Open(), l.Groups.Load()
	if since := l.Drains.Load(); since != 0 {
		d.Seconds = max(0, (systemctl.Monotonic() - time.Duration(since)).Seconds())
	}
	if l.Drains.Load() != 0 || l.Flags.Load()&status.Ready == 0 {
		d.heard = time.Now()
	}
	return true
}

func (e *env) drain(ctx context.Context, names []string, timeout time.Duration) error {
	served, err := load()
	if err != nil {
		return err
	}
	list, err := drainees(served, names)
	defer func() {
		for _, d := range list {
			d.file.Close()
		}
	}()
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return e.show(list, func() { fmt.Fprintln(e.out, "no worker runs") })
	}
	m, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	e.warnAlone(served, list)
	err = e.waitDrained(ctx, m, list, timeout)
	if shown := e.show(list, func() {}); shown != nil {
		return shown
	}
	return err
}

// drainees finds the running workers that names mean, all for none.
func drainees(served *plan.Plan, names []string) (list []*drainee, err error) {
	list = []*drainee{}
	if len(names) == 0 {
		for i := range served.Rpcds {
			if list, err = addDrainees(list, &served.Rpcds[i], -1); err != nil {
				return list, err
			}
		}
	}
	for _, text := range names {
		name, index, one := strings.Cut(text, "@")
		rpcds, err := selected(served, []string{name})
		if err != nil {
			return list, err
		}
		only := -1
		if one {
			if only, err = strconv.Atoi(index); err != nil || only < 0 || only >= rpcds[0].Workers+rpcds[0].Spares {
				return list, fmt.Errorf("rpcd %s has no worker %q, they are 0 to %d", name, index, rpcds[0].Workers+rpcds[0].Spares-1)
			}
		}
		if list, err = addDrainees(list, rpcds[0], only); err != nil {
			return list, err
		}
	}
	return list, nil
}

// addDrainees adds the running workers of r, or only one of them.
func addDrainees(list []*drainee, r *plan.Rpcd, only int) ([]*drainee, error) {
	for i := range r.Workers + r.Spares {
		if only >= 0 && i != only {
			continue
		}
		f, err := status.Copy(layout.StatusFile(r.Name))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return list, nil // no worker has run yet
		case errors.Is(err, os.ErrPermission):
			return list, fmt.Errorf("%w; run this as root", err)
		case err != nil:
			return list, fmt.Errorf("%w; run msrpcctl refresh", err)
		}
		if i >= f.Len() || f.Worker(i).StartID.Load() == 0 || !f.WorkerAlive(i) {
			f.Close()
			continue
		}
		list = append(list, &drainee{Rpcd: r.Name, Worker: i, Unit: layout.WorkerService(r.Name, i),
			State: "draining", file: f, startID: f.Worker(i).StartID.Load(), heard: time.Now()})
	}
	return list, nil
}

// warnAlone names the rpcds that no other worker serves meanwhile.
func (e *env) warnAlone(served *plan.Plan, list []*drainee) {
	for i := range served.Rpcds {
		r := &served.Rpcds[i]
		drained := slices.DeleteFunc(slices.Clone(list), func(d *drainee) bool { return d.Rpcd != r.Name || d.Worker >= r.Workers })
		if r.Direct || r.Spares > 0 || len(drained) < r.Workers {
			continue
		}
		fmt.Fprintf(e.err, "msrpcctl: drain: %s has no other worker and no spare: its new clients wait until one has ended\n", r.Name)
	}
}

// waitDrained asks all, and waits until they have ended.
func (e *env) waitDrained(ctx context.Context, m manager, list []*drainee, timeout time.Duration) error {
	start := time.Now()
	shown := progress{out: e.err, on: isTerminal(e.err) && !e.json}
	defer shown.clear()
	for {
		var left []*drainee
		for _, d := range list {
			switch {
			case d.State == "drained":
			case !d.look():
				shown.clear()
				if !e.json {
					fmt.Fprintf(e.out, "%s drained after %s\n", d.name(), time.Since(start).Round(drainPoll))
				}
			default:
				if err := d.ask(ctx, m); err != nil {
					return err
				}
				left = append(left, d)
			}
		}
		unheard := slices.IndexFunc(left, func(d *drainee) bool { return d.State != "unheard" }) < 0
		if len(left) == 0 || unheard || timeout > 0 && time.Since(start) >= timeout {
			return leftover(left)
		}
		shown.show(left)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(drainPoll):
		}
	}
}

// ask sends the request until the worker says that it drains: one that is just
// starting may not hear it.
func (d *drainee) ask(ctx context.Context, m manager) error {
	l := d.file.Worker(d.Worker)
	if l.Flags.Load()&status.Leaving != 0 || time.Since(d.asked) < drainAgain {
		return nil
	}
	if time.Since(d.heard) > drainUnheard {
		d.State = "unheard"
	}
	d.asked = time.Now()
	if err := m.Kill(ctx, d.Unit, status.DrainSignal); err != nil && !errors.Is(err, systemctl.ErrNoProcess) {
		return err
	}
	return nil
}

// leftover is the error that names workers which have not ended.
func leftover(left []*drainee) error {
	var errs []error
	for _, d := range left {
		if d.State == "unheard" {
			errs = append(errs, fmt.Errorf("%s does not react, since its program is an older one; run systemctl restart %s", d.name(), d.Unit))
			continue
		}
		errs = append(errs, fmt.Errorf("%s has %s in %s and drains for %s; it ends with the last one, or with systemctl restart %s",
			d.name(), printable.Count(d.Connections, "connection"), printable.Count(d.Groups, "association group"), (time.Duration(d.Seconds)*time.Second), d.Unit))
	}
	return errors.Join(errs...)
}
