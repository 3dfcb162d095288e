// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// This file makes messages of the journal's native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/) of slog's records.

// handler is the slog.Handler that writes into a sink.
type handler struct {
	to     *sink
	debug  bool   // $DEBUG_INVOCATION, of RestartMode=debug in systemd.service(5)
	prefix string // of the groups that are open, each with "_"
	fields []byte // what WithAttrs added, encoded

	identifier string // SYSLOG_IDENTIFIER, where it is not this program's name
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.debug
}

// Handle never fails: what becomes of a message is up to the sink.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	b := appendField(make([]byte, 0, 1024), "MESSAGE", r.Message)
	b = appendField(b, "PRIORITY", priority(r.Level))
	b = appendField(b, "SYSLOG_IDENTIFIER", cmp.Or(h.identifier, identifier))
	if r.PC != 0 {
		f, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		b = appendField(b, "CODE_FILE", f.File)
		b = appendField(b, "CODE_FUNC", f.Function)
		b = appendField(b, "CODE_LINE", strconv.Itoa(f.Line))
	}
	if !r.Time.IsZero() { // it may wait in the queue
		b = appendField(b, "SYSLOG_TIMESTAMP", r.Time.UTC().Format(time.RFC3339Nano))
	}
	b = append(b, h.fields...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.prefix, a)
		return true
	})
	h.to.write(b)
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.fields = bytes.Clone(h.fields)
	for _, a := range attrs {
		n.fields = appendAttr(n.fields, h.prefix, a)
	}
	return &n
}

func (h *handler) WithGroup(name string) slog.Handler {
	n := *h
	if name != "" {
		n.prefix += key(name) + "_"
	}
	return &n
}

var identifier = filepath.Base(os.Args[0])

// priority is the level of syslog(3).
func priority(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "7"
	case l < Notice:
		return "6"
	case l < slog.LevelWarn:
		return "5"
	case l < slog.LevelError:
		return "4"
	}
	return "3"
}

// key makes any key one that the journal keeps: capitals, digits and "_", of
// which the latter two do not begin it, 64 at most.
func key(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, s)
	s = strings.TrimLeft(s, "_0123456789")
	return s[:min(len(s), 64)]
}

func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		if a.Key != "" {
			prefix += key(a.Key) + "_"
		}
		for _, x := range v.Group() {
			b = appendAttr(b, prefix, x)
		}
		return b
	case slog.KindTime:
		return appendField(b, key(prefix+a.Key), v.Time().UTC().Format(time.RFC3339Nano))
	}
	return appendField(b, key(prefix+a.Key), v.String())
}

// appendField appends one field. A value with a newline has its length before it.
func appendField(b []byte, key, value string) []byte {
	if key == "" {
		return b
	}
	b = append(b, key...)
	if strings.IndexByte(value, '\n') < 0 {
		b = append(b, '=')
	} else {
		b = append(b, '\n')
		b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	}
	b = append(b, value...)
	return append(b, '\n')
}
