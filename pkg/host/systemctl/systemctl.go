// SPDX-License-Identifier: Apache-2.0

package systemctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/layout"
)

// ErrNotBooted says that PID 1 is not systemd (sd_booted(3)).
var ErrNotBooted = errors.New("this system was not booted with systemd; units cannot be looked at or changed here")

// jobTimeout bounds the wait for one job. systemd ends jobs of its own units
// after 90 s, so that this is only reached when PID 1 itself hangs.
const jobTimeout = 3 * time.Minute

// Conn is a connection to systemd. Its methods may be used concurrently.
type Conn struct {
	bus *dbus.Conn
}

// Connect connects to systemd; the connection ends with ctx or with Close.
// ErrNotBooted: there is no systemd to talk to.
func Connect(ctx context.Context) (*Conn, error) {
	if st, err := os.Lstat(layout.RuntimeUnits); err != nil || !st.IsDir() { // sd_booted(3)
		return nil, ErrNotBooted
	}
	if os.Geteuid() == 0 {
		bus, err := dbus.NewSystemdConnectionContext(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect to systemd: %w; is /run/systemd/private there?", err)
		}
		return &Conn{bus: bus}, nil
	}
	bus, err := dbus.NewSystemConnectionContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to systemd through the system bus: %w; run this as root or install dbus", err)
	}
	// The manager signals the end of jobs on the bus only to subscribers.
	if err := bus.Subscribe(); err != nil {
		bus.Close()
		return nil, fmt.Errorf("subscribe to systemd's signals: %w", err)
	}
	return &Conn{bus: bus}, nil
}

// Close ends the connection.
func (c *Conn) Close() { c.bus.Close() }

// DaemonReload makes systemd run its generators and read all unit files again.
func (c *Conn) DaemonReload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	if err := c.bus.ReloadContext(ctx); err != nil {
		return fmt.Errorf("daemon-reload: %w", explain(err))
	}
	return nil
}

// Mask links units to /dev/null below /etc/systemd/system, or with runtime
// below /run/systemd/system, until the next boot, so that nothing can
// start them. A daemon-reload makes it known. It stops nothing.
func (c *Conn) Mask(ctx context.Context, runtime bool, units ...string) error {
	if _, err := c.bus.MaskUnitFilesContext(ctx, units, runtime, true); err != nil {
		if busError(err) == errNoSpace {
			dir := map[bool]string{true: layout.RuntimeUnits, false: layout.AdminUnits}[runtime]
			err = &fs.PathError{Op: "write", Path: dir, Err: unix.ENOSPC}
		}
		return fmt.Errorf("mask %s: %w", join(units), explain(err))
	}
	return nil
}

// Unmask undoes Mask, and a mask that holds until the next boot. A
// daemon-reload makes it known.
func (c *Conn) Unmask(ctx context.Context, units ...string) error {
	for _, runtime := range []bool{false, true} {
		if _, err := c.bus.UnmaskUnitFilesContext(ctx, units, runtime); err != nil {
			return fmt.Errorf("unmask %s: %w", join(units), explain(err))
		}
	}
	return nil
}

// ResetFailed makes systemd forget that a unit failed. A unit that is not
// loaded is not an error.
func (c *Conn) ResetFailed(ctx context.Context, unit string) error {
	err := c.bus.ResetFailedUnitContext(ctx, unit)
	if err == nil || busError(err) == errNoSuchUnit {
		return nil
	}
	return fmt.Errorf("reset-failed %s: %w", unit, explain(err))
}

// UnitOf names the unit that process pid belongs to, "" for none.
func (c *Conn) UnitOf(ctx context.Context, pid int) (string, error) {
	name, err := c.bus.GetUnitNameByPID(ctx, uint32(pid))
	if err != nil && busError(err) == errNoUnitForPID {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask for the unit of process %d: %w", pid, explain(err))
	}
	return name, nil
}
