// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"msrpcd/pkg/wire/printable"
)

const maxLine = 2000 // bytes of a line with its continuations; systemd's own limit is 2048

// assignment is one "Key=Value" with the place where it stands.
type assignment struct {
	Section, Key, Value string
	Line                int
}

// parse reads one file in the syntax of systemd.syntax(7); section is the one
// that its settings stand in. A line that cannot be read is a Problem and left
// out; all others hold.
func parse(file, section string, text []byte) ([]assignment, []Problem) {
	s := scanner{file: file, want: section}
	s.scan(text)
	return s.found, s.problems
}

type scanner struct {
	file     string
	want     string // the section that settings of this file stand in
	found    []assignment
	problems []Problem
	section  string // "" before the first and after a bad one
	skip     bool   // a bad section header is reported, its lines are not
}

func (s *scanner) problem(line int, format string, args ...any) {
	s.problems = append(s.problems, Problem{File: s.file, Line: line, What: fmt.Sprintf(format, args...)})
}

// scan joins continued lines and drops comments, as systemd does: a comment
// inside a continued line is dropped too, a comment is never continued.
func (s *scanner) scan(text []byte) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var logical strings.Builder
	first := 0 // line where logical began, 0: none
	for n := 1; len(text) > 0; n++ {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		l := strings.TrimSuffix(string(line), "\r")
		if t := strings.TrimSpace(l); t != "" && strings.ContainsRune("#;", rune(t[0])) {
			continue
		}
		if first == 0 {
			first = n
		}
		if continued(l) {
			logical.WriteString(l[:len(l)-1] + " ")
			continue
		}
		logical.WriteString(l)
		s.take(first, strings.TrimSpace(logical.String()))
		logical.Reset()
		first = 0
	}
	if first != 0 {
		s.take(first, strings.TrimSpace(logical.String()))
	}
}

// continued reports whether an unescaped backslash ends the line.
func continued(l string) bool {
	return (len(l)-len(strings.TrimRight(l, `\`)))%2 == 1
}

// take looks at one logical line.
func (s *scanner) take(n int, l string) {
	switch {
	case l == "":
		return
	case len(l) > maxLine:
		s.problem(n, "the line is longer than %d bytes; it is ignored", maxLine)
		return
	case !utf8.ValidString(l) || strings.ContainsFunc(l, control):
		s.problem(n, "the line has bytes that are not text; it is ignored")
		return
	case l[0] == '[':
		s.header(n, l)
		return
	}
	key, value, ok := strings.Cut(l, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	switch {
	case s.skip:
	case s.section == "":
		s.problem(n, "%s stands before any section; put a line like [%s] in front", quote(l), s.want)
	case !ok:
		s.problem(n, "%s has no '='; it is ignored", quote(l))
	case key == "":
		s.problem(n, "%s has no name before '='; it is ignored", quote(l))
	case strings.HasSuffix(value, `\`):
		s.problem(n, "%s= ends in a backslash; the line is ignored", key)
	default:
		s.found = append(s.found, assignment{s.section, key, value, n})
	}
}

func (s *scanner) header(n int, l string) {
	name := strings.TrimSuffix(strings.TrimPrefix(l, "["), "]")
	if len(name) != len(l)-2 || name == "" || strings.ContainsAny(name, "[]") {
		s.problem(n, "%s is not a section header, which is [Name]; what follows it is ignored", quote(l))
		s.section, s.skip = "", true
		return
	}
	s.section, s.skip = name, false
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// quote makes text of a file fit for a message.
func quote(s string) string { return printable.Quote(s, 80) }
