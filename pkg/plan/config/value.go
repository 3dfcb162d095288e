// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"msrpcd/pkg/host/layout"
)

// Readers of values. Each error says what the value has to be.

const (
	maxPath     = 1024 // bytes of a path or glob
	maxPatterns = 64   // paths and globs of one file
)

func oneOf[T ~string](all ...T) func(string) (T, error) {
	return func(s string) (T, error) {
		if slices.Contains(all, T(s)) {
			return T(s), nil
		}
		var names []string
		for _, a := range all {
			names = append(names, string(a))
		}
		return "", fmt.Errorf("it has to be %s", strings.Join(names, " or "))
	}
}

// boolean reads what systemd.syntax(7) calls boolean arguments.
func boolean(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "1", "yes", "y", "true", "t", "on":
		return true, nil
	case "0", "no", "n", "false", "f", "off":
		return false, nil
	}
	return false, errors.New("it has to be yes or no")
}

// transports reads a list, or "none". The result is sorted and never nil.
func transports(s string) ([]layout.Transport, error) {
	words := strings.Fields(s)
	out := []layout.Transport{}
	if len(words) == 1 && words[0] == "none" {
		return out, nil
	}
	for _, w := range words {
		if !layout.Transport(w).Valid() {
			return nil, fmt.Errorf("%s is not a transport; there are np, tcp and ncalrpc, or none alone", quote(w))
		}
	}
	for _, t := range layout.Transports {
		if slices.Contains(words, string(t)) {
			out = append(out, t)
		}
	}
	return out, nil
}

// absolute reads a path that can stand in a unit file without quotes.
func absolute(s string) (string, error) {
	if err := plain(s); err != nil {
		return "", err
	}
	if strings.ContainsAny(s, "*?[] \t") {
		return "", errors.New("it has to be one path without blanks and wildcards")
	}
	if !filepath.IsAbs(s) {
		return "", errors.New("it has to be an absolute path")
	}
	return filepath.Clean(s), nil
}

// programName reads an absolute path or a name to look up in PATH.
func programName(s string) (string, error) {
	if strings.Contains(s, "/") {
		return absolute(s)
	}
	if err := plain(s); err != nil || strings.ContainsAny(s, " \t*?[]") || s == "." || s == ".." {
		return "", errors.New("it has to be an absolute path or a name to look up in PATH")
	}
	return s, nil
}

// pattern checks one word of Exec=.
func pattern(s string) error {
	if err := plain(s); err != nil {
		return err
	}
	if !filepath.IsAbs(s) || filepath.Clean(s) != s || s == "/" {
		return fmt.Errorf("%s is not an absolute path in its shortest form", quote(s))
	}
	if _, err := filepath.Match(s, ""); err != nil {
		return fmt.Errorf("%s is not a valid glob, see glob(7)", quote(s))
	}
	return nil
}

// plain refuses what has a meaning in unit files and command lines.
func plain(s string) error {
	if len(s) > maxPath {
		return fmt.Errorf("it has more than %d bytes", maxPath)
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return control(r) || strings.ContainsRune("%$\"'\\;", r) }); i >= 0 {
		return fmt.Errorf("%s cannot stand in a path, since it has a meaning in unit files", quote(s[i:i+1]))
	}
	return nil
}
