// SPDX-License-Identifier: Apache-2.0

package unittext

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"msrpcd/pkg/wire/printable"
)

var (
	errControl   = errors.New("has a control character or is not UTF-8")
	errBackslash = errors.New("has a backslash")
)

// Check refuses what would end a line or is not text.
func Check(s string) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%.80q %w", s, errControl)
	}
	return nil
}

// Path escapes a path that is the whole value of a setting (ListenStream=,
// SourcePath=, PathChanged=): only specifiers are special there, blanks at the
// ends are dropped, a backslash could continue the line.
func Path(p string) (string, error) {
	if err := Check(p); err != nil {
		return "", err
	}
	switch {
	case !strings.HasPrefix(p, "/"):
		return "", fmt.Errorf("%.80q is not an absolute path", p)
	case strings.TrimSpace(p) != p:
		return "", fmt.Errorf("%.80q ends in a blank", p)
	case strings.Contains(p, `\`):
		return "", fmt.Errorf("%.80q %w", p, errBackslash)
	}
	return strings.ReplaceAll(p, "%", "%%"), nil
}

// Program escapes the first word of a command. systemd has no way to write a
// dollar sign there.
func Program(p string) (string, error) {
	if _, err := Path(p); err != nil {
		return "", err
	}
	if strings.Contains(p, "$") {
		return "", fmt.Errorf("%.80q has a dollar sign", p)
	}
	return Word(p)
}

// Word writes one word of a list of words (ExecStart=, Environment=), see
// "Quoting" in systemd.syntax(7).
func Word(s string) (string, error) {
	if err := Check(s); err != nil {
		return "", err
	}
	s = strings.ReplaceAll(s, "%", "%%")
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/_.,:=@%+-$", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s, nil
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, nil
}

// Sentence makes any text fit for one line of a unit or of a log: it is cut
// after about max bytes, does not end in a backslash and is not empty.
func Sentence(s string, max int) string {
	s = printable.Cut(strings.Join(strings.Fields(s), " "), max)
	if s = strings.TrimRight(s, `\ `); s == "" {
		return "(no text)"
	}
	return s
}

// Description is Sentence for Description=, with specifiers escaped.
func Description(s string) string {
	return strings.ReplaceAll(Sentence(s, 200), "%", "%%")
}
