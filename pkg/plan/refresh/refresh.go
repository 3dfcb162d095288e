// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/wanted"
)

// ErrNoRpcd says that there is nothing to serve on this host.
var ErrNoRpcd = errors.New("no rpcd is installed; install samba 4.16 or newer, or name the programs with Exec= in rpcd.d")

// Refresher holds what a refresh depends on; the zero value is not usable, New
// is. Tests replace fields.
type Refresher struct {
	Root      string // of the configuration, "" = "/"
	Catalogue string
	Lock      string
	Connect   func(context.Context) (Manager, error)
	Log       *slog.Logger
	Host      wanted.Host // where to look for units and for what is to be mended
	Patient   bool        // nothing waits for it: rpcds that were slow get more time

	clock clock
}

// New returns a Refresher for this host.
func New() *Refresher {
	return &Refresher{
		Catalogue: layout.Catalogue(),
		Lock:      filepath.Join(layout.State, "refresh.lock"),
		Connect:   func(ctx context.Context) (Manager, error) { return systemctl.Connect(ctx) },
		Log:       slog.Default(),
		Host:      Host(),
		clock:     systemClock,
	}
}

// Report is what a refresh found and did.
type Report struct {
	Rpcds     int      `json:"rpcds"`              // in the catalogue
	Listed    int      `json:"listed"`             // of these, that could be asked
	Written   bool     `json:"catalogue_written"`  // it differed
	Units     int      `json:"unit_files_changed"` // generated files that differed
	Actions   []string `json:"actions"`            // what was done with units, in order
	Problems  []string `json:"problems"`           // that stopped nothing
	Retried   []string `json:"retried,omitempty"`  // rpcds that could not be listed, and are asked again
	NextTry   string   `json:"next_try,omitempty"` // when, by layout.RetryTimer; RFC 3339
	NotBooted bool     `json:"not_booted"`         // there is no systemd to apply it to
}

func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// rounds bounds how often a run begins again because its inputs changed
// meanwhile; a path unit does not see what changes while its service runs.
const rounds = 3

// Run refreshes. The report is never nil and has what was done before an
// error, too.
func (r *Refresher) Run(ctx context.Context) (*Report, error) {
	rep := &Report{Actions: []string{}, Problems: []string{}}
	held, err := lock(ctx, r.Lock, r.clock)
	if err != nil {
		return rep, err
	}
	defer held.Close()
	for i := 1; ; i++ {
		start := r.clock.now()
		cfg, err := config.Load(r.Root)
		if err != nil {
			return rep, err
		}
		rep.Problems = []string{}
		err = r.round(ctx, cfg, rep)
		if err != nil || i == rounds || !newest(r.inputs(cfg)).After(start) {
			return rep, err
		}
	}
}

// round goes once from the configuration to running units.
func (r *Refresher) round(ctx context.Context, cfg *config.Config, rep *Report) error {
	r.configProblems(rep, cfg.Problems)
	old, err := catalogue.Read(r.Catalogue)
	if err != nil && !errors.Is(err, catalogue.ErrNone) {
		// It is made again; ports of equal names come out the same.
		rep.problem("the last catalogue is not used: %v", err)
		r.Log.Warn("the last catalogue is not used", journal.Error, err, journal.MessageID, journal.IDCatalogueUnusable)
	}
	c, err := r.survey(ctx, cfg, old, rep)
	if err != nil {
		return err
	}
	for _, p := range c.Problems {
		rep.problem("%s", p)
	}
	if !equal(old, c) {
		rep.Written = true
		if err := catalogue.Write(r.Catalogue, c); err != nil {
			r.Log.Error("the catalogue cannot be written", journal.Error, err, journal.MessageID, journal.IDCatalogueUnusable)
			return err
		}
		r.Log.Info(fmt.Sprintf("catalogue written: %d rpcds, %d of them listed", rep.Rpcds, rep.Listed),
			journal.MessageID, journal.IDRefreshDone)
	}
	now := r.clock.now()
	os.Chtimes(r.Catalogue, now, now) // Stale compares with it
	p := plan.New(c, cfg)
	r.configProblems(rep, p.Problems)
	if err := r.apply(ctx, p, rep); err != nil {
		return err
	}
	if len(c.Rpcds) == 0 {
		return ErrNoRpcd
	}
	return nil
}

// configProblems reports each problem once, whichever step finds it.
func (r *Refresher) configProblems(rep *Report, problems []config.Problem) {
	for _, p := range problems {
		if slices.Contains(rep.Problems, p.String()) {
			continue
		}
		id := journal.IDConfigProblem
		if p.File == "" {
			id = journal.IDEndpointConflict
		}
		rep.problem("%s", p)
		r.Log.Warn(p.String(), journal.MessageID, id)
	}
}

// apply brings the plan to systemd, if there is one.
func (r *Refresher) apply(ctx context.Context, p *plan.Plan, rep *Report) error {
	m, err := r.Connect(ctx)
	if errors.Is(err, systemctl.ErrNotBooted) {
		rep.NotBooted = true
		return nil
	}
	if err != nil {
		return err
	}
	host := r.Host
	host.Manager = m
	a := &applier{m: m, plan: p, rep: rep, log: r.Log, generatorDir: host.Generator,
		look: func(ctx context.Context) *wanted.State { return wanted.Look(ctx, host, p) }}
	return errors.Join(a.run(ctx), a.retry(ctx, p.Catalogue.Pending()))
}

// equal compares catalogues as they are written.
func equal(a, b *catalogue.Catalogue) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
