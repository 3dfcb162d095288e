// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/preflight"
)

// statusRefused is the exit status of a preflight that only a change of
// smb.conf helps. systemd does not try it again (msrpc-preflight.service).
const statusRefused = 78 // EX_CONFIG of sysexits.h, which systemctl status explains

// refusedError ends a command with statusRefused.
type refusedError struct{ error }

func (e *env) preflightCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "preflight",
		Short: "Make directories and check smb.conf before listeners start",
		Long: `Make the directories and status files that listeners, brokers and workers need,
and fail while smb.conf lets smbd start samba-dcerpcd. Run by
msrpc-preflight.service.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load("")
			if err != nil {
				return err
			}
			rep, err := preflight.Run(cmd.Context(), layout.Catalogue(), cfg, e.host.Samba)
			if err != nil {
				var refused *preflight.OnDemandError
				if errors.As(err, &refused) {
					return refusedError{e.logged(e.logger(), err, journal.IDPreflightRefused)}
				}
				return e.logged(e.logger(), err, journal.IDPreflightRefused)
			}
			if journal.IsStream(os.Stderr) {
				e.afterFailure(cmd.Context())
			}
			return e.show(rep, func() {
				if !rep.Catalogue {
					fmt.Fprintln(e.out, "there is no catalogue yet: run msrpcctl refresh")
				}
				for _, d := range rep.Made {
					fmt.Fprintln(e.out, "made", d)
				}
			})
		},
	}
}

// afterFailure starts the target again when the preflight comes up late, after
// it failed: the sockets that require it were given up by then. An error is
// left to verify and refresh, which see these sockets.
func (e *env) afterFailure(ctx context.Context) {
	m, err := e.connect(ctx)
	if err != nil {
		return
	}
	defer m.Close()
	units, err := m.Get(ctx, layout.PreflightService, layout.Target)
	if err == nil && units[0].Active == "activating" && units[1].Active == "active" && units[1].Job == "" {
		m.StartNoWait(ctx, layout.Target)
	}
}
