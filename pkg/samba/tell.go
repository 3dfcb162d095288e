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
	told   bool // READY=1 has arrived
	open   uint64
	groups uint32
	drain  bool
}

// tell sends READY=1 and STATUS= when they are new, at most once a second. It
// never waits: a manager that does not read is told later.
func (w *worker) tell() {
	t := &w.text
	t.due = never
	if w.phase != serving {
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
	text := fmt.Sprintf("STATUS=Serving, connections: %d", open)
	if w.hasGroups() {
		text += fmt.Sprintf(", association groups: %d", groups)
	}
	if w.draining {
		text += "; ends with the last one, the program was replaced"
	}
	assignments := []string{text, "READY=1"}
	if t.told {
		assignments = assignments[:1]
	}
	if w.notify.Send(nil, assignments...) != 0 {
		t.due = w.now + tellEvery/10
		return
	}
	t.told, t.last, t.open, t.groups, t.drain = true, w.now, open, groups, w.draining
}
