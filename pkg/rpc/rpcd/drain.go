// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/printable"
)

// This file owns the two ways in which a server makes room for its next
// process without being stopped:
//
//   - Leaving (SIGWINCH, msrpcctl drain): it takes no new clients and ends with
//     its last connection. Behind a broker others take them, and members of its
//     groups still come; with listeners of its own it lets new clients wait, but
//     not for long.
//   - Its program was replaced: it restarts as soon as all that is open can be
//     kept, keep.go.

// errReplaced is not a failure: systemd is to start the program again.
var errReplaced = errors.New("the program was replaced")

// leavePatience is how long new clients wait for a server that leaves.
var leavePatience = 5 * time.Second

// replacedEvery is between looks whether all connections can be kept.
const replacedEvery = time.Second

func (l *loop) leave() {
	l.leaving = true
	l.log.Log(context.Background(), journal.Notice, fmt.Sprintf("SIGWINCH: the process serves its clients to their end, then it ends (%s)", printable.Count(l.open, "connection")),
		journal.MessageID, journal.IDWorkerDrains)
	if l.line != nil {
		l.line.Drain(status.Leaving)
	}
	l.door.Hold(leavePatience)
}

// statusText is what systemctl status shows.
func (l *loop) statusText() string {
	switch {
	case l.draining:
		return fmt.Sprintf("Stopping, connections: %d, calls in progress: %d", l.open, l.running)
	case l.leaving:
		return fmt.Sprintf("Serving, connections: %d; ends with the last one, new clients go to other workers", l.open)
	}
	return fmt.Sprintf("Serving, connections: %d", l.open)
}

// acceptPatient takes those who have waited long enough for the next process.
func (l *loop) acceptPatient() {
	for i := range l.door.Listeners {
		l.door.Accept(i)
	}
	if !l.door.Paused() {
		l.door.Hold(leavePatience)
	}
}

// left reports whether a server that leaves has nothing left to do.
func (l *loop) left() bool { return l.leaving && l.open == 0 && l.running == 0 && !l.draining }

// checkProgram begins a restart when the program was replaced and nothing is
// lost by it. A connection that cannot be kept puts it off, and new clients go
// to other workers until then.
func (l *loop) checkProgram() {
	if !l.keeps || l.draining || l.Now < l.replacedAt || !l.self.Replaced(l.Now) {
		return
	}
	l.replacedAt = l.Now + replacedEvery
	if l.running == 0 && l.allKeepable() {
		l.log.Log(context.Background(), journal.Notice, fmt.Sprintf("%s was replaced: the process restarts and keeps its connections (%d)", l.self.Path, l.open),
			journal.MessageID, journal.IDWorkerDrains)
		l.restart = true
		l.drain()
		return
	}
	l.causes.Log(l.log, journal.Notice, "replaced", journal.IDWorkerDrains,
		fmt.Sprintf("%s was replaced: the process restarts when all its connections (%d) can be kept", l.self.Path, l.open))
	if l.line != nil && l.inbox != nil && !l.leaving {
		l.line.Drain(0)
	}
}

func (l *loop) allKeepable() bool {
	for _, c := range l.conns {
		if c != nil && !c.passable() {
			return false
		}
	}
	return l.groups.keepable(&l.handles)
}

// result is what run returns at its end.
func (l *loop) result() error {
	if l.restart {
		return errReplaced
	}
	return nil
}

// exitStatus is that of a program whose server ended with err.
func exitStatus(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReplaced):
		return layout.ExitReplaced
	}
	return 1
}
