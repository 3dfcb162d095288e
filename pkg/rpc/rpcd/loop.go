// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/program"
	"msrpcd/pkg/host/sys"
)

// loop is the state of a serving process. One thread owns it; the goroutines of
// blocking operations touch only done and the handles, under their locks.
type loop struct {
	srv    *Server
	env    environment
	log    *slog.Logger
	causes journal.Limiter
	notify *sys.Notifier

	ep        *sys.Epoll
	wake      int // eventfd: a signal, or a blocking operation has ended
	listeners []listener
	endpoints []endpoint.Endpoint
	inbox     *inbox.Inbox // nil with direct activation
	line      *inbox.Line
	conns     []*conn // by descriptor
	open      int
	fdLimit   int // RLIMIT_NOFILE
	unbound   unbound
	rootUID   uint32 // whom named pipe identities are taken from: 0, except in tests
	groups    *groups
	keeps     bool // there is a service manager to keep connections
	lot       *parking.Lot
	keepAt    time.Duration  // park again then
	young     []young        // not parked yet, the oldest first
	lastID    uint64         // in the parking
	serving   *atomic.Uint64 // the kept connection whose event is served: in the status file
	keepUntil time.Time      // at the end: how long the manager is waited for
	final     bool           // everything is written down for the next process
	passedOn  bool           // there is something written down
	mgmt      *Interface
	ids       []ifID     // of mgmt, reused
	stats     [4]uint32  // of mgmt: calls in, calls out, PDUs in, PDUs out
	handles   sync.Mutex // of all groups
	partial   int        // bytes that unfinished calls hold
	unsent    int        // bytes that answers hold which clients do not take

	mu         sync.Mutex
	done       []*Call // blocking calls that have ended
	stopping   bool    // asked for, under mu
	leaveAsked bool    // drain.go, under mu

	running    int // blocking calls
	gen        uint32
	now        time.Duration // since start
	start      time.Time
	startNS    int64 // the same by CLOCK_MONOTONIC, for the parking
	lastActive time.Duration
	lastTell   time.Duration
	ready      bool   // systemd knows that we are
	told       string // status line that systemd has
	lastText   string // status line for lastOpen connections
	lastOpen   int
	acceptAt   time.Duration // accept again then, 0: any time
	draining   bool          // no new connections; ends when no call runs
	drainUntil time.Duration
	leaving    bool // drain.go: no new clients; ends with the last connection
	restart    bool // draining, for a program that was replaced
	self       *program.Self
	replacedAt time.Duration // when to look again

	in    [readSize]byte // what was read last
	pdu   [1 << 16]byte  // a PDU without message headers
	out   []byte         // answers of the connection in turn
	stub  []byte         // results of an operation
	file  []byte         // of a connection that is parked
	state []byte         // of a connection that is kept
	call  Call           // of operations that do not block
}

const (
	readSize    = 3 << 16 // np: a PDU may come in messages of a single byte
	keepBuffer  = 1 << 18 // longer buffers are not kept between calls
	acceptBatch = 64
	acceptPause = 100 * time.Millisecond
	drainLimit  = 10 * time.Second // for calls in progress at a stop
	spinTime    = 50 * time.Microsecond
)

// Tokens of events: kind, generation of the connection, index.
const (
	kindWake = iota + 1
	kindInbox
	kindListener
	kindConn
)

func token(kind int, gen uint32, index int) uint64 {
	return uint64(kind)<<60 | uint64(gen&0xfffffff)<<32 | uint64(uint32(index))
}

func newLoop(s *Server, env environment, log *slog.Logger) (*loop, error) {
	s.Limits.setDefaults()
	l := &loop{srv: s, env: env, log: log, start: time.Now(),
		groups: newGroups(env.index, env.indexBits, s.Limits.Groups), self: program.NewSelf()}
	l.mgmt = newMgmt(l)
	l.serving = new(atomic.Uint64)
	var err error
	if l.notify, err = sys.NewNotifier(); err != nil {
		return nil, err
	}
	if l.ep, err = sys.NewEpoll(); err != nil {
		return nil, err
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	l.startNS = ts.Nano()
	if l.fdLimit, err = sys.DescriptorLimit(); err != nil {
		return nil, err
	}
	l.ep.Spin(spinTime)
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	l.ep.Add(l.wake, unix.EPOLLIN, token(kindWake, 0, 0))
	l.initKeep()
	return l, nil
}

// stop makes run end soon; from any goroutine.
func (l *loop) stop() {
	l.mu.Lock()
	l.stopping = true
	l.mu.Unlock()
	l.ring()
}

func (l *loop) ring() {
	one := [8]byte{1}
	unix.Write(l.wake, one[:])
}

// run serves until stop, or until there was no connection for the idle time.
func (l *loop) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if l.line != nil {
		l.line.Flags.Store(status.Ready)
	}
	if err := l.tellReady(); err != nil {
		return err
	}
	for {
		n, errno := l.ep.Wait(l.timeout())
		if errno != 0 {
			return fmt.Errorf("epoll_wait: %w", errno)
		}
		l.now = time.Since(l.start)
		for i := range n {
			l.event(l.ep.Event(i))
		}
		switch {
		case l.acceptAt == 0 || l.now < l.acceptAt:
		case l.leaving:
			l.acceptPatient()
		default:
			l.resumeAccept()
		}
		l.unbound.expire(l)
		l.keepOld()
		if !l.ready {
			l.tellReady()
		}
		l.checkProgram()
		l.tell()
		if l.draining && (l.running == 0 || l.now >= l.drainUntil) {
			l.shutdown()
			return l.result()
		}
		if l.left() {
			return nil
		}
		if l.idle() {
			l.log.Info(fmt.Sprintf("no connection for %v, exiting", l.env.idle), journal.MessageID, journal.IDWorkerIdle)
			return nil
		}
	}
}

func (l *loop) event(tok uint64, events uint32) {
	index := int(uint32(tok))
	switch tok >> 60 {
	case kindWake:
		l.woken()
	case kindInbox:
		l.takeInbox()
	case kindListener:
		l.accept(&l.listeners[index])
	case kindConn:
		if c := l.conns[index]; c != nil && c.gen&0xfffffff == uint32(tok>>32)&0xfffffff {
			c.event(l, events)
		}
	}
}

// woken looks after blocking calls that ended, and after a wish to stop.
func (l *loop) woken() {
	var count [8]byte
	unix.Read(l.wake, count[:])
	l.mu.Lock()
	done, stop, leave := l.done, l.stopping, l.leaveAsked
	l.done = nil
	l.mu.Unlock()
	for _, call := range done {
		l.running--
		c := call.conn
		if c.running--; c.fd < 0 {
			if c.running == 0 {
				c.leave(l)
			}
			continue
		}
		c.finish(l, call)
		c.proceed(l, nil)
	}
	if leave && !l.leaving && !l.draining {
		l.leave()
	}
	if stop && !l.draining {
		l.drain()
	}
}

// drain begins a graceful stop: nobody new, calls in progress end.
func (l *loop) drain() {
	l.draining, l.drainUntil, l.acceptAt = true, l.now+drainLimit, 0
	l.notify.Send(nil, "STOPPING=1")
	for _, ls := range l.listeners {
		l.ep.Delete(ls.fd)
	}
	if l.inbox != nil {
		l.ep.Delete(l.inbox.FD)
	}
	if l.line != nil {
		l.line.Flags.Store(0)
	}
}

func (l *loop) idle() bool {
	return l.env.idle > 0 && l.open == 0 && !l.draining && l.now-l.lastActive >= l.env.idle &&
		(l.inbox == nil || l.inbox.Empty())
}

// timeout is the time until something is due, in milliseconds, -1 for ever.
func (l *loop) timeout() int {
	const never = time.Duration(1<<63 - 1)
	due := never
	if l.env.idle > 0 && l.open == 0 {
		due = l.lastActive + l.env.idle
	}
	if l.acceptAt > 0 {
		due = min(due, l.acceptAt)
	}
	if c := l.unbound.all.first; c != nil && l.env.bindTimeout > 0 {
		due = min(due, c.since+l.env.bindTimeout)
	}
	if y := l.nextYoung(); y != nil {
		due = min(due, max(y.due, l.keepAt))
	}
	if l.draining {
		due = min(due, l.drainUntil)
	}
	if l.told != l.text() {
		due = min(due, l.lastTell+tellEvery)
	}
	if !l.ready {
		due = min(due, l.now+readyRetry)
	}
	if due == never {
		return -1
	}
	return int(max(0, (due-time.Since(l.start)+time.Millisecond-1)/time.Millisecond))
}
