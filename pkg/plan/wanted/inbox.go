// SPDX-License-Identifier: Apache-2.0

// Items of inboxes: each that the broker may send to is open, systemd has it,
// and a worker that runs has the same one.

package wanted

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/listeners"
	"msrpcd/pkg/plan/plan"
)

// inboxes: all inboxes of one rpcd that are wanted now are open. Which they are is
// in setting/inboxes.go.
type inboxes struct{ r *plan.Rpcd }

func (b inboxes) Check(_ context.Context, s *State) []Finding {
	if s.units == nil || s.sockets == nil || !s.serving() {
		return nil
	}
	bad, first := []int{}, ""
	wanted := b.wanted(s)
	for _, i := range wanted {
		name := layout.WorkerSocket(b.r.Name, i)
		if u, _ := s.unit(name); u.Load == "masked" {
			continue // a finding of its own
		}
		if what := s.inbox(b.r.Name, i); what != "" {
			if bad = append(bad, i); first == "" {
				first = what
			}
		}
	}
	if len(bad) == 0 {
		return b.stale(s)
	}
	name := layout.WorkerSocket(b.r.Name, bad[0])
	f := found(checkInboxes, "%d of %d inboxes of %s cannot take connections: %s", len(bad), len(wanted), b.r.Name, first).of(b.r.Name, name).
		named("inbox "+b.r.Name, "target", "unit files", directoryID(layout.RpcdDir(b.r.Name)))
	for _, i := range bad {
		// A worker that only ends again and again leaves its inbox open.
		if u, _ := s.unit(layout.WorkerService(b.r.Name, i)); u.Load != "loaded" {
			f.because = append(f.because, s.unitID(u.Name))
		}
	}
	f.Remedy = fmt.Sprintf("%s, which opens them; never restart a single inbox", runRefresh)
	return []Finding{f.refreshed(mend{step: stepInbox, rpcd: b.r.Name, indices: bad})}
}

// wanted are the indices whose inboxes should be open. While no broker has run
// there are none; one that failed, or whose worker runs, counts in any case.
func (b inboxes) wanted(s *State) []int {
	var list []int
	opened := map[int]bool{}
	for i := range b.r.Indices() {
		worker := layout.WorkerService(b.r.Name, i)
		if next, ok := b.r.Next(i); ok && s.served(worker) {
			opened[next] = true
		}
		u := s.units[layout.WorkerSocket(b.r.Name, i)]
		if opened[i] || b.r.FromStart(i) && s.up(b.r.Service()) || u.Up() || u.Active == "failed" || s.up(worker) {
			list = append(list, i)
		}
	}
	return list
}

// openTime is how long a worker that is ready has to open the next inbox.
const openTime = 2 * time.Second

// served reports whether a worker has been ready for so long that it has opened the
// next inbox.
func (s *State) served(worker string) bool {
	return s.units[worker].Active == "active" && s.age(s.details[worker], "ActiveEnterTimestampMonotonic") > openTime
}

// inbox says what is wrong with an inbox, "" for nothing.
func (s *State) inbox(rpcd string, i int) string {
	path := layout.Inbox(rpcd, i)
	u, _ := s.unit(layout.WorkerSocket(rpcd, i))
	state, inode := s.sockets.Bound(path)
	switch {
	case state == listeners.NodeLive && !s.Root && u.Up():
		return ""
	case state == listeners.NodeLive && s.sockets.HeldBySystemd(inode):
		return ""
	case state == listeners.NodeLive:
		return path + " is held by " + s.holders(s.sockets.Holders(inode)) + " and not by systemd"
	case state == listeners.NodeDead:
		return path + " has no socket behind it any more"
	}
	st, err := os.Lstat(path)
	switch {
	case err == nil:
		return fmt.Sprintf("%s is not a socket (%s)", path, st.Mode().Type())
	case errors.Is(err, fs.ErrPermission):
		return ""
	case u.Active == "failed":
		return u.Name + " failed" + s.reason(u.Name)
	case !u.Up():
		return fmt.Sprintf("%s is %s", u.Name, u.Active)
	}
	return path + " is not there"
}

// stale finds workers that read another inbox than the one that systemd has.
func (b inboxes) stale(s *State) []Finding {
	if !s.Root {
		return nil
	}
	var fs []Finding
	for i := range b.r.Workers + b.r.Spares {
		service := layout.WorkerService(b.r.Name, i)
		pid, ok := s.mainPID(service)
		u := s.units[service]
		if !ok || u.Active != "active" {
			continue
		}
		state, inode := s.sockets.Bound(layout.Inbox(b.r.Name, i))
		if state != listeners.NodeLive || slices.ContainsFunc(s.sockets.Holders(inode), func(h listeners.Holder) bool { return h.PID == pid }) {
			continue
		}
		if has, ok := s.holds(pid, inode); has || !ok {
			continue // it ended, or began, between the looks at units and at sockets
		}
		fs = append(fs, found(checkInboxes, "%s reads another inbox than %s", service, layout.Inbox(b.r.Name, i)).of(b.r.Name, service).
			named("stale "+service, s.unitID(service)).
			refreshed(mend{step: stepRenew, unit: service, rpcd: b.r.Name, indices: []int{i}}).
			remedy(runRefresh+", which lets it end when its clients have", refreshCommand))
	}
	return fs
}

// holds reports whether process pid has the socket open now; ok is false when
// the process has ended.
func (s *State) holds(pid int, inode uint64) (has, ok bool) {
	dir := filepath.Join(s.Proc, fmt.Sprint(pid), "fd")
	names, err := os.ReadDir(dir)
	for _, n := range names {
		if to, err := os.Readlink(filepath.Join(dir, n.Name())); err == nil && to == fmt.Sprintf("socket:[%d]", inode) {
			return true, true
		}
	}
	return false, err == nil && len(names) > 0
}
