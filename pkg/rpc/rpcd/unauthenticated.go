// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"errors"
	"fmt"
	"log/slog"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/printable"
)

// This file owns what the log says of clients that are not authenticated.

// unauthenticated logs why a client is not authenticated, each cause once and then in
// growing steps.
func (c *conn) unauthenticated(l *loop, err error) {
	f, level := auth.FailureOf(err), journal.Notice
	if errors.Is(err, auth.ErrUnavailable) || f.Cause == auth.KeytabWithout { // not the client's fault
		level = slog.LevelWarn
	}
	account := "whose account is not known"
	if f.Account != "" {
		account = printable.Quote(f.Account, 80)
	}
	c.complain(l, level, "logon "+string(f.Cause), journal.IDLogonFailed, fmt.Sprintf("client %s is not authenticated: %v; %s", account, err, f.Cause.Remedy()),
		journal.Cause, string(f.Cause), journal.Account, printable.Text(printable.Cut(f.Account, 200)))
}
