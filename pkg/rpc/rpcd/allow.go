// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"log/slog"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
	"msrpcd/pkg/wire/printable"
)

// This file owns which calls a caller may make: Interface.MinLevel and Op.Allow.

// Members allows callers that have one of these SIDs.
func Members(sids ...npa.SID) func(*Caller) bool {
	return func(c *Caller) bool {
		for _, sid := range sids {
			if c.Has(sid) {
				return true
			}
		}
		return false
	}
}

var errDenied = &dcerpc.Reject{Cause: "call denied", Fault: dcerpc.FaultAccessDenied, Flags: dcerpc.FlagNotExecuted, Keep: true}

// strength is the level that counts for MinLevel. No other machine can touch what
// comes over ncalrpc. Of a named pipe the SMB server knows more than it says; it
// counts as connect for a client that it has authenticated. The keys of an anonymous
// client are known to all, so they protect nothing.
func (c *Caller) strength() byte {
	switch {
	case c.Transport.Local():
		return dcerpc.LevelPrivacy
	case c.anonymous:
		return dcerpc.LevelNone
	case c.Session != nil && c.Session.Authenticated():
		return max(c.Level, dcerpc.LevelConnect)
	}
	return c.Level
}

// allowed denies a call that the caller may not make, and logs that once for each
// operation.
func (c *conn) allowed(l *loop, i *Interface, op *Op) *dcerpc.Reject {
	if i.MinLevel == 0 && op.Allow == nil {
		return nil
	}
	who, cause, why := c.identify(l), "level", ""
	if c.security != nil {
		who = c.security.caller
	}
	switch {
	case who.strength() < i.MinLevel:
		why = fmt.Sprintf("its protection has the level %d, the interface demands %d; let the client sign (5) or seal (6) its calls", who.strength(), i.MinLevel)
	case op.Allow != nil && !l.allows(op, who):
		cause, why = "not-allowed", "the operation does not allow the account or its groups; put it into the group that may, or use another account"
	default:
		return nil
	}
	c.complain(l, slog.LevelWarn, cause+" "+i.Name+" "+op.Name, journal.IDAccessDenied,
		fmt.Sprintf("call of %s of %s by %s denied: %s", op.Name, i.Name, printable.Text(who.String()), why),
		journal.Cause, cause, journal.Account, printable.Text(who.String()))
	return errDenied
}

// allows asks the operation. An answer that panics means no.
func (l *loop) allows(op *Op, who *Caller) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			l.causes.Log(l.log, slog.LevelError, "panic allow "+op.Name, journal.IDOperationFailed,
				"Allow of "+op.Name+" failed, the call is denied: report this as a bug", journal.Error, r)
			ok = false
		}
	}()
	return op.Allow(who)
}
