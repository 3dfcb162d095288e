// SPDX-License-Identifier: Apache-2.0

package scripts

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
)

// limit is how long it all may take; the units' TimeoutStopSec= is longer.
const limit = 15 * time.Second

// Usage is the text of --help.
const Usage = `Usage: msrpc-keep-scripts --name NAME --exec PROGRAM
       msrpc-keep-scripts --end

Moves what scripts of an rpcd left running out of the control group that it is
started in, into a scope of its own, and kills processes of PROGRAM. systemd
starts it (ExecStopPost=) after a worker of a Samba rpcd.

  --name NAME     NAME of the rpcd, as in unit names
  --exec PROGRAM  program of the service, such as /usr/libexec/samba/rpcd_winreg
  --end           instead stop all these scopes: msrpc-scripts.service does it
  --help          show this text

See msrpc-keep-scripts(8).
`

type options struct {
	name, exec string
	end        bool
}

// Main is the program; it returns the exit code.
func Main(args []string) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(Usage)
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "msrpc-keep-scripts:", err)
		return 2
	}
	if err = run(o); err != nil {
		journal.Setup(slog.String(journal.Rpcd, o.name)).Error(err.Error(), journal.MessageID, journal.IDScriptsEnded)
		return 1
	}
	return 0
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.name, "name", "", "")
	f.StringVar(&o.exec, "exec", "", "")
	f.BoolVar(&o.end, "end", false, "")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case o.end && f.NFlag() == 1 && f.NArg() == 0:
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; see --help", f.Arg(0))
	case !layout.ValidName(o.name):
		return o, fmt.Errorf("--name %q is not the name of an rpcd; see --help", o.name)
	case !filepath.IsAbs(o.exec):
		return o, fmt.Errorf("--exec %q is not an absolute path; see --help", o.exec)
	}
	return o, nil
}

func run(o options) error {
	if o.end {
		return endAll()
	}
	g, err := ownGroup()
	if err != nil {
		return err
	}
	left, err := g.others(o.exec)
	if err != nil || len(left) == 0 {
		return err
	}
	log := journal.Setup(slog.String(journal.Rpcd, o.name))
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c, err := systemctl.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	k := keeper{opt: o, group: g, log: log, ctx: ctx, systemd: c}
	return k.keep(left)
}
