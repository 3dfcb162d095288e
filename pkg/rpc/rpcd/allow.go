// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"log/slog"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
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
	who, why := c.identify(l), ""
	if c.security != nil {
		who = c.security.caller
	}
	switch {
	case who.strength() < i.MinLevel:
		why = fmt.Sprintf("its protection has the level %d, the interface demands %d", who.strength(), i.MinLevel)
	case op.Allow != nil && !l.allows(op, who):
		why = "the operation does not allow it"
	default:
		return nil
	}
	c.complain(l, slog.LevelWarn, "denied "+i.Name+" "+op.Name, journal.IDAccessDenied,
		fmt.Sprintf("call of %s of %s by %s denied: %s", op.Name, i.Name, who, why))
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
