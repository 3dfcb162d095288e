// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/parking"
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
	loop    *event.Loop
	manager *event.Manager
	status  *status.File
	self    *program.Self
	rootUID uint32 // of peers whose named pipe identities count: 0, except in tests

	conns    conns
	nextID   uint64
	door     endpoint.Door
	accepts  []int // the binding of each listener
	fdLimit  int   // a descriptor from here on says that few are left
	bindings []binding
	waiting  waiting

	parking struct {
		lot           *parking.Lot
		lotIncomplete bool          // it has members that it does not keep
		retryAt       time.Duration // with late conns, or when it is incomplete
	}
	workers struct {
		inboxes  []inbox
		loads    []load
		lookedAt time.Duration // which of them live
		msg      sys.Msg
	}
	last     struct{ active, idleLook, sweep time.Duration }
	needRoom bool // a hand-over found no descriptor

	in  [maxPeek]byte // what was peeked
	pdu [maxPDU]byte  // the first PDU without message headers
	out []byte        // hand-over message
}

const (
	maxPDU  = 1 << 16
	maxPeek = 3 * maxPDU // np: a PDU may come in messages of a single byte

	idleGrace     = 5 * time.Millisecond   // how long it waits for a spare that runs, before another one starts
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
	b := &Broker{cfg: cfg, log: log, self: program.NewSelf()}
	b.waiting.init(cfg.Limits)
	var seed [4]byte
	rand.Read(seed[:])
	b.nextID = uint64(binary.LittleEndian.Uint32(seed[:]))<<32 | 1

	var err error
	if b.loop, err = event.New(); err != nil {
		return nil, err
	}
	b.last.active = b.loop.Now
	if b.manager, err = event.NewManager(b.statusText); err != nil {
		return nil, err
	}
	if err := b.openStatus(); err != nil {
		return nil, err
	}
	n := cfg.Workers + cfg.Spares
	b.workers.inboxes, b.workers.loads = make([]inbox, n), make([]load, n)
	for i := range b.workers.inboxes {
		to, err := sys.NewAddress(layout.Inbox(cfg.Name, i))
		if err != nil {
			return nil, err
		}
		b.workers.inboxes[i] = inbox{fd: -1, to: to, seen: b.status.Worker(i).Received.Load()}
	}
	if err := b.openDoor(fds); err != nil {
		return nil, err
	}
	return b, b.takeParking(fds)
}

// Run serves until SIGTERM, or until nothing has happened and no worker serves for
// the idle time. What waits then is in the parking.
func (b *Broker) Run() error {
	b.parking.lot.Ready()
	b.countWaiting()
	if err := b.manager.Ready(b.loop.Now); err != nil {
		return err
	}
	b.log.Log(context.Background(), journal.Notice, "serving", journal.MessageID, journal.IDBrokerStarted, "LISTENERS", b.bindingsText(),
		"WORKERS", b.cfg.Workers, "SPARES", b.cfg.Spares)
	for {
		n, err := b.loop.Wait(b.due())
		if err != nil {
			return err
		}
		b.turn(n)
		switch {
		case b.loop.Caught(unix.SIGTERM, unix.SIGINT):
			b.finish()
			return nil
		case b.replaced():
			b.finish()
			return ErrReplaced
		case b.idle():
			b.log.Info("no worker serves and no client waits: exiting until the next client",
				journal.MessageID, journal.IDBrokerIdle)
			return nil
		}
	}
}

// turn serves n events and does what is due.
func (b *Broker) turn(n int) {
	for i := range n {
		b.dispatch(b.loop.Event(i))
	}
	b.expire()
	b.countWaiting()
	b.manager.Tell(b.loop.Now)
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
				b.keepLimits(i)
			}
			// The same event may have brought the bind: it comes only once.
			if c = &b.conns[i]; uint32(c.gen) == gen && b.hasLeft(i, events) {
				b.clientLeft(i)
			}
		}
	case kindInbox:
		b.readAgain(i)
	}
}

// Kinds of events.
const (
	kindListener = event.KindWake + 1 + iota
	kindConn
	kindInbox
)
