// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/program"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/abi"
)

// worker is the adaptor: one event loop on one goroutine. All buffers are fields;
// nothing is allocated or logged for a connection.
//
//	starting --first status--> serving --stop()--> stopping --child ended--> done
//	                              \--leave()--> leaving --stop()--/
//
// Serving and leaving may both drain, drain.go.
//
// While starting the inbox is not read: the kernel keeps the clients.
type worker struct {
	opt    setting.Values
	log    *slog.Logger
	causes journal.Limiter
	phase  phase
	ready  bool // the rpcd was ready once

	line    *inbox.Line
	loop    *event.Loop
	manager *event.Manager

	bus    *MessagingSocket
	child  *child
	exec   *program.File
	execID program.ID // of the program that the child runs
	self   *program.Self
	layout abi.Layout
	anon   *Anonymous

	inbox  *inbox.Inbox
	childQ int // connected to the child's messaging socket, -1 before it is ready

	shed       shedder
	inboxReady bool // not read to the end
	hold       bool // inbox is left alone until a probe has answered
	draining   bool // drain.go
	drainWhy   string
	childGone  bool // it does not take messages any more
	wantHUP    bool
	wantDrain  bool

	tx      sys.Msg // to the child
	busbuf  []byte
	parts   Reassembler
	out     *Outgoing // the one client in hand
	outFD   [1]int32
	childID ServerID
	control *Outgoing // messages without body
	ctlFD   [1]int32
	probe   probe
	logs    follower

	taken       uint64        // clients given to the child
	lastActive  time.Duration // last client given to the child, or status received
	lastProbe   time.Duration
	lookedAt    time.Duration // at the program
	lookDue     bool          // a client came since, too early to look again
	librariesAt time.Duration // to be looked at next
	retryAt     time.Duration // 0: none

	order    stopOrder
	leaveAt  time.Duration // when the adaptor was asked to stop
	stopAt   time.Duration // when the child is asked to end, or less gently
	stopWait time.Duration
	stopStep int
	stopWhy  string
}

type phase int

const (
	starting phase = iota
	serving
	leaving // asked to stop, its clients may end
	stopping
	done
)

// Kinds of events.
const (
	kindInbox = event.KindWake + 1 + iota
	kindBus
	kindChild  // pidfd
	kindChildQ // room in the child's queue
	kindProbe
	kindLog // the rpcd's log file changed
)

// maxBody is the longest body of a client: the bytes of the named pipe's
// messages that hold a PDU (each byte may be in one of its own), an NPA
// request, and the rest.
const maxBody = ClientRoom + 3*(64<<10) + handoff.MaxNPA

// Run serves until the worker is idle, is asked to stop, or its rpcd ends
// unasked, which is an error.
func Run(o setting.Values, log *slog.Logger) error {
	w := &worker{opt: o, log: log, childQ: -1, outFD: [1]int32{-1}, logs: follower{file: -1, due: event.Never},
		self: program.NewSelf(), stopWait: stopWait}
	defer w.close()
	if err := w.setup(); err != nil {
		return err
	}
	return w.serve()
}

func (w *worker) setup() error {
	var err error
	if w.loop, err = event.New(); err != nil {
		return err
	}
	w.librariesAt = w.loop.Now + libraryEvery
	w.loop.Catch(unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGWINCH)
	if w.manager, err = event.NewManager(w.statusText); err != nil {
		return err
	}
	fds, err := sys.PassedFDs()
	if err != nil {
		return err
	}
	dirs := inbox.Directories{NP: []byte(w.opt.NPDir), Ncalrpc: []byte(w.opt.NcalrpcDir)}
	if w.inbox, err = inbox.Take(fds, layout.WorkerSocket(w.opt.Name, w.opt.Index), dirs); err != nil {
		return err
	}
	descriptors, err := sys.DescriptorLimit() // the rpcd's, too
	if err != nil {
		return err
	}
	w.shed.dirs = &dirs
	w.shed.fit(w.opt.Limits[source.Bound], descriptors)
	if w.line, err = inbox.LockLine(w.opt.Name, w.opt.Index); err != nil {
		return err
	}
	w.busbuf = make([]byte, DatagramSize)
	w.out, w.control = NewOutgoing(maxBody), NewOutgoing(0)
	if w.bus, err = OpenMessagingSocket(w.opt.MessagingDir, w.opt.LockDir); err != nil {
		return err
	}
	w.bus.RemoveStale(int(w.line.PID.Load())) // what a killed incarnation left
	w.bus.RemoveStale(int(w.line.ChildPID.Load()))
	w.line.PID.Store(uint32(os.Getpid()))
	if w.exec, err = program.NewFile(w.opt.Exec); err != nil {
		return err
	}
	w.execID, _ = w.exec.ID() // before the start: a program replaced meanwhile is noticed
	if err = w.chooseLayout(); err != nil {
		return err
	}
	if w.child, err = startChild(&w.opt); err != nil {
		return err
	}
	w.line.ChildPID.Store(uint32(w.child.pid))
	if err = w.loop.Watch(w.bus.FD, unix.EPOLLIN, event.Token(kindBus, 0, 0)); err != nil {
		return err
	}
	if err = w.loop.Watch(w.child.pidfd, unix.EPOLLIN, event.Token(kindChild, 0, 0)); err != nil {
		return err
	}
	return w.followLog()
}

// close ends what is left, on every way out.
func (w *worker) close() {
	w.dropClient()
	if w.child != nil {
		if w.phase != done { // an error of the adaptor itself
			w.child.signal(unix.SIGKILL)
			unix.Wait4(w.child.pid, nil, 0, nil)
		}
		w.logs.last()
		w.bus.RemoveStale(w.child.pid)
		unix.Close(w.child.stdin)
	}
	if w.bus != nil {
		w.bus.Close()
	}
	if w.line != nil {
		w.line.Clear()
	}
}
