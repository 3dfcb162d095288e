// SPDX-License-Identifier: Apache-2.0

package scripts

// What becomes of processes that were left: they are moved, or they end.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/wire/printable"
)

const (
	rounds   = 8                // of moving: processes may have made others meanwhile
	grace    = 5 * time.Second  // between SIGTERM and SIGKILL
	scopeEnd = 20 * time.Second // the same for the scope later
)

type keeper struct {
	opt     options
	group   *group
	log     *slog.Logger
	ctx     context.Context
	systemd *systemctl.Conn
}

func (k *keeper) keep(left []process) error {
	for round := 0; round < rounds && len(left) > 0; round++ {
		ending, err := k.targetEnds()
		if err != nil {
			return err
		}
		if ending {
			return k.end(left)
		}
		moved := k.move(left, round)
		if left, err = k.group.others(k.opt.exec); err != nil {
			return err
		}
		// An error is none when a process ended before it was moved.
		if moved != nil && round == rounds-1 {
			return moved
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%s left in %s; look at systemctl status %s", printable.Count(len(left), "process"), k.group.unit, k.group.unit)
	}
	return nil
}

// targetEnds reports whether msrpc.target is being stopped, or was since this
// service was started: a restart of the target stops it first.
func (k *keeper) targetEnds() (bool, error) {
	target, err := k.systemd.Get(k.ctx, layout.Target)
	if err != nil {
		return false, err
	}
	if job := target[0].Job; job == "stop" || job == "restart" || job == "try-restart" {
		return true, nil
	}
	t, err := k.systemd.Properties(k.ctx, layout.Target)
	if err != nil {
		return false, err
	}
	own, err := k.systemd.Properties(k.ctx, k.group.unit)
	if err != nil {
		return false, err
	}
	stopped, _ := t.Number("InactiveEnterTimestampMonotonic")
	started, _ := own.Number("ExecMainStartTimestampMonotonic")
	return stopped > started, nil
}

// move puts processes into a scope that ends with the target.
func (k *keeper) move(left []process, round int) error {
	s := systemctl.Scope{
		Name:        layout.ScriptsScope(k.opt.name, fmt.Sprintf("%s-%d", shortID(), round)),
		Description: fmt.Sprintf("Left running by a script of %s: %s", k.group.unit, k.group.command(left[0])),
		Slice:       layout.Slice(k.opt.name),
		PartOf:      layout.Target,
		StopTimeout: scopeEnd,
	}
	for _, p := range left {
		s.PIDs = append(s.PIDs, uint32(p.pid))
	}
	if err := k.systemd.StartScope(k.ctx, s); err != nil {
		return err
	}
	// A stop of the target that began before the scope was there missed it.
	if ending, err := k.targetEnds(); err == nil && ending {
		return k.systemd.Stop(k.ctx, s.Name)
	}
	k.log.Log(context.Background(), journal.Notice, fmt.Sprintf("what scripts of %s left running goes on in %s, up to the stop of %s", k.group.unit, s.Name, layout.Target),
		journal.MessageID, journal.IDScriptsKept, "processes", len(left), "command", k.group.command(left[0]))
	return nil
}

// end ends processes as systemd does: first they are asked.
func (k *keeper) end(left []process) error {
	k.log.Log(context.Background(), journal.Notice, fmt.Sprintf("what scripts of %s left running ends with %s", k.group.unit, layout.Target),
		journal.MessageID, journal.IDScriptsEnded, "processes", len(left), "command", k.group.command(left[0]))
	signal := unix.SIGTERM
	for start := time.Now(); len(left) > 0 && time.Since(start) < grace+time.Second; time.Sleep(10 * time.Millisecond) {
		for _, p := range left {
			unix.Kill(p.pid, signal)
		}
		signal = 0
		if time.Since(start) > grace {
			signal = unix.SIGKILL
		}
		var err error
		if left, err = k.group.others(k.opt.exec); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("SIGKILL did not end %s of %s; look at systemctl status %s", printable.Count(len(left), "process"), k.group.unit, k.group.unit)
	}
	return nil
}

// endAll stops what was kept. A restart of the target does not reach scopes.
func endAll() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*scopeEnd)
	defer cancel()
	c, err := systemctl.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	scopes, err := c.List(ctx, layout.ScriptsScope("*", "*"))
	if err != nil {
		return err
	}
	errs := make(chan error)
	for _, s := range scopes {
		go func() { errs <- c.Stop(ctx, s.Name) }()
	}
	for range scopes {
		err = errors.Join(err, <-errs)
	}
	return err
}

// shortID distinguishes this run of the service from others.
func shortID() string {
	id := os.Getenv("INVOCATION_ID")
	if len(id) < 8 {
		return fmt.Sprint(os.Getpid())
	}
	return id[:8]
}
