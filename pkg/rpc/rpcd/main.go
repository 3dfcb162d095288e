// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/setting"
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
	accounts := flags.String("accounts", "", "with --listen: authenticate clients by the NT hashes in `FILE`, lines as pdbedit -L -w prints them")
	if err := flags.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return 0
		}
		return 2
	}
	if *accounts != "" {
		if err := s.authenticateBy(*accounts, listen); err != nil {
			fmt.Fprintf(journal.Stderr, "rpcd_%s: --accounts: %v\n", s.Name, err)
			return 2
		}
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
	log := journal.Setup(slog.String(journal.Rpcd, env.Name), slog.Int(journal.Worker, env.Index))
	defer journal.Flush()
	if e := sys.Confine(sys.Files(!s.CutsFiles)); e != nil {
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
	t := listing.Listing{Workers: max(s.Workers, 1), IdleSec: s.idleSec()}
	for _, i := range s.Interfaces {
		t.Interfaces = append(t.Interfaces, listing.Interface{UUID: i.UUID, Version: i.version(), Name: i.Name, Bindings: i.Bindings})
	}
	return t.AppendText(nil)
}

// readEnvironment reads what the unit sets, see msrpc-handoff(7). The NAME in
// the paths is that of the program's file, whatever the program calls itself.
func readEnvironment(s *Server, getenv func(string) string) (setting.Values, error) {
	e := setting.Defaults()
	e.Name, e.Idle = s.Name, time.Duration(s.idleSec())*time.Second
	if err := e.Environ(setting.Native|setting.Direct, getenv); err != nil {
		return e, err
	}
	if e.Index >= 1<<e.IndexBits {
		return e, fmt.Errorf("MSRPC_WORKER=%d does not fit %d index bits; lower Workers= or Spares= of rpcd %s and run msrpcctl refresh", e.Index, e.IndexBits, e.Name)
	}
	return e, nil
}

func (s *Server) idleSec() int {
	if s.IdleSec > 0 {
		return s.IdleSec
	}
	return 60
}

// serve runs the loop until it is idle or a signal stops it.
func (s *Server) serve(env setting.Values, log *slog.Logger, listen addresses) error {
	fds, err := sys.PassedFDs()
	if err != nil {
		return err
	}
	if len(listen) > 0 {
		env.Idle = 0
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
	if l.byHand = len(listen) > 0; !l.byHand {
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
	if l.line, err = inbox.LockLine(l.env.Name, l.env.Index); err != nil {
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
