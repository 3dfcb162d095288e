// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// collector is a handler that keeps messages as "level text | attributes".
type collector struct{ got []string }

func (c *collector) Enabled(context.Context, slog.Level) bool { return false }
func (c *collector) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *collector) WithGroup(string) slog.Handler            { return c }
func (c *collector) Handle(_ context.Context, r slog.Record) error {
	s := fmt.Sprintf("%d %s |", r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool { s += " " + a.Value.String(); return true })
	c.got = append(c.got, s)
	return nil
}

// logHead is a header of the level, with more after it.
func logHead(level int, more string) string {
	return fmt.Sprintf("[2026/11/28 11:02:00.123456, %2d%s] ../../source3/x.c:12(fun)\n", level, more)
}

func TestTextOfALogFileBecomesMessages(t *testing.T) {
	place := func(level string) string {
		return " | 2026/11/28 11:02:00.123456 " + level + " 7 ../../source3/x.c 12 fun"
	}
	own := func(level int) string { return logHead(level, ", pid=7") }
	for name, c := range map[string]struct {
		in   string
		want []string // with place, unless they have attributes
	}{
		"levels": {own(0) + "  a\n" + own(1) + "  b\n" + own(2) + "  c\n" + own(3) + "  d\n" + own(4) + "  e\n" + own(10) + "  f\n",
			[]string{"8 a", "4 b", "2 c", "2 d" + place("3"), "2 e" + place("4"), "2 f" + place("10")}},
		"several lines":        {own(0) + "  a\n  b\n    c\n\n  d\n" + own(1) + "  e\n", []string{"8 a\nb\n  c\n\nd", "4 e"}},
		"more in the header":   {logHead(3, ", pid=7, effective(0, 0), real(0, 0), class=auth, traceid=1") + "  a\n", []string{"2 a" + place("3")}},
		"of another process":   {own(0) + "  a\n" + logHead(0, ", pid=77") + "  b\n  c\n" + own(0) + "  d\n", []string{"8 a", "8 d"}},
		"without a pid":        {own(0) + "  a\n" + logHead(0, "") + "  b\n", []string{"8 a"}},
		"of a script":          {own(0) + "  a\nscript says\n  more\n[x]\n", []string{"8 a"}},
		"prefix":               {"[2026/11/28 11:02:00, 1, pid=7] a\n", []string{"4 a | 2026/11/28 11:02:00 1 7"}},
		"banner":               {own(0) + "  rpcd_winreg version 4.25.1-Debian started.\n  Copyright Andrew Tridgell and the Samba Team 1992-2026\n", nil},
		"not printable":        {own(0) + "  a\x1b[31m\xff\u202e\n", []string{`8 a\x1b[31m\xff\u202e`}},
		"no end of line":       {own(0) + "  a", []string{"8 a"}},
		"nothing":              {"\n\n" + own(0) + own(0) + "\n", nil},
		"a long line":          {own(0) + "  " + strings.Repeat("a", 10000) + "\n  b\n", []string{"8 " + strings.Repeat("a", maxLogLine-2) + "...\nb"}},
		"a header that is cut": {strings.Repeat("[", 10000) + "\n" + own(0) + "  a\n", []string{"8 a"}},
	} {
		for i, w := range c.want {
			if !strings.Contains(w, " | ") {
				c.want[i] += place(map[byte]string{'8': "0", '4': "1", '2': "2"}[w[0]])
			}
		}
		for _, size := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprint(name, " by ", size), func(t *testing.T) {
				var to collector
				l := &logParser{to: &to, pid: "7"}
				for in := c.in; len(in) > 0; {
					n := l.write([]byte(in[:min(size, len(in))]))
					in = in[n:]
				}
				l.end()
				check.Same(t, c.want, to.got)
			})
		}
	}
}

func TestMessagesWithoutPIDAreTakenWhereNoOtherReaderDoes(t *testing.T) {
	var to collector
	l := &logParser{to: &to, pid: "7", alone: true, since: "2026/11/28 11:02:00"}
	l.write([]byte("[2026/11/28 11:01:59,  0] a.c:1(f)\n  before\n[2026/11/28 11:02:00,  0] a.c:1(f)\n"))
	l.flush() // its text comes later
	l.write([]byte("  a\n"))
	l.flush()
	l.write([]byte("  not of it\n" + logHead(0, ", pid=8") + "  b\n"))
	l.end()
	check.Same(t, []string{"8 a | 2026/11/28 11:02:00 0 a.c 1 f"}, to.got)
}

func FuzzLogParser(f *testing.F) {
	f.Add([]byte(logHead(1, ", pid=7") + "  x\ny\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var to collector
		l := &logParser{to: &to, pid: "7", alone: true}
		check.Is(t, "bytes", len(b), l.write(b))
		l.end()
		for _, m := range to.got {
			if len(m) > 4*(maxLogMessage+2*maxLogLine) {
				t.Errorf("message of %d bytes", len(m))
			}
		}
	})
}
