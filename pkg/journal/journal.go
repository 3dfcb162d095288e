// SPDX-License-Identifier: Apache-2.0

// Package journal sets up structured logging: slog records go to systemd's
// journal with the MSRPC_* fields, or to standard error where there is no
// journal. Message ids are in messageid.go, one catalog entry for each.
package journal

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"

	slogjournal "github.com/systemd/slog-journal"
)

// Keys of the journal fields. The journal accepts upper case only.
const (
	Rpcd       = "MSRPC_RPCD"        // NAME of the rpcd
	Worker     = "MSRPC_WORKER"      // index of the worker
	Transport  = "MSRPC_TRANSPORT"   // np, tcp or ncalrpc
	Client     = "MSRPC_CLIENT"      // address, or uid on ncalrpc
	AssocGroup = "MSRPC_ASSOC_GROUP" // association group id, hexadecimal
	Binding    = "MSRPC_BINDING"     // binding string of the listener
	MessageID  = "MESSAGE_ID"
	Error      = "ERROR"
)

// Setup returns a logger whose records carry attrs. It writes to the journal
// when the process was started by systemd or the journal's socket is there
// (os.Stderr is used otherwise). The first write that fails falls back to
// standard error.
func Setup(attrs ...slog.Attr) *slog.Logger {
	var h slog.Handler
	if os.Getenv("JOURNAL_STREAM") != "" || os.Getenv("INVOCATION_ID") != "" {
		if j, err := slogjournal.NewHandler(&slogjournal.Options{ReplaceAttr: upper}); err == nil {
			h = j
		}
	}
	if h == nil {
		h = slog.NewTextHandler(os.Stderr, nil)
	}
	log := slog.New(h.WithAttrs(attrs))
	slog.SetDefault(log)
	return log
}

// upper makes any key one that the journal keeps.
func upper(_ []string, a slog.Attr) slog.Attr {
	a.Key = strings.ToUpper(strings.ReplaceAll(a.Key, "-", "_"))
	return a
}

// Limiter logs each cause once and counts what follows, so that a peer can not
// fill the journal. Safe for concurrent use.
type Limiter struct {
	mu   sync.Mutex
	seen map[string]uint64
}

// Log writes the record if its cause (a short constant) is new, and counts it
// otherwise. It returns how often the cause was seen.
func (l *Limiter) Log(log *slog.Logger, level slog.Level, cause, id, msg string, args ...any) uint64 {
	l.mu.Lock()
	if l.seen == nil {
		l.seen = map[string]uint64{}
	}
	l.seen[cause]++
	n := l.seen[cause]
	l.mu.Unlock()
	if n == 1 {
		log.Log(context.Background(), level, msg, append(args, MessageID, id)...)
	}
	return n
}
