// SPDX-License-Identifier: Apache-2.0

// Package broker is the broker of one rpcd: it accepts from the listeners that
// systemd passes, does the named pipe handshake, peeks at the bind, chooses a
// worker and hands the connection to its inbox. Nothing else: no policy, no
// privilege, no D-Bus.
//
// One event loop on one thread owns everything; there is no lock and, per
// connection on the warm path, no allocation and no log. A connection has one
// owner at each step:
//
//	listener -> conn (wantNPA -> wantBind -> wantInbox) -> inbox
//	              \_____ while it waits: also in the parking _____/
//
// Whoever waits is parked at once by a loop that has just slept, and by one that
// still has to do with those who came before it was started. One that finds more
// and more to do puts it off until it would sleep, for 2 ms at most. So a crash
// costs only whom the loop has in hand, and a busy loop does not park those whose
// bind is there a moment later.
//
// A conn that waits is in exactly one of the lists fresh (put off), parked, and
// loose (to be parked as soon as that can be); while its bind is not complete it
// is in silent too, in order of arrival, and while it waits for a suitable worker
// in spare.
package broker

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/conn/status"
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
	notify  *sys.Notifier

	ep        *sys.Epoll
	msg       sys.Msg
	wake      int // eventfd, readable when a signal asks to stop
	listeners []listener
	bindings  []binding
	conns     conns
	fresh     list
	parked    list
	loose     list
	silent    list
	spare     list
	stalled   list               // silent ones on unix sockets with a part of their PDU
	heads     int                // bytes that were read of first PDUs
	crowds    source.Table[list] // the silent conns of each source
	inboxes   []inbox
	loads     []load
	pending   int    // conns in fresh, parked and loose
	rootUID   uint32 // of peers whose named pipe identities count: 0, except in tests
	fdLimit   int    // a descriptor from here on says that few are left

	status *status.File
	lot    *parking.Lot
	self   *program.Self

	base        time.Time // for now
	baseNS      int64
	now         int64 // CLOCK_MONOTONIC in ns, at the last wake-up
	caughtUp    bool  // the loop has slept since its start
	prompt      bool  // who waits is parked at once
	nextID      uint64
	acceptAfter int64 // when accept may be tried again, 0: any time
	parkAt      int64 // when parking may be tried again, for loose and unsafe
	unsafe      bool  // the lot has members that it does not keep
	ready       bool  // systemd knows that we are
	lastActive  int64
	lastAlive   int64
	lastReport  int64
	swept       int64
	lastIdle    int64
	dirty       bool // there may be something to report
	reported    string

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
	acceptPause   = 100 * time.Millisecond // after accept failed for want of descriptors
	reportEvery   = time.Second            // STATUS= at most so often
	acceptBatch   = 64                     // connections of one listener before the others' turn
	finishTime    = 5 * time.Second        // how long a stop waits for the manager
)

// New takes over the passed descriptors. An error says which is missing or not
// what its name promises.
func New(cfg Config, log *slog.Logger, fds []sys.PassedFD) (*Broker, error) {
	b := &Broker{cfg: cfg, log: log, base: time.Now(), self: program.NewSelf(),
		fresh: newList(byAge), parked: newList(byAge), loose: newList(byAge), silent: newList(byRole), spare: newList(byRole),
		stalled: newList(byStall)}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	b.baseNS = ts.Nano()
	b.tick()
	b.lastActive = b.now
	var seed [4]byte
	rand.Read(seed[:])
	b.nextID = uint64(binary.LittleEndian.Uint32(seed[:]))<<32 | 1

	var err error
	if b.notify, err = sys.NewNotifier(); err != nil {
		return nil, err
	}
	if b.ep, err = sys.NewEpoll(); err != nil {
		return nil, err
	}
	if b.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	b.ep.Add(b.wake, unix.EPOLLIN, token(kindWake, 0, 0))
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
	if err := b.limitDescriptors(); err != nil {
		return nil, err
	}
	if err := b.takeListeners(fds); err != nil {
		return nil, err
	}
	return b, b.takeParking(fds)
}

// Stop makes Run return soon. It may be called from another goroutine.
func (b *Broker) Stop() {
	one := [8]byte{1}
	unix.Write(b.wake, one[:])
}

// tick reads the clock.
func (b *Broker) tick() { b.now = b.baseNS + int64(time.Since(b.base)) }

// Run serves until Stop or until nothing has happened and nobody serves for
// the idle time. What waits then is in the parking.
func (b *Broker) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.lot.Ready()
	if err := b.tellReady(); err != nil {
		return err
	}
	b.log.Log(context.Background(), journal.Notice, "serving", journal.MessageID, journal.IDBrokerStarted, "LISTENERS", b.bindingsText(),
		"WORKERS", b.cfg.Workers, "SPARES", b.cfg.Spares)
	b.report() // who was parked is pending
	for {
		n, errno := b.wait()
		if errno != 0 {
			return fmt.Errorf("epoll_wait: %w", errno)
		}
		for i := range n {
			tok, events := b.ep.Event(i)
			if tokenKind(tok) == kindWake {
				b.finish()
				return nil
			}
			b.dispatch(tok, events)
		}
		b.expire()
		b.report()
		if b.replaced() {
			b.finish()
			return ErrReplaced
		}
		if b.idle() {
			b.log.Info("no worker serves and nobody waits: exiting until the next client",
				journal.MessageID, journal.IDBrokerIdle)
			return nil
		}
	}
}

// wait returns how many events there are. Before it sleeps it parks whoever it
// has put off.
func (b *Broker) wait() (n int, errno sys.Errno) {
	b.prompt = !b.caughtUp
	if b.fresh.head != end {
		if n, errno = b.ep.Wait(0); n > 0 || errno != 0 {
			b.tick()
			return n, errno
		}
		for b.fresh.head != end {
			b.settle(int(b.fresh.head))
		}
	}
	b.tick()
	before := b.now
	n, errno = b.ep.Wait(b.timeout())
	b.tick()
	if b.now-before > int64(restTime) {
		b.caughtUp, b.prompt = true, true
	}
	return n, errno
}

func (b *Broker) dispatch(tok uint64, events uint32) {
	switch tokenKind(tok) {
	case kindListener:
		b.accept(&b.listeners[tokenIndex(tok)])
	case kindConn:
		i := tokenIndex(tok)
		if c := &b.conns[i]; c.state != free && c.gen == tokenGen(tok) {
			c.hungUp = c.hungUp || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
			if !b.hasLeft(i, events) {
				b.advance(i)
			}
			// The same event may have brought the bind: it is not told of again.
			if c = &b.conns[i]; c.gen == tokenGen(tok) && b.hasLeft(i, events) {
				b.leave(i)
			}
		}
	case kindInbox:
		b.flush(tokenIndex(tok))
	}
}

// tellReady says READY=1; while the manager does not read, as in the middle of
// daemon-reload, it has to be said again later.
func (b *Broker) tellReady() error {
	switch errno := b.notify.Send(nil, "READY=1"); errno {
	case 0:
		b.ready = true
	case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
	default:
		return fmt.Errorf("tell systemd that we are ready: %w", errno)
	}
	return nil
}

// Tokens of events: kind, generation of the conn, index.
const (
	kindListener = iota + 1
	kindConn
	kindInbox
	kindWake
)

func token(kind int, gen uint16, index int) uint64 {
	return uint64(kind)<<48 | uint64(gen)<<32 | uint64(uint32(index))
}
func tokenKind(t uint64) int   { return int(t >> 48) }
func tokenGen(t uint64) uint16 { return uint16(t >> 32) }
func tokenIndex(t uint64) int  { return int(uint32(t)) }
