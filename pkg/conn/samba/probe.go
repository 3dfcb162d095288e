// SPDX-License-Identifier: Apache-2.0

package samba

// Proof that the child has no client. Its statuses report only ends, and a
// client that it could not decode ends without one; but it answers
// MsgDumpStatus with one line for each client, after all that was sent to it
// before. Nothing at all up to the end of the file means that it has no client.

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
)

const (
	probeTimeout = 5 * time.Second  // a child that does not answer is not idle
	drainProbe   = 5 * time.Second  // between probes while draining
	settleProbe  = 60 * time.Second // between probes when idle exit is off
)

type probe struct {
	fd       int // read end of the pipe that the child writes to, valid while active
	active   bool
	somebody bool
	taken    uint64        // clients given to it when it was asked
	until    time.Duration // when to give up
	buf      [512]byte
}

// probeDue is when probeTimer has something to do.
func (w *worker) probeDue() time.Duration {
	if w.phase != serving && w.phase != leaving {
		return event.Never
	}
	if w.probe.active {
		return w.probe.until
	}
	wait := w.opt.Idle
	if w.draining {
		wait = drainProbe
	} else if wait == 0 {
		if w.line.Open() == 0 {
			return event.Never
		}
		wait = settleProbe
	}
	return max(w.lastActive, w.lastProbe) + wait
}

func (w *worker) probeTimer() {
	if w.probe.active {
		w.endProbe() // no answer in time
		return
	}
	w.startProbe()
}

// startProbe asks the child; false when it cannot be asked now.
func (w *worker) startProbe() bool {
	if w.probe.active {
		return true
	}
	w.lastProbe = w.loop.Now
	var pipe [2]int
	if w.out.Pending() || unix.Pipe2(pipe[:], unix.O_CLOEXEC) != nil {
		return false
	}
	defer unix.Close(pipe[1])
	unix.SetNonblock(pipe[0], true)
	w.ctlFD[0] = int32(pipe[1])
	if w.sendControl(MsgDumpStatus, w.ctlFD[:]) != 0 || w.loop.Add(pipe[0], unix.EPOLLIN, event.Token(kindProbe, 0, 0)) != 0 {
		unix.Close(pipe[0])
		return false
	}
	w.probe.fd, w.probe.active, w.probe.somebody = pipe[0], true, false
	w.probe.taken = w.taken
	w.probe.until = w.loop.Now + probeTimeout
	return true
}

func (w *worker) sendControl(typ uint32, fds []int32) sys.Errno {
	w.control.Finish(w.childID, w.bus.ID, typ, 0)
	d, _ := w.control.Datagram()
	w.control.Drop()
	return w.tx.Send(w.childQ, d, fds)
}

func (w *worker) endProbe() {
	if w.probe.active {
		unix.Close(w.probe.fd)
		w.probe.active, w.hold = false, false
	}
}

func (w *worker) readProbe() {
	for range takeBatch {
		if !w.probe.active {
			return
		}
		n, err := unix.Read(w.probe.fd, w.probe.buf[:])
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			return
		case n > 0:
			w.probe.somebody = true
		default:
			idle := err == nil && !w.probe.somebody && w.probe.taken == w.taken
			w.endProbe()
			if idle {
				w.childIsIdle()
			}
			return
		}
	}
}

// childIsIdle: the child has no client, and none was sent since it was asked.
func (w *worker) childIsIdle() {
	w.line.Closed.Store(w.line.Received.Load())
	w.line.Groups.Store(0)
	switch {
	case w.phase == leaving:
		w.stop(w.stopWhy)
	case w.draining:
		w.stop(w.drainWhy)
	case w.opt.Idle > 0 && w.loop.Now-w.lastActive >= w.opt.Idle && w.inbox.Empty():
		w.log.Info(fmt.Sprintf("no connection for %v, exiting", w.opt.Idle), journal.MessageID, journal.IDWorkerIdle)
		w.stop("idle")
	}
}
