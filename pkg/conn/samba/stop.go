// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/wire/printable"
)

// stopWait is how long the child has for each way of being asked to end. It
// takes a few milliseconds for the first one.
var stopWait = 2 * time.Second

// leaveWait is how long clients inside the child may take to end where nothing
// says that they have longer. Most need a few milliseconds.
var leaveWait = 2 * time.Second

// leave drains for a while. The inbox keeps for the next instance what comes
// after the end. With brief clients have leaveWait, else what stopOrder says.
func (w *worker) leave(why string, brief bool) {
	switch {
	case w.phase == leaving && brief:
		w.stopAt = min(w.stopAt, w.loop.Now+leaveWait)
		return
	case w.phase == leaving:
		return
	case w.phase != serving || w.line.Open() == 0:
		w.stop(why)
		return
	}
	w.phase, w.stopWhy, w.leaveAt, w.stopAt = leaving, why, w.loop.Now, w.loop.Now+leaveWait
	w.draining = true
	w.line.Drain(status.Leaving)
	w.manager.Stopping()
	if !brief {
		go w.order.ask(w.opt.Name, w.opt.Index, w.loop.Wake)
	}
}

// takeOrder reads what the service manager said of the stop.
func (w *worker) takeOrder() {
	o := w.order.answer.Swap(nil)
	if o == nil || w.phase != leaving {
		return
	}
	if o.limit > 0 {
		w.stopAt, w.stopWait = w.leaveAt+o.limit, o.press
	}
	w.causes.Log(w.log, journal.Notice, "leave", journal.IDWorkerDrains,
		fmt.Sprintf("%s; its connections have %s to end (%d)%s", w.stopWhy, duration(w.stopAt-w.leaveAt), w.line.Open(), o.note))
}

// stop ends the child, and with it the adaptor. Connections inside the child
// end; what is in the inbox stays there for the next instance.
func (w *worker) stop(why string) {
	if w.phase >= stopping {
		return
	}
	asked := (w.phase == serving || w.phase == leaving) && !w.out.Pending()
	if n := w.line.Open(); w.phase == leaving && n > 0 {
		w.log.Warn(printable.Count(n, "connection")+" did not end in time: closed", journal.MessageID, journal.IDWorkerDrains)
	}
	w.phase, w.stopWhy = stopping, why
	w.line.Flags.Store(0)
	w.loop.Delete(w.inbox.FD)
	w.endProbe()
	w.dropClient()
	w.manager.Stopping()
	if asked && w.sendControl(MsgShutdown, nil) == 0 {
		w.stopAt = w.loop.Now + w.stopWait
		return
	}
	w.pressStop()
}

// pressStop is the next, less gentle way.
func (w *worker) pressStop() {
	w.stopAt = w.loop.Now + w.stopWait
	if w.stopStep++; w.stopStep == 1 {
		w.child.signal(unix.SIGTERM)
		return
	}
	w.child.signal(unix.SIGKILL)
}

func (w *worker) childEnded() error {
	ws, ended := w.child.reap()
	if !ended {
		return nil
	}
	asked := w.phase == stopping
	w.phase = done
	if asked {
		return nil
	}
	return w.childError(ws)
}

func (w *worker) signals() {
	if w.loop.Caught(unix.SIGHUP) {
		if w.phase == starting {
			w.wantHUP = true // it would end a program that has no handler yet
		} else {
			w.child.signal(unix.SIGHUP)
		}
	}
	if w.loop.Caught(unix.SIGWINCH) {
		switch w.phase {
		case starting:
			w.wantDrain = true
		case serving:
			w.drain("asked for by SIGWINCH", status.Leaving)
		}
	}
	if w.loop.Caught(unix.SIGTERM) {
		w.leave("asked for by SIGTERM", false)
	}
	if w.loop.Caught(unix.SIGINT) {
		w.leave("asked for by SIGINT", true)
	}
	w.takeOrder()
}
