// SPDX-License-Identifier: Apache-2.0

// Mending what Check found: the parts that refresh applies beside the catalogue
// and its units. A step is the same whichever item needs it, and is done
// once.

package wanted

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/wire/printable"
)

// Manager is what looking and mending need of systemd; *systemctl.Conn has it.
type Manager interface {
	Get(ctx context.Context, names ...string) ([]systemctl.Unit, error)
	List(ctx context.Context, patterns ...string) ([]systemctl.Unit, error)
	Properties(ctx context.Context, unit string) (systemctl.Properties, error)
	DaemonReload(ctx context.Context) error
	Start(ctx context.Context, unit string) error
	Stop(ctx context.Context, unit string) error
	Restart(ctx context.Context, unit string) error
	RestartNoWait(ctx context.Context, unit string) error
	Reload(ctx context.Context, unit string) error
	ResetFailed(ctx context.Context, unit string) error
	Kill(ctx context.Context, unit string, sig syscall.Signal) error
}

// step is one way to mend, in the order in which they are done.
type step int

const (
	stepApply       step = iota // the refresh itself does it: catalogue, units
	stepReload                  // systemd reads unit files
	stepDirectories             // the preflight makes directories and status files
	stepReset                   // systemd forgets that a unit failed
	stepListener                // a listener is started again
	stepInbox                   // inboxes are opened
	stepStart                   // a unit is started
	stepRenew                   // a service is restarted, or lets its clients end first
)

// mend is what mends one finding.
type mend struct {
	step    step
	unit    string
	rpcd    string
	indices []int // of inboxes
}

// mender does what findings need.
type mender struct {
	s         *State
	m         Manager
	did       func(text string)
	errs      []error
	restarted []string
}

// Mendable are the findings that Mend does something about; what the refresh
// itself applies before is not among them.
func Mendable(findings []Finding) []Finding {
	var list []Finding
	for _, f := range findings {
		if f.Mends && f.mend.step != stepApply {
			list = append(list, f)
		}
	}
	return list
}

// Mend mends what can be mended, reports what it did, and returns what failed.
// Whether it helped is found by looking again.
func Mend(ctx context.Context, s *State, findings []Finding, did func(text string)) error {
	m := &mender{s: s, m: s.Manager, did: did}
	by := map[step][]Finding{}
	for _, f := range findings {
		if f.Mends {
			by[f.mend.step] = append(by[f.mend.step], f)
		}
	}
	if len(by[stepReload]) > 0 && m.note(m.m.DaemonReload(ctx)) {
		did("daemon-reload")
	}
	if len(by[stepDirectories]) > 0 {
		m.directories(ctx)
		m.forget(ctx, by[stepDirectories])
	}
	for _, f := range by[stepReset] {
		m.note(m.m.ResetFailed(ctx, f.mend.unit))
	}
	for i := range s.Plan.Rpcds {
		m.open(ctx, &s.Plan.Rpcds[i], by)
	}
	for _, f := range by[stepStart] {
		if m.note(m.m.Start(ctx, f.mend.unit)) {
			did("start " + f.mend.unit)
		}
	}
	for _, f := range by[stepRenew] {
		m.renew(ctx, f)
	}
	return errors.Join(m.errs...)
}

// note keeps an error for the end; true: there was none. That a unit did not
// come up is found by looking.
func (m *mender) note(err error) bool {
	var job *systemctl.JobError
	if err != nil && !errors.As(err, &job) {
		m.errs = append(m.errs, err)
	}
	return err == nil
}

// directories runs the preflight, without closing what requires it.
func (m *mender) directories(ctx context.Context) {
	verb, run := "reload", m.m.Reload
	switch u, ok := m.s.unit(layout.PreflightService); {
	case !ok || !u.Up():
		verb, run = "start", m.m.Start
	case u.Sub == autoRestart: // a start would wait for the end of the pause
		verb, run = "restart", m.m.Restart
	}
	err := run(ctx, layout.PreflightService)
	var job *systemctl.JobError
	if errors.As(err, &job) { // the next look finds what is left
		m.did(fmt.Sprintf("%s %s: %s", verb, layout.PreflightService, job.Result))
		return
	}
	if m.note(err) {
		m.did(verb + " " + layout.PreflightService)
	}
}

// forget lets systemd count restarts from 0 of units that ended again and again for
// want of what was made now.
func (m *mender) forget(ctx context.Context, made []Finding) {
	for name, p := range m.s.details {
		n, _ := layout.ParseUnit(name)
		ended, _ := p.Number("NRestarts")
		if ended > 0 && slices.ContainsFunc(made, func(f Finding) bool { return f.mend.rpcd == "" || f.mend.rpcd == n.Rpcd }) {
			m.note(m.m.ResetFailed(ctx, name))
		}
	}
}

// open opens listeners and inboxes of one rpcd. A socket cannot be started
// beside the service that it belongs to, but is by, or during, its restart.
func (m *mender) open(ctx context.Context, r *plan.Rpcd, by map[step][]Finding) {
	var down []string
	for _, f := range by[stepListener] {
		if f.mend.rpcd == r.Name {
			down = append(down, f.mend.unit)
		}
	}
	for _, unit := range down {
		m.close(ctx, unit)
		for _, l := range r.Listeners {
			if l.Unit == unit && !l.Transport.IP() {
				m.aside(l.Nodes...)
			}
		}
	}
	if len(down) > 0 && m.s.up(r.Service()) {
		m.restart(ctx, r.Service())
	} else {
		for _, unit := range down {
			m.note(m.m.Start(ctx, unit))
		}
	}
	for _, f := range by[stepInbox] {
		if f.mend.rpcd != r.Name {
			continue
		}
		for _, i := range f.mend.indices {
			m.openInbox(ctx, r, i)
		}
	}
}

// close makes a socket ready to be started again.
func (m *mender) close(ctx context.Context, unit string) {
	u, _ := m.s.unit(unit)
	if u.Active == "failed" {
		m.note(m.m.ResetFailed(ctx, unit))
	} else if u.Up() {
		m.note(m.m.Stop(ctx, unit))
	}
}

// aside renames what is at the place of a socket and is none: systemd replaces a
// socket or a file, and no directory.
func (m *mender) aside(paths ...string) {
	for _, path := range paths {
		st, err := os.Lstat(path)
		if err != nil || st.Mode()&fs.ModeSocket != 0 {
			continue
		}
		to := fmt.Sprintf("%s.aside-%d", path, os.Getpid())
		if m.note(os.Rename(path, to)) {
			m.did(fmt.Sprintf("renamed %s to %s", path, to))
		}
	}
}

// openInbox opens the inbox of worker i. A worker that runs and has clients ends
// when these have; then the broker's Upholds= opens the inbox.
func (m *mender) openInbox(ctx context.Context, r *plan.Rpcd, i int) {
	socket, service := layout.WorkerSocket(r.Name, i), layout.WorkerService(r.Name, i)
	u, _ := m.s.unit(service)
	if u.Active == "failed" || u.Sub == "auto-restart" {
		m.note(m.m.Stop(ctx, service))
		m.note(m.m.ResetFailed(ctx, service))
		u.Active = "inactive"
	}
	m.close(ctx, socket)
	m.aside(layout.Inbox(r.Name, i))
	if !u.Up() {
		m.note(m.m.Start(ctx, socket))
		return
	}
	if m.drain(ctx, r, service, i) {
		return
	}
	if m.note(m.m.RestartNoWait(ctx, service)) {
		m.did("restart " + service)
	}
	m.note(m.m.Start(ctx, socket))
}

// drain lets a worker of Samba's kind that has clients serve these to their end.
// Others lose nothing by a restart.
func (m *mender) drain(ctx context.Context, r *plan.Rpcd, service string, i int) bool {
	n := m.s.statuses[r.Name].open[i]
	if r.Kind != "samba" || n == 0 {
		return false
	}
	if m.note(m.m.Kill(ctx, service, status.DrainSignal)) {
		m.did(fmt.Sprintf("%s serves its clients to their end (%s)", service, printable.Count(n, "connection")))
	}
	return true
}

// renew brings a running service to its present settings.
func (m *mender) renew(ctx context.Context, f Finding) {
	n, _ := layout.ParseUnit(f.mend.unit)
	r := m.s.Plan.Rpcd(f.mend.rpcd)
	if n.Kind == layout.KindWorker && r != nil && m.drain(ctx, r, f.mend.unit, n.Index) {
		return
	}
	m.restart(ctx, f.mend.unit)
}

// restart restarts a service, once.
func (m *mender) restart(ctx context.Context, unit string) {
	if slices.Contains(m.restarted, unit) {
		return
	}
	m.restarted = append(m.restarted, unit)
	if m.note(m.m.Restart(ctx, unit)) {
		m.did("restart " + unit)
	}
}
