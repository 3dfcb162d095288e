// SPDX-License-Identifier: Apache-2.0

// Jobs: each verb queues a job and waits until systemd has removed it, so that
// a nil error means that the verb is done. NoWait only queues.

package systemctl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Names of errors of org.freedesktop.systemd1.
const (
	errNoSuchUnit    = "org.freedesktop.systemd1.NoSuchUnit"
	errNoSuchProcess = "org.freedesktop.systemd1.NoSuchProcess"
	errNoUnitForPID  = "org.freedesktop.systemd1.NoUnitForPID"
	errUnitMasked    = "org.freedesktop.systemd1.UnitMasked"
	errReadOnly      = "System.Error.EROFS"
	errNoSpace       = "System.Error.ENOSPC"
	errAccess        = "org.freedesktop.DBus.Error.AccessDenied"
	errInteractive   = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
)

// JobError says that a job ended otherwise than "done".
type JobError struct {
	Verb, Unit string
	Result     string // canceled, timeout, failed, dependency, skipped (org.freedesktop.systemd1(5), JobRemoved)
}

// Error has the result and where to look.
func (e *JobError) Error() string {
	return fmt.Sprintf("%s %s: %s; look at systemctl status %s", e.Verb, e.Unit, e.Result, e.Unit)
}

// ErrNoProcess says that a unit has no main process.
var ErrNoProcess = errors.New("no process runs")

// ErrReadOnly says that the file system with the administrator's units is
// read-only.
var ErrReadOnly = errors.New("the file system is read-only")

// ErrMasked says that a unit cannot be started because it is masked.
var ErrMasked = errors.New("unit is masked")

// Start starts a unit and waits until it is up.
func (c *Conn) Start(ctx context.Context, unit string) error { return c.job(ctx, "start", unit, true) }

// StartNoWait queues the start of a unit. For a caller that runs in a unit
// which the started one is ordered after, since both would wait for ever.
func (c *Conn) StartNoWait(ctx context.Context, unit string) error {
	return c.job(ctx, "start", unit, false)
}

// Stop stops a unit and waits until it is down. A unit that is not loaded is no
// error.
func (c *Conn) Stop(ctx context.Context, unit string) error { return c.job(ctx, "stop", unit, true) }

// Restart restarts a unit, or starts it, and waits until it is up.
func (c *Conn) Restart(ctx context.Context, unit string) error {
	return c.job(ctx, "restart", unit, true)
}

// RestartNoWait queues the restart of a unit, for a caller that starts what can
// only be started while the unit is down.
func (c *Conn) RestartNoWait(ctx context.Context, unit string) error {
	return c.job(ctx, "restart", unit, false)
}

// Reload makes a running unit read its configuration again and waits for it.
func (c *Conn) Reload(ctx context.Context, unit string) error {
	return c.job(ctx, "reload", unit, true)
}

// ReloadNoWait queues the reload of a unit, see StartNoWait.
func (c *Conn) ReloadNoWait(ctx context.Context, unit string) error {
	return c.job(ctx, "reload", unit, false)
}

// Kill sends a signal to the main process of a unit. ErrNoProcess: there is none.
func (c *Conn) Kill(ctx context.Context, unit string, sig syscall.Signal) error {
	err := c.bus.KillUnitWithTarget(ctx, unit, dbus.Main, int32(sig))
	switch busError(err) {
	case "":
	case errNoSuchUnit, errNoSuchProcess:
		return ErrNoProcess
	}
	if err != nil {
		return fmt.Errorf("send %v to %s: %w", sig, unit, explain(err))
	}
	return nil
}

func (c *Conn) job(ctx context.Context, verb, unit string, wait bool) error {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	var done chan string
	if wait {
		done = make(chan string, 1)
	}
	queue := map[string]func(context.Context, string, string, chan<- string) (int, error){
		"start":   c.bus.StartUnitContext,
		"stop":    c.bus.StopUnitContext,
		"restart": c.bus.RestartUnitContext,
		"reload":  c.bus.ReloadUnitContext,
	}[verb]
	if _, err := queue(ctx, unit, "replace", done); err != nil {
		if verb == "stop" && busError(err) == errNoSuchUnit {
			return nil
		}
		return fmt.Errorf("%s %s: %w", verb, unit, explain(err))
	}
	if !wait {
		return nil
	}
	return await(ctx, verb, unit, done)
}

// await waits for the end of a job.
func await(ctx context.Context, verb, unit string, done <-chan string) error {
	select {
	case result := <-done:
		if result != "done" {
			return &JobError{Verb: verb, Unit: unit, Result: result}
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %s: wait for the job: %w; look at systemctl list-jobs", verb, unit, ctx.Err())
	}
}

// busError is the D-Bus name of err, "" when it did not come over the bus.
func busError(err error) string {
	var e godbus.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return ""
}

// explain adds what people can do about an error of the bus.
func explain(err error) error {
	switch busError(err) {
	case errAccess, errInteractive:
		return fmt.Errorf("%w; run this as root", err)
	case errReadOnly:
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	case errUnitMasked:
		return fmt.Errorf("%w: %w", ErrMasked, err)
	}
	return err
}

func join(units []string) string { return strings.Join(units, " ") }
