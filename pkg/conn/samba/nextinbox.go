// SPDX-License-Identifier: Apache-2.0

package samba

// This file owns the inbox that this worker opens for others, setting/inboxes.go. No
// unit names it, so that systemd loads it only now; where it is open already, which is
// always but the first time, systemd is not asked.

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
)

const nextTime = 10 * time.Second // for systemd's answer, which generators may hold up

// openNext opens the inbox after that of this worker, if it is not open.
func openNext(o *setting.Values, log *slog.Logger) {
	next, ok := o.Next(o.Index)
	if !ok {
		return
	}
	if st, err := os.Lstat(layout.Inbox(o.Name, next)); err == nil && st.Mode()&fs.ModeSocket != 0 {
		return
	}
	socket := layout.WorkerSocket(o.Name, next)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), nextTime)
		defer cancel()
		if err := openInbox(ctx, socket); err != nil {
			log.Warn(fmt.Sprintf("%s is not open for the next worker: %v; msrpcctl refresh opens it", socket, err), journal.MessageID, journal.IDInboxGone)
		}
	}()
}

// openInbox opens an inbox unless all of MSRPC stops, which may begin meanwhile: systemd
// does not stop with the target what it has not loaded yet.
func openInbox(ctx context.Context, socket string) error {
	c, err := systemctl.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	serving := func() bool {
		units, err := c.Get(ctx, layout.Target)
		return err == nil && units[0].Up() && units[0].Job != "stop" && units[0].Job != "restart"
	}
	if !serving() {
		return nil
	}
	if err := c.StartNoWait(ctx, socket); err != nil || serving() {
		return err
	}
	return c.Stop(ctx, socket)
}
