// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"fmt"
	"slices"
)

// This file owns single steps of an apply: jobs of systemd, and what is said of them.

func (a *applier) up(ctx context.Context, unit string) (bool, error) {
	units, err := a.m.Get(ctx, unit)
	if err != nil {
		return false, err
	}
	return units[0].Up(), nil
}

// wait does verb with unit and waits for it, unless unit waits for us.
func (a *applier) wait(ctx context.Context, verb, unit string) {
	behind := false
	if a.self != "" {
		if p, err := a.m.Properties(ctx, unit); err == nil {
			behind = slices.Contains(p.Texts("After"), a.self)
		}
	}
	var err error
	switch {
	case verb == "start" && behind:
		err = a.m.StartNoWait(ctx, unit)
	case verb == "start":
		err = a.m.Start(ctx, unit)
	case verb == "reload" && behind:
		err = a.m.ReloadNoWait(ctx, unit)
	case verb == "reload":
		err = a.m.Reload(ctx, unit)
	}
	if a.note(err) {
		a.did("%s %s", verb, unit)
	}
}

func (a *applier) did(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	a.rep.Actions = append(a.rep.Actions, text)
	a.log.Info(text)
}

// note keeps an error for the end; true: there was none.
func (a *applier) note(err error) bool {
	if err != nil {
		a.errs = append(a.errs, err)
	}
	return err == nil
}
