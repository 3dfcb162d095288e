// SPDX-License-Identifier: Apache-2.0

// Workers of Samba's kind whose unit changed. Before the broker gets other
// listeners or directories they take no new clients, which they would refuse;
// those that they have they serve to their end. Nothing waits for that end.

package refresh

import (
	"context"
	"errors"
	"syscall"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
)

// heardTime is how long workers have to say that they drain.
const heardTime = 2 * time.Second

// drain lets the running workers of a changed rpcd drain. Without spares new
// clients would wait for the last old one, so that the old ones have no longer
// than the TimeoutStopSec= of their unit.
func (a *applier) drain(ctx context.Context, r *plan.Rpcd) error {
	if r.Kind != config.KindSamba {
		return nil
	}
	units, err := a.m.List(ctx, layout.Instances(layout.WorkerTemplate(r.Name)))
	if err != nil {
		return err
	}
	for _, u := range units {
		switch {
		case !u.Up():
		case r.Spares == 0:
			if a.note(a.m.RestartNoWait(ctx, u.Name)) {
				a.did("restart %s", u.Name)
			}
		case a.note(a.signal(ctx, u.Name, status.DrainSignal)):
			a.did("%s serves its clients to their end", u.Name)
		}
	}
	for late := time.Now().Add(heardTime); !heard(r) && time.Now().Before(late); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// signal sends a signal to a unit's main process, if there is one.
func (a *applier) signal(ctx context.Context, unit string, sig syscall.Signal) error {
	err := a.m.Kill(ctx, unit, sig)
	if errors.Is(err, systemctl.ErrNoProcess) {
		return nil
	}
	return err
}

// heard reports whether no worker of r takes new clients any more.
func heard(r *plan.Rpcd) bool {
	f, err := status.Copy(layout.StatusFile(r.Name))
	if err != nil {
		return true // none has run
	}
	defer f.Close()
	for i := range min(f.Len(), r.Workers+r.Spares) {
		w := f.Worker(i)
		if flags := w.Flags.Load(); w.StartID.Load() != 0 && flags&status.Ready != 0 && flags&status.Leaving == 0 && f.WorkerAlive(i) {
			return false
		}
	}
	return true
}

// brief has a worker that goes for good give its clients a moment only, so that
// no idle one holds up the refresh.
func (a *applier) brief(ctx context.Context, unit string) {
	if n, _ := layout.ParseUnit(unit); n.Kind == layout.KindWorker {
		a.note(a.signal(ctx, unit, syscall.SIGINT))
	}
}
