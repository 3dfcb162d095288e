// SPDX-License-Identifier: Apache-2.0

// Package broker is the broker of one rpcd: it accepts from the listeners that
// systemd passes, does the named pipe handshake, peeks at the bind, chooses a
// worker and hands the connection to its inbox. Nothing else: no policy, no
// privilege, no D-Bus.
//
// One event loop on one goroutine owns everything; there is no lock and, per
// connection on the warm path, no allocation and no log. A connection has one
// owner at each step:
//
//	listener -> conn (wantNPA -> wantBind -> wantInbox) -> inbox
//	              \_____ while it waits: also in the parking _____/
//
// What waits is parked at once by a loop that has just slept, and by one that
// still has to do with those who came before it was started. One that finds more
// and more to do puts it off until it would sleep, for 2 ms at most. So a crash
// costs only what the loop has in hand, and a busy loop does not park those whose
// bind is there a moment later. waiting.go says what always holds of them.
//
// Its API is for msrpcd alone and may change with any version.
package broker
