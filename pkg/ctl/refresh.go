// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/refresh"
)

const refreshLong = `Ask every RPC server of this host what it serves and read smb.conf, write the
catalogue, and apply what changed: units of new servers are made and started,
those of removed ones stopped; nothing else is disturbed.

A target that is not active stays so.`

func (e *env) refreshCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "refresh",
		Short: "Find out what this host serves, and apply it",
		Long:  refreshLong,
		Args:  args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r := refresh.New()
			r.Connect = func(ctx context.Context) (refresh.Manager, error) { return e.connect(ctx) }
			r.Log = e.logger()
			r.Host = e.host
			r.Patient = os.Getenv("INVOCATION_ID") != "" && journal.IsStream(os.Stderr)
			rep, err := r.Run(cmd.Context())
			if journal.IsStream(os.Stderr) && !e.json {
				return e.logged(r.Log, err, journal.IDRefreshFailed) // the journal has the rest already, with its fields
			}
			if e := e.show(rep, func() { e.refreshText(rep, err != nil) }); e != nil {
				return e
			}
			return err
		},
	}
}

func (e *env) refreshText(rep *refresh.Report, failed bool) {
	for _, p := range rep.Problems {
		fmt.Fprintf(e.err, "msrpcctl: refresh: %s\n", p)
	}
	for _, a := range rep.Actions {
		fmt.Fprintln(e.out, a)
	}
	if len(rep.Retried) > 0 {
		fmt.Fprintf(e.out, "%s: asked again by %s", strings.Join(rep.Retried, ", "), layout.RetryTimer)
		if rep.NextTry != "" {
			fmt.Fprintf(e.out, ", next at %s", rep.NextTry)
		}
		fmt.Fprintln(e.out, ", and when the network changes")
	}
	if failed {
		return
	}
	state := "unchanged"
	if rep.Written {
		state = "written"
	}
	fmt.Fprintf(e.out, "catalogue %s: %d of %d rpcds listed\n", state, rep.Listed, rep.Rpcds)
	if rep.NotBooted {
		fmt.Fprintln(e.out, "not booted with systemd: the units are made and started at the next boot")
	}
}

// logger writes to the journal for a command that systemd runs, and nowhere
// for one that a person runs, since the command prints it.
func (e *env) logger() *slog.Logger {
	if journal.IsStream(os.Stderr) {
		return journal.Setup()
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// logged writes err to the journal with its message id where that is where
// standard error goes, so that it is there once; else it leaves it to Main.
func (e *env) logged(log *slog.Logger, err error, id string) error {
	if err == nil || errors.Is(err, context.Canceled) || !journal.IsStream(os.Stderr) {
		return err
	}
	for _, line := range lines(err) {
		log.Error(line, journal.MessageID, id)
	}
	return errSilent
}
