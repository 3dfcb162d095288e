// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/program"
	"msrpcd/pkg/host/sys"
)

// loop is the state of a serving process. One goroutine owns it; those of
// blocking operations touch only done and the handles, under their locks.
type loop struct {
	*event.Loop // woken by signals, and when a blocking operation has ended
	manager     *event.Manager
	srv         *Server
	env         setting.Values
	byHand      bool // --listen
	log         *slog.Logger
	causes      journal.Limiter

	door      endpoint.Door
	accepts   []int // the endpoint of each listener
	endpoints []endpoint.Endpoint
	inbox     *inbox.Inbox // nil with direct activation
	line      *inbox.Line
	conns     []*conn // by descriptor
	open      int
	fdLimit   int // RLIMIT_NOFILE
	unbound   unbound
	turns     turns
	ledger    source.Ledger[crowd]
	rootUID   uint32 // of the peer whose named pipe identities count: 0, except in tests
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
	crowded   []*holder  // have more handles than their share, under handles

	mu   sync.Mutex
	done []interface{ ended(*loop) } // blocking calls and steps of handshakes that have ended, under mu

	running    int // blocking calls and steps of handshakes
	gen        uint32
	lastActive time.Duration
	draining   bool // no new connections; ends when no call runs
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
	readSize   = 3 << 16          // np: a PDU may come in messages of a single byte
	keepBuffer = 1 << 18          // longer buffers are not kept between calls
	inboxBatch = 64               // hand-overs taken before the others' turn
	drainLimit = 10 * time.Second // for calls in progress at a stop
	spinTime   = 50 * time.Microsecond
)

// Kinds of events.
const (
	kindInbox = event.KindWake + 1 + iota
	kindListener
	kindConn
)

func newLoop(s *Server, env setting.Values, log *slog.Logger) (*loop, error) {
	s.Limits.setDefaults()
	l := &loop{srv: s, env: env, log: log,
		unbound: unbound{queue{by: byAge}}, self: program.NewSelf()}
	l.ledger.Limits = env.Limits
	l.groups = newGroups(env.Index, env.IndexBits, &l.ledger)
	l.mgmt = newMgmt(l)
	l.serving = new(atomic.Uint64)
	var err error
	if l.Loop, err = event.New(); err != nil {
		return nil, err
	}
	l.lastActive = l.Now
	if l.manager = event.NoManager(l.statusText); !s.embedded {
		if l.manager, err = event.NewManager(l.statusText); err != nil {
			return nil, err
		}
	}
	if l.fdLimit, err = sys.DescriptorLimit(); err != nil {
		return nil, err
	}
	l.Spin(spinTime)
	l.door = endpoint.Door{Loop: l.Loop, Log: log, Causes: &l.causes, Take: l.take,
		Few:      func(int) bool { return l.fewDescriptors() },
		MakeRoom: func(int) bool { return l.makeRoom() }}
	l.initKeep()
	return l, nil
}

// run serves until SIGTERM, or until there was no connection for the idle time.
func (l *loop) run() error {
	if l.line != nil {
		l.line.Flags.Store(status.Ready)
	}
	if err := l.manager.Ready(l.Now); err != nil {
		return err
	}
	for {
		n, err := l.Wait(l.due())
		if err != nil {
			return err
		}
		for i := range n {
			l.event(l.Event(i))
		}
		l.serveQueued()
		if l.door.Resume() && l.leaving {
			l.acceptPatient()
		}
		l.unbound.expire(l)
		l.reclaim()
		l.keepOld()
		l.checkProgram()
		if l.line != nil {
			l.line.Groups.Store(uint32(len(l.groups.byID)))
		}
		l.manager.Tell(l.Now)
		if l.draining && (l.running == 0 || l.Now >= l.drainUntil) {
			l.shutdown()
			return l.result()
		}
		if l.left() {
			return nil
		}
		if l.idle() {
			l.log.Info(fmt.Sprintf("no connection for %v, exiting", l.env.Idle), journal.MessageID, journal.IDWorkerIdle)
			return nil
		}
	}
}

func (l *loop) event(kind int, gen uint32, index int, events uint32) {
	switch kind {
	case event.KindWake:
		l.woken()
	case kindInbox:
		l.takeInbox()
		l.Tick()
	case kindListener:
		l.door.Accept(index)
		l.Tick() // else it counts as time of the next turn
	case kindConn:
		if c := l.conns[index]; c != nil && c.gen&event.GenMask == gen {
			c.event(l, events)
		}
	}
}

// deliver has the loop go on with what ended on a goroutine.
func (l *loop) deliver(d interface{ ended(*loop) }) {
	l.mu.Lock()
	l.done = append(l.done, d)
	l.mu.Unlock()
	l.Wake()
}

// woken looks after what ended on goroutines, and after signals.
func (l *loop) woken() {
	l.mu.Lock()
	done := l.done
	l.done = nil
	l.mu.Unlock()
	for _, d := range done {
		d.ended(l)
	}
	if l.Caught(status.DrainSignal) && !l.leaving && !l.draining {
		l.leave()
	}
	if l.Caught(unix.SIGTERM, unix.SIGINT) && !l.draining {
		l.drain()
	}
}

// drain begins a graceful stop: no new clients, calls in progress end.
func (l *loop) drain() {
	l.draining, l.drainUntil = true, l.Now+drainLimit
	l.manager.Stopping()
	l.door.Close(true)
	if l.line != nil {
		l.line.Flags.Store(0)
	}
}

func (l *loop) idle() bool {
	return l.env.Idle > 0 && l.open == 0 && !l.draining && l.Now-l.lastActive >= l.env.Idle &&
		(l.inbox == nil || l.inbox.Empty())
}

// due is when the loop has something to do without an event.
func (l *loop) due() time.Duration {
	if l.turns.first != nil {
		return 0
	}
	due := min(l.manager.Due(), l.door.Due())
	if l.env.Idle > 0 && l.open == 0 {
		due = min(due, l.lastActive+l.env.Idle)
	}
	if c := l.unbound.all.first; c != nil && l.env.BindTimeout > 0 {
		due = min(due, c.since+l.env.BindTimeout)
	}
	if y := l.nextYoung(); y != nil {
		due = min(due, max(y.due, l.keepAt))
	}
	if l.draining {
		due = min(due, l.drainUntil)
	}
	return due
}
