// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/plan/refresh"
)

func (e *env) lookCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "look",
		Short: "Start a refresh when what is served does not follow from this host",
		Long: `Compare what was found out at the last refresh with programs, configuration,
smb.conf and network addresses as they are now, and start msrpc-refresh.service
when something differs or could not be found out. Run by msrpc-look.service at
the start of the target, and by msrpc-network.service, with the netlink socket
that systemd passes, when the network changes.`,
		Args: args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := e.logger()
			fds, err := sys.PassedFDs()
			if err == nil && len(fds) == 0 {
				err = e.look(cmd.Context(), false)
			} else if err == nil {
				err = refresh.Follow(cmd.Context(), time.Now, refresh.Heard(fds[0].FD), func(ctx context.Context) {
					if err := e.look(ctx, true); err != nil && ctx.Err() == nil {
						log.Warn(err.Error(), journal.MessageID, journal.IDRefreshFailed)
					}
				})
			}
			return e.logged(log, err, journal.IDRefreshFailed)
		},
	}
}

// look starts a refresh if one is needed. When the network changed it waits for
// it, so that the next look is at its result.
func (e *env) look(ctx context.Context, network bool) error {
	r := refresh.New()
	r.Host = e.host
	why, err := r.Stale(ctx, network)
	if err != nil || why == "" {
		return err
	}
	m, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	fmt.Fprintln(e.out, "refresh:", why)
	if !network {
		return m.StartNoWait(ctx, layout.RefreshService)
	}
	if err := m.Start(ctx, layout.RefreshService); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", why, err))
	}
	return nil
}
