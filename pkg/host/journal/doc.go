// SPDX-License-Identifier: Apache-2.0

// Package journal sets up structured logging: slog records go to systemd's
// journal with the MSRPC_* fields, or to standard error where there is no
// journal. Message ids are in messageid.go, one catalog entry for each.
//
// Nothing here waits for a reader: event loops log, and a journal that hangs
// must not hang them. What the journal does not take at once is in a bounded
// queue, what does not fit there is counted (sink.go), and what goes to standard
// error goes through Output (output.go).
//
// Its API is for msrpcd alone and may change with any version.
package journal
