// SPDX-License-Identifier: Apache-2.0

// Units as systemd has them: lists by pattern and properties by name. Values
// that are missing or of another type read as zero, since versions differ.

package systemctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// Unit is one line of systemctl list-units.
type Unit struct {
	Name        string
	Description string
	Load        string // loaded, not-found, masked, error ...
	Active      string // active, inactive, failed, activating, deactivating, reloading
	Sub         string // running, listening, dead ...
	Job         string // type of the queued job, "" for none
}

// Queued reports whether the unit has a job that brings it up.
func (u Unit) Queued() bool {
	return u.Job == "start" || u.Job == "restart" || u.Job == "verify-active"
}

// Up reports whether the unit is active or on its way there.
func (u Unit) Up() bool {
	return u.Active == "active" || u.Active == "activating" || u.Active == "reloading" || u.Active == "refreshing"
}

// List returns the loaded units that match one of the shell patterns.
func (c *Conn) List(ctx context.Context, patterns ...string) ([]Unit, error) {
	list, err := c.bus.ListUnitsByPatternsContext(ctx, nil, patterns)
	if err != nil {
		return nil, fmt.Errorf("list units %s: %w", join(patterns), explain(err))
	}
	units := make([]Unit, 0, len(list))
	for _, u := range list {
		units = append(units, Unit{Name: u.Name, Description: u.Description,
			Load: u.LoadState, Active: u.ActiveState, Sub: u.SubState, Job: u.JobType})
	}
	return units, nil
}

// Get returns the units of these names in this order, loading them when need
// be. A name without a unit has Load "not-found".
func (c *Conn) Get(ctx context.Context, names ...string) ([]Unit, error) {
	if len(names) == 0 {
		return nil, nil
	}
	list, err := c.bus.ListUnitsByNamesContext(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("look at units %s: %w", join(names), explain(err))
	}
	byName := map[string]Unit{}
	for _, u := range list {
		byName[u.Name] = Unit{Name: u.Name, Description: u.Description,
			Load: u.LoadState, Active: u.ActiveState, Sub: u.SubState, Job: u.JobType}
	}
	units := make([]Unit, len(names))
	for i, n := range names {
		u, ok := byName[n]
		if !ok {
			u = Unit{Name: n, Load: "not-found", Active: "inactive", Sub: "dead"}
		}
		units[i] = u
	}
	return units, nil
}

// Properties are the properties of one unit, those of its type included.
type Properties map[string]any

// Properties returns all properties of a unit.
func (c *Conn) Properties(ctx context.Context, unit string) (Properties, error) {
	p, err := c.bus.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", unit, explain(err))
	}
	return p, nil
}

// Text returns a property of type s.
func (p Properties) Text(name string) string {
	s, _ := value(p[name]).(string)
	return s
}

// Texts returns a property of type as.
func (p Properties) Texts(name string) []string {
	s, _ := value(p[name]).([]string)
	return s
}

// Pair returns a property of type (ss), whose two texts are joined; "" for none.
func (p Properties) Pair(name string) string {
	pair, _ := value(p[name]).([]any)
	var words []string
	for _, v := range pair {
		if s, _ := v.(string); s != "" {
			words = append(words, s)
		}
	}
	return strings.Join(words, ": ")
}

// Pairs returns a property of type a(ss).
func (p Properties) Pairs(name string) (all [][2]string) {
	list, _ := value(p[name]).([][]any)
	for _, pair := range list {
		if len(pair) == 2 {
			a, _ := pair[0].(string)
			b, _ := pair[1].(string)
			all = append(all, [2]string{a, b})
		}
	}
	return all
}

// Command returns the words of the first command of a property such as
// ExecStart, of type a(sasbttttuii).
func (p Properties) Command(name string) []string {
	commands, _ := value(p[name]).([][]any)
	if len(commands) == 0 || len(commands[0]) < 2 {
		return nil
	}
	argv, _ := commands[0][1].([]string)
	return argv
}

// Flag returns a property of type b.
func (p Properties) Flag(name string) bool {
	b, _ := value(p[name]).(bool)
	return b
}

// Number returns a property of type u, t or i; the largest value of the type,
// which systemd uses for "not set", and anything else reads as ok false.
func (p Properties) Number(name string) (n uint64, ok bool) {
	switch v := value(p[name]).(type) {
	case uint32:
		return uint64(v), v != ^uint32(0)
	case uint64:
		return v, v != ^uint64(0)
	case int32:
		return uint64(v), v >= 0
	}
	return 0, false
}

func value(v any) any {
	if variant, ok := v.(godbus.Variant); ok {
		return variant.Value()
	}
	return v
}

// SystemState is what systemctl is-system-running says.
func (c *Conn) SystemState(ctx context.Context) (string, error) {
	p, err := c.bus.SystemStateContext(ctx)
	if err != nil {
		return "", fmt.Errorf("ask for the state of the system: %w", explain(err))
	}
	s, _ := p.Value.Value().(string)
	return s, nil
}

// Monotonic is now by the clock of properties such as
// InactiveEnterTimestampMonotonic.
func Monotonic() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano())
}
