// SPDX-License-Identifier: Apache-2.0

// Items of status files, and what they show of progress.

package wanted

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/preflight"
)

const (
	progressWait = 2 * time.Second // that a worker with waiting clients has to take one
	progressPoll = 100 * time.Millisecond
)

// statusFile is what was found of one rpcd's.
type statusFile struct {
	err    error        // it is not as it should be
	open   map[int]int  // connections of workers that live
	stuck  map[int]int  // connections that wait in inboxes and are not taken
	leaves map[int]bool // workers that take no new clients and end
}

func newStatusFile() statusFile {
	return statusFile{open: map[int]int{}, stuck: map[int]int{}, leaves: map[int]bool{}}
}

// lookAtStatusFiles reads all of them, and waits for those whose workers have
// clients waiting until these are taken.
func (s *State) lookAtStatusFiles(ctx context.Context) {
	waiting := map[string]map[int]uint64{} // rpcd, worker -> received
	for i := range s.Plan.Rpcds {
		r := &s.Plan.Rpcds[i]
		f := newStatusFile()
		uid, gid, err := preflight.StatusOwner(r.Kind)
		if err == nil {
			f.err = status.Check(layout.StatusFile(r.Name), r.Workers+r.Spares, uid, gid)
		}
		s.statuses[r.Name] = f
		if w := s.waiting(r, f); len(w) > 0 {
			waiting[r.Name] = w
		}
	}
	for deadline := time.Now().Add(progressWait); len(waiting) > 0 && time.Now().Before(deadline) && ctx.Err() == nil; {
		time.Sleep(progressPoll)
		for name, before := range waiting {
			now := s.waiting(s.Plan.Rpcd(name), newStatusFile())
			for i, received := range before {
				if n, still := now[i]; !still || n != received {
					delete(before, i)
				}
			}
			if len(before) == 0 {
				delete(waiting, name)
			}
		}
	}
	for name, left := range waiting {
		f := s.statuses[name]
		now := newStatusFile()
		s.waiting(s.Plan.Rpcd(name), now)
		for i := range left {
			f.stuck[i] = now.stuck[i]
		}
	}
	for name, f := range s.statuses {
		for i := range f.stuck {
			if _, left := waiting[name][i]; !left {
				delete(f.stuck, i)
			}
		}
	}
}

// waiting fills in what a status file has now: for each worker whose inbox has
// connections, how many it has received.
func (s *State) waiting(r *plan.Rpcd, into statusFile) map[int]uint64 {
	f, err := status.Copy(layout.StatusFile(r.Name))
	if err != nil {
		return nil
	}
	defer f.Close()
	received := map[int]uint64{}
	for i := range min(f.Len(), r.Workers+r.Spares) {
		l := f.Worker(i)
		if f.WorkerAlive(i) {
			into.open[i] = int(min(l.Open(), 1<<30))
			into.leaves[i] = l.Flags.Load()&status.Leaving != 0
		}
		n, sent := l.Received.Load(), f.Sent(i).Sent.Load()
		// What was lost with an inbox is settled by the worker's next start.
		if sent > n && !r.Direct && s.sockets != nil && s.sockets.Queued(layout.Inbox(r.Name, i)) {
			received[i], into.stuck[i] = n, int(min(sent-n, 1<<30))
		}
	}
	return received
}

// statusOf: the status file of one rpcd is a file of the right length, mode and
// owners.
type statusOf struct{ r *plan.Rpcd }

func (o statusOf) Check(_ context.Context, s *State) []Finding {
	err := s.statuses[o.r.Name].err
	if err == nil || !s.serving() {
		return nil
	}
	if errors.Is(err, os.ErrPermission) {
		s.unknown(checkStatusFiles, errNotRoot, false)
		return nil
	}
	return []Finding{found(checkStatusFiles, "%v", err).of(o.r.Name, "").named("status "+o.r.Name, directoryID(layout.RpcdDir(o.r.Name)), fileSystemID).
		refreshed(mend{step: stepDirectories, rpcd: o.r.Name})}
}

// mapped reports whether process pid has the file at path mapped; ok is false
// when that cannot be seen.
func (s *State) mapped(pid int, path string) (mapped, ok bool) {
	var st unix.Stat_t
	maps := s.read(fmt.Sprint(pid), "maps")
	if maps == "" || unix.Stat(path, &st) != nil {
		return false, false
	}
	inode := fmt.Sprint(st.Ino)
	for _, line := range strings.Split(maps, "\n") {
		if f := strings.Fields(line); len(f) >= 6 && f[4] == inode {
			return true, true
		}
	}
	return false, true
}

// progress: no worker lets clients wait.
type progress struct{ r *plan.Rpcd }

func (p progress) Check(_ context.Context, s *State) []Finding {
	var fs []Finding
	for i, n := range s.statuses[p.r.Name].stuck {
		service := layout.WorkerService(p.r.Name, i)
		u, _ := s.unit(service)
		f := found(checkProgress, "%s does not take the clients that wait for it (%d)", service, n).of(p.r.Name, service).
			named("stuck "+service, s.unitID(service), "inbox "+p.r.Name, "status "+p.r.Name, "sandbox")
		pid, running := s.mainPID(service)
		switch {
		case running && s.stopped(pid):
			f = f.remedy(fmt.Sprintf("its process was stopped by a signal: run kill -CONT %d", pid), fmt.Sprintf("kill -CONT %d", pid))
		case running:
			f = f.remedy(fmt.Sprintf("run systemctl restart %s, which ends the connections that it has; the others stay in its inbox", service), "systemctl restart "+service)
		case u.Load == "masked":
			f = f.remedy("unmask it, then "+runRefresh, "systemctl unmask "+service, refreshCommand)
		default:
			f = f.remedy(fmt.Sprintf("run systemctl start %s; journalctl -u %s says why it did not start by itself", service, service), "systemctl start "+service)
		}
		fs = append(fs, f)
	}
	return fs
}

// stopped reports whether a process was stopped by a signal.
func (s *State) stopped(pid int) bool {
	stat := s.read(fmt.Sprint(pid), "stat")
	_, rest, _ := strings.Cut(stat, ") ")
	return strings.HasPrefix(rest, "T") || strings.HasPrefix(rest, "t")
}
