// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"time"

	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/sys"
)

const (
	takeBatch = 64                    // clients taken before statuses are looked at again
	retryTime = 10 * time.Millisecond // after an error that no event ends
)

func (w *worker) serve() error {
	for w.phase != done {
		n, err := w.loop.Wait(w.due())
		if err != nil {
			return err
		}
		for i := range n {
			if err := w.event(w.loop.Event(i)); err != nil {
				return err
			}
		}
		w.timers()
		w.takeAll()
		w.manager.Tell(w.loop.Now)
	}
	return nil
}

func (w *worker) event(kind int, _ uint32, _ int, _ uint32) error {
	switch kind {
	case event.KindWake:
		w.signals()
	case kindInbox:
		w.inboxReady = true
	case kindBus:
		return w.readBus()
	case kindChild:
		return w.childEnded()
	case kindChildQ:
		w.flush()
	case kindProbe:
		w.readProbe()
	case kindLog:
		w.logChanged()
	}
	return nil
}

// due is when the adaptor has something to do without an event.
func (w *worker) due() time.Duration {
	if w.mayTake() && !w.hold {
		return 0
	}
	due := min(w.probeDue(), w.manager.Due(), w.logs.due)
	if w.retryAt != 0 {
		due = min(due, w.retryAt)
	}
	if w.lookDue && w.phase == serving {
		due = min(due, w.lookedAt+lookEvery)
	}
	if w.phase == leaving || w.phase == stopping {
		due = min(due, w.stopAt)
	}
	return due
}

func (w *worker) timers() {
	if w.retryAt != 0 && w.loop.Now >= w.retryAt {
		w.retryAt = 0
		w.flush()
	}
	if w.lookDue && w.phase == serving {
		w.checkProgram()
	}
	if w.phase == leaving && (w.line.Open() == 0 || w.loop.Now >= w.stopAt) {
		w.stop(w.stopWhy)
	}
	if w.phase == stopping && w.loop.Now >= w.stopAt {
		w.pressStop()
	}
	if w.loop.Now >= w.probeDue() {
		w.probeTimer()
	}
	if w.loop.Now >= w.logs.due {
		w.logTimer()
	}
}

// takeAll takes clients from the inbox while the child has room for them.
func (w *worker) takeAll() {
	if !w.mayTake() || w.checkProgram() {
		return
	}
	for range takeBatch {
		if !w.take() || !w.mayTake() {
			break
		}
	}
	w.shedSome()
}

// mayTake: there may be something in the inbox, and the child has room for it.
func (w *worker) mayTake() bool {
	return (w.phase == serving || w.phase == leaving) && w.inboxReady && !w.out.Pending() && !w.childGone && w.retryAt == 0 &&
		w.line.Open() < w.shed.most
}

// readBus reads what other Samba processes sent: the child's statuses.
func (w *worker) readBus() error {
	for range takeBatch {
		n, e := sys.Recv(w.bus.FD, w.busbuf, 0)
		if e != 0 {
			return nil
		}
		m, ok := w.parts.Add(w.busbuf[:n])
		if !ok {
			continue
		}
		switch {
		case m.Type == MsgShutdown && m.Src.PID != w.bus.ID.PID:
			w.stop("asked for by process " + fmt.Sprint(m.Src.PID))
		case m.Type == MsgWorkerStatus && m.Src.PID == uint64(w.child.pid):
			if err := w.status(&m); err != nil || w.line.Open() == 0 {
				return err // no connection is left whose end could come
			}
		}
	}
	return nil
}

func (w *worker) status(m *Message) error {
	s, ok := ParseWorkerStatus(m.Body)
	if !ok {
		return &layoutError{fmt.Errorf("%s sends its status in %d bytes, which no known Samba does; update msrpcd", w.opt.Exec, len(m.Body))}
	}
	if w.phase == starting {
		return w.firstStatus(m)
	}
	w.lastActive = w.loop.Now
	w.line.Ended(1)
	if s.HasGroups {
		w.line.Groups.Store(s.AssocGroups)
	} else {
		w.line.Groups.Store(uint32(w.line.Open()))
	}
	if w.draining && w.phase == serving && w.line.Open() == 0 {
		w.startProbe()
	}
	return nil
}
