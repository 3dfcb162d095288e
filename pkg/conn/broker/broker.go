// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/program"
	"msrpcd/pkg/host/sys"
)

// Broker is the state of the loop.
type Broker struct {
	cfg     Config
	log     *slog.Logger
	limiter journal.Limiter
	manager *event.Manager

	loop     *event.Loop
	msg      sys.Msg
	door     endpoint.Door
	accepts  []int // the binding of each listener
	bindings []binding
	conns    conns
	fresh    list
	parked   list
	loose    list
	silent   list
	spare    list
	stalled  list               // silent ones on unix sockets with a part of their PDU
	heads    int                // bytes that were read of first PDUs
	crowds   source.Table[list] // the silent conns of each source
	inboxes  []inbox
	loads    []load
	pending  int    // conns in fresh, parked and loose
	rootUID  uint32 // of peers whose named pipe identities count: 0, except in tests

	status *status.File
	lot    *parking.Lot
	self   *program.Self

	caughtUp   bool // the loop has slept since its start
	prompt     bool // who waits is parked at once
	nextID     uint64
	parkAt     time.Duration // when parking may be tried again, for loose and unsafe
	unsafe     bool          // the lot has members that it does not keep
	lastActive time.Duration
	lastAlive  time.Duration
	swept      time.Duration
	lastIdle   time.Duration

	in  [maxPeek]byte // what was peeked
	pdu [maxPDU]byte  // the first PDU without message headers
	out []byte        // hand-over message
}

const (
	maxPDU  = 1 << 16
	maxPeek = 3 * maxPDU // np: a PDU may come in messages of a single byte

	parkAfter = 2 * time.Millisecond  // a conn that waits longer is parked by a busy loop too
	restTime  = 20 * time.Microsecond // a wait for events that took longer was a sleep

	spareWait     = time.Second            // how long a NEED_IDLE client waits for an idle spare
	inboxRetry    = 10 * time.Millisecond  // between tries to reach an inbox
	inboxPatience = 2 * time.Second        // how long an inbox may be out of reach unsaid
	aliveEvery    = 200 * time.Millisecond // how old the knowledge of living workers may be
	stallAfter    = 100 * time.Millisecond // a worker that did not read for so long is passed over
	startPatience = 2 * time.Second        // the same for one that is being started
	finishTime    = 5 * time.Second        // how long a stop waits for the manager
)

// New takes over the passed descriptors. An error says which is missing or not
// what its name promises.
func New(cfg Config, log *slog.Logger, fds []sys.PassedFD) (*Broker, error) {
	b := &Broker{cfg: cfg, log: log, self: program.NewSelf(),
		fresh: newList(byAge), parked: newList(byAge), loose: newList(byAge), silent: newList(byRole), spare: newList(byRole),
		stalled: newList(byStall)}
	var seed [4]byte
	rand.Read(seed[:])
	b.nextID = uint64(binary.LittleEndian.Uint32(seed[:]))<<32 | 1

	var err error
	if b.loop, err = event.New(); err != nil {
		return nil, err
	}
	b.lastActive = b.loop.Now
	if b.manager, err = event.NewManager(b.statusText); err != nil {
		return nil, err
	}
	if err := b.openStatus(); err != nil {
		return nil, err
	}
	n := cfg.Workers + cfg.Spares
	b.inboxes, b.loads = make([]inbox, n), make([]load, n)
	for i := range b.inboxes {
		to, err := sys.NewAddress(layout.Inbox(cfg.Name, i))
		if err != nil {
			return nil, err
		}
		b.inboxes[i] = inbox{fd: -1, to: to, seen: b.status.Worker(i).Received.Load()}
	}
	if err := b.openDoor(fds); err != nil {
		return nil, err
	}
	return b, b.takeParking(fds)
}

// Run serves until Stop or until nothing has happened and nobody serves for
// the idle time. What waits then is in the parking.
func (b *Broker) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.lot.Ready()
	b.countWaiting()
	if err := b.manager.Ready(b.loop.Now); err != nil {
		return err
	}
	b.log.Log(context.Background(), journal.Notice, "serving", journal.MessageID, journal.IDBrokerStarted, "LISTENERS", b.bindingsText(),
		"WORKERS", b.cfg.Workers, "SPARES", b.cfg.Spares)
	for {
		n, err := b.wait()
		if err != nil {
			return err
		}
		for i := range n {
			b.dispatch(b.loop.Event(i))
		}
		b.expire()
		b.countWaiting()
		b.manager.Tell(b.loop.Now)
		switch {
		case b.loop.Caught(unix.SIGTERM, unix.SIGINT):
			b.finish()
			return nil
		case b.replaced():
			b.finish()
			return ErrReplaced
		case b.idle():
			b.log.Info("no worker serves and nobody waits: exiting until the next client",
				journal.MessageID, journal.IDBrokerIdle)
			return nil
		}
	}
}

// wait returns how many events there are. Before it sleeps it parks whoever it
// has put off.
func (b *Broker) wait() (n int, err error) {
	b.prompt = !b.caughtUp
	if b.fresh.head != end {
		if n, err = b.loop.Wait(0); n > 0 || err != nil {
			return n, err
		}
		for b.fresh.head != end {
			b.settle(int(b.fresh.head))
		}
	}
	n, err = b.loop.Wait(b.due())
	if b.loop.Slept > restTime {
		b.caughtUp, b.prompt = true, true
	}
	return n, err
}

func (b *Broker) dispatch(kind int, gen uint32, i int, events uint32) {
	switch kind {
	case kindListener:
		b.door.Accept(i)
	case kindConn:
		if c := &b.conns[i]; c.state != free && uint32(c.gen) == gen {
			c.hungUp = c.hungUp || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
			if !b.hasLeft(i, events) {
				b.advance(i)
			}
			// The same event may have brought the bind: it is not told of again.
			if c = &b.conns[i]; uint32(c.gen) == gen && b.hasLeft(i, events) {
				b.leave(i)
			}
		}
	case kindInbox:
		b.flush(i)
	}
}

// Kinds of events.
const (
	kindListener = event.KindWake + 1 + iota
	kindConn
	kindInbox
)
