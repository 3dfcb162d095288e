// SPDX-License-Identifier: Apache-2.0

package inbox

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

// Line is a worker's line of the status file, held while it lives.
type Line struct {
	*status.WorkerLine
	sent *status.SentLine
}

// LockLine takes the line of worker index for a new incarnation: what was
// received before has ended with the last one. The error names the process that has it.
func LockLine(name string, index int) (*Line, error) {
	path := layout.StatusFile(name)
	f, err := status.Open(path, true)
	if err != nil {
		return nil, fmt.Errorf("%w; msrpc-preflight.service makes it: systemctl reload-or-restart %s", err, layout.PreflightService)
	}
	if index < 0 || index >= f.Len() {
		return nil, fmt.Errorf("status file %s has no line for worker %d; run msrpcctl refresh", path, index)
	}
	line := f.Worker(index)
	if err := f.LockWorker(index); errors.Is(err, status.ErrLocked) {
		return nil, fmt.Errorf("worker %d of rpcd %s runs already as process %d; stop that one, or start workers only through %s",
			index, name, line.PID.Load(), layout.WorkerService(name, index))
	} else if err != nil {
		return nil, err
	}
	var id [8]byte
	rand.Read(id[:])
	line.Flags.Store(0)
	line.Drains.Store(0)
	line.Groups.Store(0)
	line.Closed.Store(line.Received.Load())
	line.StartID.Store(binary.LittleEndian.Uint64(id[:]) | 1)
	return NewLine(line, f.Sent(index)), nil
}

// NewLine joins the two lines of one worker.
func NewLine(worker *status.WorkerLine, sent *status.SentLine) *Line { return &Line{worker, sent} }

// Sent is how many connections the broker says to have sent. To be read before
// the Receive that finds the inbox empty, for SettleLost.
func (l *Line) Sent() uint64 { return l.sent.Sent.Load() }

// SettleLost counts hand-overs that no living process has: sent, but no longer
// in the inbox and never received. The broker counts after it has sent, so what
// was counted before the inbox was seen empty was in it.
func (l *Line) SettleLost(sent uint64) {
	if r := l.Received.Load(); r < sent {
		l.Received.Store(sent)
		l.Ended(sent - r)
	}
}

// Ended counts connections that are no more, never more than were received.
func (l *Line) Ended(n uint64) { l.Closed.Store(min(l.Closed.Load()+n, l.Received.Load())) }

// Resumed counts connections that outlived the last incarnation, which LockLine
// took for ended.
func (l *Line) Resumed(n uint64) { l.Closed.Store(l.Closed.Load() - min(n, l.Closed.Load())) }

// Drain shows the broker and msrpcctl that the worker takes no new groups, with
// status.Leaving among flags none at all.
func (l *Line) Drain(flags uint32) {
	var ts unix.Timespec
	if l.Drains.Load() == 0 && unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) == nil {
		l.Drains.Store(uint64(ts.Nano()))
	}
	l.Flags.Store(status.Ready | status.Draining | flags)
}

// Clear says that the worker serves no more.
func (l *Line) Clear() {
	l.Flags.Store(0)
	l.Drains.Store(0)
	l.Groups.Store(0)
	l.ChildPID.Store(0)
	l.PID.Store(0)
}
