// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/listeners"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
)

// Sockets is what the kernel has; *listeners.Snapshot is it.
type Sockets interface {
	Node(path string) (listeners.NodeState, uint64)
	Bound(path string) (listeners.NodeState, uint64)
	Queued(path string) bool
	ListenersOn(port int) []listeners.TCP
	UsersOf(port int) []listeners.TCP
	Holders(inode uint64) []listeners.Holder
	HeldBySystemd(inode uint64) bool
}

// Host is where to look; tests have their own.
type Host struct {
	Manager   Manager // nil without systemd
	Proc      string  // "/proc"
	Generator string  // directory of the generator's output
	Root      bool    // all processes and directories can be looked at
	Samba     func(context.Context, config.Global) (*config.Samba, error)
	Sockets   func() (Sockets, error)
	Addresses func(*config.Samba) ([]string, error) // that TCP listeners should have, nil = all
}

// HostSockets takes a snapshot of this host's.
func HostSockets() (Sockets, error) { return listeners.Read() }

// State is what is, read once.
type State struct {
	Plan *plan.Plan // the wanted state follows from it
	Host
	Unknown []Unknown // what could not be looked at

	units     map[string]systemctl.Unit       // nil without systemd
	details   map[string]systemctl.Properties // of those that need a second look
	sockets   Sockets                         // nil when the kernel does not answer
	processes []listeners.Holder
	statuses  map[string]statusFile // of rpcds
	samba     *config.Samba         // smb.conf as it is now; nil with sambaErr
	sambaErr  error
	now       time.Duration // of the clock that systemd's time stamps use
}

// Unknown is something that could not be looked at.
type Unknown struct {
	What  string
	Err   error
	Whole bool // nothing of its kind is known, else only what an ordinary user may not see
}

func (u Unknown) String() string { return fmt.Sprintf("%s: %v", u.What, u.Err) }

var errNotRoot = errors.New("only root can see it; run this as root")

// unknown notes what cannot be looked at, once.
func (s *State) unknown(what string, err error, whole bool) {
	for _, u := range s.Unknown {
		if u.What == what {
			return
		}
	}
	s.Unknown = append(s.Unknown, Unknown{what, err, whole})
}

// Look reads everything that Check needs.
func Look(ctx context.Context, h Host, p *plan.Plan) *State {
	s := &State{Plan: p, Host: h, now: systemctl.Monotonic(), statuses: map[string]statusFile{}}
	s.lookAtUnits(ctx)
	var err error
	if s.sockets, err = h.Sockets(); err != nil {
		s.sockets = nil
		s.unknown("listeners", err, true)
	}
	s.processes = listeners.Processes(h.Proc)
	s.samba, s.sambaErr = h.Samba(ctx, p.Config.Global)
	s.lookAtStatusFiles(ctx)
	return s
}

// otherUnits are those that are not ours and matter to us.
var otherUnits = []string{"smbd.service", "smb.service", "samba-ad-dc.service", "samba.service"}

// lookAtUnits asks systemd for our units in two calls, and for the properties
// of those that run or failed.
func (s *State) lookAtUnits(ctx context.Context) {
	if s.Manager == nil {
		s.unknown("units", systemctl.ErrNotBooted, true)
		return
	}
	names := append([]string{layout.Target, layout.PreflightService, layout.RefreshPath, layout.AuthService, winbindUnit}, otherUnits...)
	for i := range s.Plan.Rpcds {
		names = append(names, unitsOf(&s.Plan.Rpcds[i])...)
	}
	listed, err := s.Manager.List(ctx, "msrpc-*", "msrpc.*")
	if err != nil {
		s.unknown("units", err, true)
		return
	}
	loaded, err := s.Manager.Get(ctx, names...)
	if err != nil {
		s.unknown("units", err, true)
		return
	}
	s.units, s.details = map[string]systemctl.Unit{}, map[string]systemctl.Properties{}
	for _, u := range append(listed, loaded...) {
		s.units[u.Name] = u
	}
	for name, u := range s.units {
		if !strings.HasPrefix(name, "msrpc") || name != layout.Target && name != layout.AuthService && u.Active == "inactive" && u.Load != "bad-setting" && u.Load != "error" {
			continue
		}
		if p, err := s.Manager.Properties(ctx, name); err == nil {
			s.details[name] = p
		}
	}
}

// unitsOf names what one rpcd has: its listeners, its service, and inboxes and
// workers that may be wanted.
func unitsOf(r *plan.Rpcd) []string {
	var names []string
	for _, l := range r.Listeners {
		names = append(names, l.Unit)
	}
	names = append(names, r.Service())
	if r.Direct {
		return names
	}
	for i := range min(r.Workers+2, r.Indices()) {
		names = append(names, layout.WorkerSocket(r.Name, i), layout.WorkerService(r.Name, i))
	}
	return names
}

// unit is what systemd says of a unit; ok: systemd could be asked.
func (s *State) unit(name string) (u systemctl.Unit, ok bool) {
	if s.units == nil {
		return systemctl.Unit{Name: name}, false
	}
	u, known := s.units[name]
	if !known {
		u = systemctl.Unit{Name: name, Load: "loaded", Active: "inactive", Sub: "dead"}
	}
	return u, true
}

// up reports whether systemd says that a unit is active.
func (s *State) up(name string) bool {
	u, ok := s.unit(name)
	return ok && u.Up()
}

// serving reports whether the target is up, so that everything else should be.
func (s *State) serving() bool { return s.up(layout.Target) }

// holder describes a process, with the unit that it runs in.
func (s *State) holder(h listeners.Holder) string {
	return describe(s.Proc, h)
}

// read is a small file below /proc, "" when it cannot be read.
func (s *State) read(parts ...string) string {
	b, _ := os.ReadFile(strings.Join(append([]string{s.Proc}, parts...), "/"))
	return string(b)
}
