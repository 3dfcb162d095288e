// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/listing"
)

// Main runs the server as a program and returns the exit status. args are
// those of the command line without the program's name.
func Main(s *Server, args []string) int {
	flags := flag.NewFlagSet("rpcd_"+s.Name, flag.ContinueOnError)
	list := flags.Bool("list-interfaces", false, "print what is served and where, as rpcds of Samba do, and exit")
	flags.String("configfile", "", "ignored: rpcds of Samba read smb.conf")
	var listen addresses
	flags.Var(&listen, "listen", "serve by hand, for development: all interfaces at `ADDRESS`, which is tcp:HOST:PORT or ncalrpc:/PATH; may be repeated")
	if err := flags.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return 0
		}
		return 2
	}
	if *list {
		text, err := s.list()
		if err == nil {
			_, err = os.Stdout.Write(text)
		}
		if err != nil {
			fmt.Fprintf(journal.Stderr, "rpcd_%s: %v\n", s.Name, err)
			return 1
		}
		return 0
	}
	env, err := readEnvironment(s, os.Getenv)
	log := journal.Setup(slog.String(journal.Rpcd, s.Name), slog.Int(journal.Worker, env.index))
	defer journal.Flush()
	if e := sys.Confine(sys.FilesAsBefore); e != nil {
		log.Warn(e.Error())
	}
	if err == nil {
		err = s.serve(env, log, listen)
	}
	if status := exitStatus(err); status != 1 {
		return status
	}
	log.Error(err.Error())
	return 1
}

// list is the text of --list-interfaces.
func (s *Server) list() ([]byte, error) {
	t := listing.Listing{Workers: max(s.Workers, 1), IdleSec: s.IdleSec}
	if t.IdleSec == 0 {
		t.IdleSec = 60
	}
	for _, i := range s.Interfaces {
		t.Interfaces = append(t.Interfaces, listing.Interface{UUID: i.UUID, Version: i.version(), Name: i.Name, Bindings: i.Bindings})
	}
	return t.AppendText(nil)
}

// environment is what the unit tells, see msrpc-generator(8).
type environment struct {
	index     int           // MSRPC_WORKER
	indexBits int           // MSRPC_INDEX_BITS
	idle      time.Duration // MSRPC_IDLE_SEC, 0: never
	npDir     string        // MSRPC_NP_DIR

	// Of direct activation; behind a broker it is the broker that heeds them.
	maxParked   int           // MSRPC_MAX_PARKED, 0: as many as fit
	bindTimeout time.Duration // MSRPC_BIND_TIMEOUT_SEC
	maxNPA      int           // MSRPC_MAX_NPA

	limits [source.Resources]source.Limit // MSRPC_MAX_UNBOUND, ...

	byHand bool // --listen
}

func readEnvironment(s *Server, getenv func(string) string) (environment, error) {
	e := environment{indexBits: 16, idle: 60 * time.Second, npDir: getenv("MSRPC_NP_DIR"),
		limits: defaultLimits(), bindTimeout: 30 * time.Second, maxNPA: maxNPA}
	if s.IdleSec > 0 {
		e.idle = time.Duration(s.IdleSec) * time.Second
	}
	for _, v := range []struct {
		name      string
		low, high int
		set       func(int)
	}{
		{"MSRPC_WORKER", 0, 1<<16 - 1, func(n int) { e.index = n }},
		{"MSRPC_INDEX_BITS", 8, 16, func(n int) { e.indexBits = n }},
		{"MSRPC_IDLE_SEC", 0, 1 << 30, func(n int) { e.idle = time.Duration(n) * time.Second }},
		{"MSRPC_MAX_UNBOUND", 1, 1 << 20, func(n int) { e.limits[source.Unbound].Total = n }},
		{"MSRPC_MAX_UNBOUND_SOURCE", 1, 1 << 20, func(n int) { e.limits[source.Unbound].Address = n }},
		{"MSRPC_MAX_UNBOUND_USER", 1, 1 << 20, func(n int) { e.limits[source.Unbound].User = n }},
		{"MSRPC_MAX_PARKED", 1, 1 << 20, func(n int) { e.maxParked = n }},
		{"MSRPC_MAX_NPA", 4096, maxNPA, func(n int) { e.maxNPA = n }},
		{"MSRPC_BIND_TIMEOUT_SEC", 1, 1 << 30, func(n int) { e.bindTimeout = time.Duration(n) * time.Second }},
	} {
		text := getenv(v.name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < v.low || n > v.high {
			return e, fmt.Errorf("%s=%q is not a number from %d to %d; run msrpcctl refresh, it writes this variable", v.name, text, v.low, v.high)
		}
		v.set(n)
	}
	if e.index >= 1<<e.indexBits {
		return e, fmt.Errorf("MSRPC_WORKER=%d does not fit %d index bits", e.index, e.indexBits)
	}
	return e, nil
}

// serve runs the loop until it is idle or told to stop.
func (s *Server) serve(env environment, log *slog.Logger, listen addresses) error {
	fds, err := sys.PassedFDs()
	if err != nil {
		return err
	}
	if env.byHand = len(listen) > 0; env.byHand {
		env.idle = 0
		if fds, err = listen.open(os.Stdout); err != nil {
			return err
		}
	}
	l, err := newLoop(s, env, log)
	if err != nil {
		return err
	}
	if s.Start != nil {
		if err := s.Start(); err != nil {
			return err
		}
	}
	if !env.byHand {
		if err := l.takeLine(); err != nil {
			return err
		}
		defer l.leaveLine()
	}
	if err := l.takeListeners(fds); err != nil {
		return err
	}
	debug.FreeOSMemory() // what starting needed, before the long wait
	l.Catch(syscall.SIGTERM, syscall.SIGINT, status.DrainSignal)
	log.Log(context.Background(), journal.Notice, "serving", journal.MessageID, journal.IDWorkerReady)
	return l.run()
}

// takeLine makes the process known in the status file.
func (l *loop) takeLine() (err error) {
	if l.line, err = inbox.TakeLine(l.srv.Name, l.env.index); err != nil {
		return err
	}
	l.line.PID.Store(uint32(os.Getpid()))
	l.serving = &l.line.Serving
	return nil
}

func (l *loop) leaveLine() {
	l.line.Clear()
	if l.passedOn {
		l.line.Flags.Store(status.Kept)
	}
}
