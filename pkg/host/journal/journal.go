// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Keys of the journal fields. The journal accepts upper case only.
const (
	Rpcd       = "MSRPC_RPCD"        // NAME of the rpcd
	Worker     = "MSRPC_WORKER"      // index of the worker
	Transport  = "MSRPC_TRANSPORT"   // np, tcp or ncalrpc
	Client     = "MSRPC_CLIENT"      // address, or uid on ncalrpc
	AssocGroup = "MSRPC_ASSOC_GROUP" // association group id, hexadecimal
	Binding    = "MSRPC_BINDING"     // binding string of the listener
	Cause      = "MSRPC_CAUSE"       // why a client is not authenticated, or a call denied: a word
	Account    = "MSRPC_ACCOUNT"     // that a client names, or has
	Repeats    = "MSRPC_REPEATS"     // how often a cause was seen, from the second message on
	MessageID  = "MESSAGE_ID"
	Error      = "ERROR"
)

// Notice is the level of what an administrator wants to see without asking. The
// units of brokers and workers store nothing below it, see LogLevelMax= in
// systemd.exec(5): what systemd itself says of them is at info.
const Notice = slog.LevelInfo + 2

// Setup returns a logger whose records carry attrs. It writes to the journal
// when systemd started the process and the journal's socket is there, and to
// standard error otherwise. A program that used it calls Flush before it ends.
func Setup(attrs ...slog.Attr) *slog.Logger {
	var h slog.Handler = slog.NewTextHandler(Stderr, nil)
	if os.Getenv("JOURNAL_STREAM") != "" || os.Getenv("INVOCATION_ID") != "" {
		if s := openSink(socketPath); s != nil {
			for _, a := range attrs {
				s.of = appendAttr(s.of, "", a)
			}
			h = &handler{to: s, debug: os.Getenv("DEBUG_INVOCATION") != ""}
			current.Store(s)
		}
	}
	log := slog.New(h.WithAttrs(attrs))
	slog.SetDefault(log)
	return log
}

// current is the sink that Setup opened last.
var current atomic.Pointer[sink]

// flushTime bounds what the end of a program waits for the journal.
const flushTime = 200 * time.Millisecond

// Flush gives the journal a last, short time to take what is queued.
func Flush() {
	if s := current.Load(); s != nil {
		s.flush(flushTime)
	}
}

// Limiter logs each cause once and counts what follows, so that a peer cannot
// fill the journal. Safe for concurrent use.
type Limiter struct {
	mu   sync.Mutex
	seen map[string]uint64
}

// LogCounted is Log, and writes the record of a cause again when it was seen 10 times,
// 100 times and so on, with the count.
func (l *Limiter) LogCounted(log *slog.Logger, level slog.Level, cause, id, msg string, args ...any) {
	n := l.Log(log, level, cause, id, msg, args...)
	for power := uint64(10); power <= n; power *= 10 {
		if power == n {
			log.Log(context.Background(), level, fmt.Sprintf("%d times so far, the last one: %s", n, msg), append(args, MessageID, id, Repeats, n)...)
		}
	}
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
