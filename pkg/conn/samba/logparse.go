// SPDX-License-Identifier: Apache-2.0

package samba

// Journal messages from the text of Samba's log files. Samba writes a header with
// level and place, "[date, level, pid=N] file:line(function)", and below it the
// text, each line after two blanks: that is one message. A file may be that of
// several processes; the messages of one are taken. The text is not trusted: it
// is cut and made printable.

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/wire/printable"
)

const (
	maxLogLine    = 4 << 10  // bytes of a line
	maxLogMessage = 32 << 10 // bytes of a message
)

// With "debug prefix timestamp" the text follows in the same line.
var logHeader = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\[(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d[.\d]*), +(\d{1,3})(?:, [^\]]*)?\](?: (\S+):(\d+)\(([^()]*)\)$| ?(.*)$)`)
})

type logParser struct {
	to    slog.Handler
	pid   string // of the process whose messages are taken
	alone bool   // messages without a pid are its messages too
	since string // older messages are not taken; "" = no limit
	last  string // time of the last message

	line  []byte // incomplete
	cut   bool   // the rest of the line is dropped
	open  bool   // a message of the process has begun
	level slog.Level
	attrs []slog.Attr
	text  []byte
}

func newLogParser(log *slog.Logger, program string, pid int) *logParser {
	return &logParser{to: journal.As(log, program).Handler(), pid: strconv.Itoa(pid)}
}

// write takes text as it comes, and returns how much: it stops after a line when
// the journal is busy.
func (l *logParser) write(b []byte) int {
	done := 0
	for done < len(b) {
		part := b[done:]
		i := bytes.IndexByte(part, '\n')
		if i >= 0 {
			part = part[:i]
		}
		done += len(part)
		if room := maxLogLine - len(l.line); len(part) > room {
			part, l.cut = part[:room], true
		}
		l.line = append(l.line, part...)
		if i < 0 {
			break
		}
		done++
		l.take()
		if journal.Busy() {
			break
		}
	}
	return done
}

// take is what a complete line does.
func (l *logParser) take() {
	line, cut := l.line, l.cut
	l.line, l.cut = l.line[:0], false
	switch {
	case len(line) > 0 && line[0] == '[' && l.header(line):
	case !l.open:
	case len(line) == 0 || bytes.HasPrefix(line, []byte("  ")):
		l.add(strings.TrimPrefix(string(line), "  "), cut)
	default: // another program's, which has the file as standard error
		l.send()
	}
}

// header begins a message, or ends one when another process began the next. It
// reports whether the line is done with.
func (l *logParser) header(line []byte) bool {
	_, after, has := bytes.Cut(line, []byte(", pid="))
	rest, ours := bytes.CutPrefix(after, []byte(l.pid))
	ours = ours && len(rest) > 0 && (rest[0] == ',' || rest[0] == ']')
	if !ours && (has || !l.alone) {
		l.send()
		return true
	}
	m := logHeader().FindStringSubmatch(string(line))
	if m == nil {
		return false
	}
	l.send()
	if m[1] < l.since {
		return true
	}
	l.last = m[1]
	l.open, l.level = true, severity(m[2])
	l.attrs = append(l.attrs, slog.String("SYSLOG_TIMESTAMP", m[1]), slog.String("LEVEL", m[2]))
	if ours {
		l.attrs = append(l.attrs, slog.String("SYSLOG_PID", l.pid))
	}
	if m[3] != "" {
		l.attrs = append(l.attrs, slog.String("CODE_FILE", printable.Text(m[3])), slog.String("CODE_LINE", m[4]), slog.String("CODE_FUNC", printable.Text(m[5])))
	} else if m[6] != "" {
		l.add(m[6], false)
	}
	return true
}

// add adds a line to the text.
func (l *logParser) add(line string, cut bool) {
	if len(l.text) >= maxLogMessage {
		return
	}
	if len(l.text) > 0 {
		l.text = append(l.text, '\n')
	}
	l.text = append(l.text, printable.Text(strings.TrimRight(line, " \r"))...)
	if cut || len(l.text) >= maxLogMessage {
		l.text = append(l.text, "..."...)
	}
}

// flush writes the message as far as it came: nothing more came for a while. One
// without text stays open.
func (l *logParser) flush() {
	if len(l.text) > 0 && len(l.line) == 0 {
		l.send()
	}
}

// end is for the end of the text.
func (l *logParser) end() {
	if len(l.line) > 0 {
		l.take()
	}
	l.send()
}

// send writes the message, whatever its level: smb.conf decides what Samba logs.
func (l *logParser) send() {
	if text := strings.Trim(string(l.text), "\n"); text != "" && !banner().MatchString(text) {
		r := slog.Record{Level: l.level, Message: text}
		r.AddAttrs(l.attrs...)
		l.to.Handle(context.Background(), r)
	}
	l.text, l.attrs, l.open = l.text[:0], nil, false
}

// severity is the level of syslog(3) for Samba's: 0 is all that an administrator
// has to know. Higher ones are notices, which LogLevelMax= of the units lets
// pass: an administrator who sets a log level in smb.conf wants to see its messages.
func severity(level string) slog.Level {
	switch level {
	case "0":
		return slog.LevelError
	case "1":
		return slog.LevelWarn
	}
	return journal.Notice
}

// banner is what each program of Samba writes first, at level 0.
var banner = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\S+ version \S+ started\.(\nCopyright Andrew Tridgell and the Samba Team [-0-9]+)?$`)
})
