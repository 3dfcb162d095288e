// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"time"
)

// tellEvery bounds how often the service manager is told what is shown by
// systemctl status.
const tellEvery = time.Second

// statusText is what the service manager knows.
type statusText struct {
	due    time.Duration // when to tell again; never: nothing new
	last   time.Duration
	told   bool // a text has arrived, and nothing but numbers has changed since
	ready  bool // READY=1 has arrived
	open   uint64
	groups uint32
	drain  bool
}

// tell sends READY=1 and STATUS= when they are new, at most once a second. It
// never waits: a manager that does not read is told later.
func (w *worker) tell() {
	t := &w.text
	t.due = never
	if w.phase != serving && w.phase != leaving {
		return
	}
	open, groups := w.line.Open(), w.line.Groups.Load()
	if t.told && open == t.open && groups == t.groups && w.draining == t.drain {
		return
	}
	if t.told && w.now < t.last+tellEvery {
		t.due = t.last + tellEvery
		return
	}
	text := w.statusLine(open, groups)
	assignments := []string{text, "READY=1"}
	if t.ready {
		assignments = assignments[:1]
	}
	if w.notify.Send(nil, assignments...) != 0 {
		t.due = w.now + tellEvery/10
		return
	}
	t.told, t.ready, t.last, t.open, t.groups, t.drain = true, true, w.now, open, groups, w.draining
}

// statusLine is what systemctl status shows.
func (w *worker) statusLine(open uint64, groups uint32) string {
	if w.phase == leaving {
		until := "they have all the time they need"
		if rest := w.stopAt - w.now; rest < never/4 {
			until = "they have until " + time.Now().Add(rest).Format("15:04:05")
		}
		return fmt.Sprintf("STATUS=Stopping, connections: %d; %s, new ones go to other workers", open, until)
	}
	text := fmt.Sprintf("STATUS=Serving, connections: %d", open)
	if w.hasGroups() {
		text += fmt.Sprintf(", association groups: %d", groups)
	}
	if w.draining {
		text += "; ends with the last one, " + w.drainWhy
	}
	return text
}
