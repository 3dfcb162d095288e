// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/handoff"
	"msrpcd/pkg/journal"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/status"
	"msrpcd/pkg/sys"
)

// worker is the adaptor: one event loop on one thread. All buffers are fields;
// nothing is allocated or logged for a connection.
//
//	starting --first status--> serving --stop()--> stopping --child ended--> done
//
// While starting the inbox is not read: the kernel keeps the clients.
type worker struct {
	opt    Options
	log    *slog.Logger
	causes journal.Limiter
	phase  phase
	ready  bool // the rpcd was ready once

	file   *status.File
	line   *status.WorkerLine
	sent   *status.SentLine
	notify *sys.Notifier
	text   statusText

	bus    *Rendezvous
	child  *child
	exec   *execFile
	execID execID // of the program that the child runs
	layout Layout
	anon   *Anonymous
	dirs   directories

	ep     *sys.Epoll
	inbox  int
	childQ int // connected to the child's messaging socket, -1 before it is ready
	events int // eventfd that signals wake the loop with
	signal signals

	trusted    [2]uint32 // uids that may hand over
	rootUID    uint32    // whom named pipe identities are taken from
	inboxReady bool      // not read to the end
	hold       bool      // inbox is left alone until a probe has answered
	draining   bool      // the program was replaced
	childGone  bool      // it does not take messages any more
	wantHUP    bool

	rx       sys.Msg // from the inbox
	tx       sys.Msg // to the child
	datagram []byte  // of the inbox
	busbuf   []byte
	parts    Reassembler
	message  handoff.Message
	peer     peer
	out      *Outgoing // the one client in hand
	outFD    [1]int32
	childID  ServerID
	control  *Outgoing // messages without body
	ctlFD    [1]int32
	probe    probe

	start      time.Time
	now        time.Duration // since start, once per turn of the loop
	lastActive time.Duration // last client taken or status received
	lastProbe  time.Duration
	retryAt    time.Duration // 0: none
	stopAt     time.Duration // when the child is asked less gently
	stopStep   int
	stopWhy    string
}

type phase int

const (
	starting phase = iota
	serving
	stopping
	done
)

// Tokens of epoll events.
const (
	tokenInbox = iota
	tokenBus
	tokenChild  // pidfd
	tokenChildQ // room in the child's queue
	tokenEvents
	tokenProbe
)

// maxBody is the longest body of a client: the bytes of the named pipe's
// messages that hold a PDU (each byte may be in one of its own), an NPA
// request, and the rest.
const maxBody = ClientRoom + 3*(64<<10) + handoff.MaxNPA

// Run serves until the worker is idle, is told to stop, or its rpcd ends
// unasked, which is an error. The caller's goroutine stays on its thread.
func Run(o Options, log *slog.Logger) error {
	runtime.LockOSThread()
	w := &worker{opt: o, log: log, start: time.Now(), childQ: -1, outFD: [1]int32{-1}}
	defer w.close()
	if err := w.setup(); err != nil {
		return err
	}
	return w.loop()
}

func (w *worker) setup() error {
	var err error
	if w.notify, err = sys.NewNotifier(); err != nil {
		return err
	}
	if err = w.takeInbox(); err != nil {
		return err
	}
	if err = w.takeLine(); err != nil {
		return err
	}
	w.trusted = [2]uint32{uint32(os.Geteuid()), uint32(os.Geteuid())}
	w.rootUID = uint32(os.Geteuid()) // 0, except in tests
	if u, err := user.Lookup(layout.User); err == nil {
		if uid, err := strconv.ParseUint(u.Uid, 10, 32); err == nil {
			w.trusted[1] = uint32(uid)
		}
	}
	w.dirs = directories{np: []byte(w.opt.NPDir), ncalrpc: []byte(w.opt.NcalrpcDir)}
	w.datagram = make([]byte, handoff.MaxDatagram)
	w.busbuf = make([]byte, DatagramSize)
	w.out, w.control = NewOutgoing(maxBody), NewOutgoing(0)
	if w.bus, err = OpenRendezvous(w.opt.MessagingDir, w.opt.LockDir); err != nil {
		return err
	}
	w.bus.RemoveStale(int(w.line.PID.Load())) // what a killed incarnation left
	w.bus.RemoveStale(int(w.line.ChildPID.Load()))
	w.line.PID.Store(uint32(os.Getpid()))
	if w.exec, err = newExecFile(w.opt.Exec); err != nil {
		return err
	}
	w.execID, _ = w.exec.id() // before the start: a program replaced meanwhile is noticed
	if err = w.chooseLayout(); err != nil {
		return err
	}
	if w.child, err = startChild(&w.opt); err != nil {
		return err
	}
	w.line.ChildPID.Store(uint32(w.child.pid))
	return w.watch()
}

// takeInbox finds the inbox among the passed descriptors.
func (w *worker) takeInbox() error {
	fds, err := sys.PassedFDs()
	if err != nil {
		return err
	}
	w.inbox = -1
	for _, f := range fds {
		if f.Name == layout.FDNameInbox && w.inbox < 0 {
			w.inbox = f.FD
		} else {
			unix.Close(f.FD)
		}
	}
	unit := layout.WorkerSocket(w.opt.Name, w.opt.Index)
	if w.inbox < 0 {
		return fmt.Errorf("no inbox was passed (LISTEN_FDNAMES=%s); start the worker by its socket: systemctl start %s", layout.FDNameInbox, unit)
	}
	_, err = unix.Getsockname(w.inbox)
	typ, _ := unix.GetsockoptInt(w.inbox, unix.SOL_SOCKET, unix.SO_TYPE)
	domain, _ := unix.GetsockoptInt(w.inbox, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || typ != unix.SOCK_DGRAM || domain != unix.AF_UNIX {
		return fmt.Errorf("the inbox that was passed is no unix datagram socket; %s needs ListenDatagram= with a path", unit)
	}
	if pass, _ := unix.GetsockoptInt(w.inbox, unix.SOL_SOCKET, unix.SO_PASSCRED); pass == 0 {
		return fmt.Errorf("the inbox does not tell who sends; %s needs PassCredentials=yes", unit)
	}
	return nil
}

// takeLine takes this worker's line of the status file for a new incarnation:
// what was received before has ended with its rpcd.
func (w *worker) takeLine() error {
	path := layout.StatusFile(w.opt.Name)
	f, err := status.Open(path, true)
	if err != nil {
		return fmt.Errorf("%w; msrpc-preflight.service makes it: systemctl restart %s", err, layout.PreflightService)
	}
	w.file = f
	if w.opt.Index >= f.Len() {
		return fmt.Errorf("status file %s has no line for worker %d; run msrpcctl refresh", path, w.opt.Index)
	}
	line := f.Worker(w.opt.Index)
	if err := f.LockWorker(w.opt.Index); errors.Is(err, status.ErrLocked) {
		return fmt.Errorf("worker %d of rpcd %s runs already as process %d; stop that one, or start workers only through %s",
			w.opt.Index, w.opt.Name, line.PID.Load(), layout.WorkerService(w.opt.Name, w.opt.Index))
	} else if err != nil {
		return err
	}
	w.line, w.sent = line, f.Sent(w.opt.Index)
	var id [8]byte
	rand.Read(id[:])
	w.line.Flags.Store(0)
	w.line.Groups.Store(0)
	w.line.Closed.Store(w.line.Received.Load())
	w.line.StartID.Store(binary.LittleEndian.Uint64(id[:]) | 1)
	return nil
}

func (w *worker) watch() error {
	var err error
	if w.ep, err = sys.NewEpoll(); err != nil {
		return err
	}
	if w.events, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	w.signal.start(w.events)
	for token, fd := range map[uint64]int{tokenBus: w.bus.FD, tokenChild: w.child.pidfd, tokenEvents: w.events} {
		if e := w.ep.Add(fd, unix.EPOLLIN, token); e != 0 {
			return fmt.Errorf("watch descriptor: %w", e)
		}
	}
	return nil
}

// close ends what is left, on every way out.
func (w *worker) close() {
	w.dropClient()
	if w.child != nil {
		if w.phase != done { // an error of the adaptor itself
			w.child.signal(unix.SIGKILL)
			unix.Wait4(w.child.pid, nil, 0, nil)
		}
		w.bus.RemoveStale(w.child.pid)
		unix.Close(w.child.stdin)
	}
	if w.bus != nil {
		w.bus.Close()
	}
	if w.line != nil {
		w.line.Flags.Store(0)
		w.line.Groups.Store(0)
		w.line.ChildPID.Store(0)
		w.line.PID.Store(0)
	}
}
