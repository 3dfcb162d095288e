// SPDX-License-Identifier: Apache-2.0

package samba

// Drain: no new groups, those inside are served to their end, then the worker
// ends, and the next client starts it again with the program and the unit that
// are there then. What begins it:
//
//   - the rpcd's program, one of its libraries or the adaptor's own program was
//     replaced: new groups still come where no other worker can take them;
//   - SIGWINCH, which msrpcctl sends: none at all;
//   - SIGTERM and SIGINT, stop.go: none at all, and only for a while.
//
// What the broker has sent already is served like what was there before.

import (
	"fmt"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/program"
	"msrpcd/pkg/wire/printable"
)

const (
	lookEvery    = 50 * time.Millisecond // between looks whether the rpcd was replaced, while it has clients
	libraryEvery = 10 * time.Second      // between looks at its libraries
)

// drain begins to drain. flags is status.Leaving when not even the broker's last
// resort may be this worker.
func (w *worker) drain(why string, flags uint32) {
	if w.draining {
		w.line.Drain(w.line.Flags.Load()&status.Leaving | flags)
		return
	}
	w.draining, w.drainWhy = true, why
	w.line.Drain(flags)
	w.causes.Log(w.log, journal.Notice, "drain", journal.IDWorkerDrains,
		fmt.Sprintf("%s: the worker serves its clients to their end, then it ends (%s)", why, printable.Count(w.line.Open(), "connection")))
	if w.line.Open() == 0 && w.phase == serving {
		w.hold = w.startProbe()
	}
}

// checkProgram looks whether programs were replaced, before a client is taken.
// Without connections the inbox is left to a new instance. It reports whether
// the inbox is to be left alone for now.
func (w *worker) checkProgram() bool {
	if w.draining || w.hold {
		return w.hold
	}
	if w.line.Open() > 0 && w.loop.Now < w.lookedAt+lookEvery {
		w.lookDue = true
		return false
	}
	w.lookedAt, w.lookDue = w.loop.Now, false
	w.findLog()
	if what := w.replaced(); what != "" {
		w.drain(what+" was replaced", 0)
	}
	return w.hold
}

// replaced names what is no longer what runs, "" for nothing.
func (w *worker) replaced() string {
	if id, ok := w.exec.ID(); ok && id != w.execID {
		return w.opt.Exec
	}
	if w.self.Replaced(w.loop.Now) {
		return w.self.Path
	}
	if w.loop.Now >= w.librariesAt {
		w.librariesAt = w.loop.Now + libraryEvery
		return program.ReplacedLibrary(w.child.pid)
	}
	return ""
}
