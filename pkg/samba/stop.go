// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// stopWait is how long the child has for each way of being told to end. It
// takes a few milliseconds for the first one.
var stopWait = 2 * time.Second

// leaveWait is how long clients inside the child may take to end when the
// adaptor is told to. Most need a few milliseconds.
var leaveWait = 2 * time.Second

// leave takes no more clients and lets those inside the child end, for a
// while. The inbox keeps the others for the next instance.
func (w *worker) leave(why string) {
	if w.phase != serving || w.line.Open() == 0 {
		w.stop(why)
		return
	}
	w.phase, w.stopWhy, w.stopAt = leaving, why, w.now+leaveWait
	w.line.Flags.Store(0)
	w.ep.Delete(w.inbox.FD)
	w.endProbe()
	w.notify.Send(nil, "STOPPING=1", "STATUS=Stopping when its clients have ended: "+why)
}

// stop ends the child, and with it the adaptor. Connections inside the child
// end; what is in the inbox stays there for the next instance.
func (w *worker) stop(why string) {
	if w.phase >= stopping {
		return
	}
	asked := (w.phase == serving || w.phase == leaving) && !w.out.Pending()
	w.phase, w.stopWhy = stopping, why
	w.line.Flags.Store(0)
	w.ep.Delete(w.inbox.FD)
	w.endProbe()
	w.dropClient()
	w.notify.Send(nil, "STOPPING=1", "STATUS=Stopping: "+why)
	w.text.due = never
	if asked && w.sendControl(MsgShutdown, nil) == 0 {
		w.stopAt = w.now + stopWait
		return
	}
	w.pressStop()
}

// pressStop is the next, less gentle way.
func (w *worker) pressStop() {
	w.stopAt = w.now + stopWait
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

// signals carries signals to the loop: a goroutine of its own notes what came
// and wakes the loop through an eventfd.
type signals struct {
	term, hup atomic.Bool
}

func (s *signals) start(eventfd int) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	go func() {
		for sig := range ch {
			if sig == unix.SIGHUP {
				s.hup.Store(true)
			} else {
				s.term.Store(true)
			}
			unix.Write(eventfd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	}()
}

func (w *worker) signals() {
	var count [8]byte
	unix.Read(w.events, count[:])
	if w.signal.hup.Swap(false) {
		if w.phase == starting {
			w.wantHUP = true // it would end a program that has no handler yet
		} else {
			w.child.signal(unix.SIGHUP)
		}
	}
	if w.signal.term.Load() {
		w.leave("told to by a signal")
	}
}
