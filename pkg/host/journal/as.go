// SPDX-License-Identifier: Apache-2.0

package journal

import "log/slog"

// As returns log with another SYSLOG_IDENTIFIER: its messages are those of the
// program of this name. Outside of the journal it is log with a field.
func As(log *slog.Logger, program string) *slog.Logger {
	h, ok := log.Handler().(*handler)
	if !ok {
		return log.With("program", program)
	}
	n := *h
	n.identifier = program
	return slog.New(&n)
}

// Busy reports that the journal does not take messages at once: they are queued,
// and more would be dropped. A source that keeps what it has waits meanwhile.
func Busy() bool {
	s := current.Load()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drained != nil
}
