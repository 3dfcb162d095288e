// SPDX-License-Identifier: Apache-2.0

// Scopes: units for processes that systemd did not start.

package systemctl

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Scope describes a scope unit that is to be made.
type Scope struct {
	Name        string
	Description string
	Slice       string
	PartOf      string        // unit that the scope is stopped with
	PIDs        []uint32      // its processes, which are moved
	StopTimeout time.Duration // between SIGTERM and SIGKILL at its stop
}

// StartScope makes a scope and waits until the processes are in it.
func (c *Conn) StartScope(ctx context.Context, s Scope) error {
	property := func(name string, value any) dbus.Property {
		return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
	}
	done := make(chan string, 1)
	_, err := c.bus.StartTransientUnitContext(ctx, s.Name, "fail", []dbus.Property{
		property("Description", s.Description),
		property("Slice", s.Slice),
		property("PartOf", []string{s.PartOf}),
		property("CollectMode", "inactive-or-failed"),
		property("TimeoutStopUSec", uint64(s.StopTimeout/time.Microsecond)),
		property("PIDs", s.PIDs),
	}, done)
	if err != nil {
		return fmt.Errorf("make %s: %w", s.Name, explain(err))
	}
	return await(ctx, "start", s.Name, done)
}
