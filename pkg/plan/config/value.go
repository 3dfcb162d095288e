// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
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

func number(low, high int, zero string) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.ParseUint(s, 10, 31)
		if err == nil && int(n) >= low && int(n) <= high {
			return int(n), nil
		}
		if zero != "" {
			zero = " (" + zero + ")"
		}
		return 0, fmt.Errorf("it has to be a number from %d to %d%s", low, high, zero)
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

var spanUnits = map[string]int{
	"": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1,
	"m": 60, "min": 60, "minute": 60, "minutes": 60,
	"h": 3600, "hr": 3600, "hour": 3600, "hours": 3600,
	"d": 86400, "day": 86400, "days": 86400,
}

// span reads whole seconds as a time span of systemd.time(7), "90", "1min 30s".
func span(low, high int) func(string) (int, error) {
	wrong := fmt.Errorf("it has to be whole seconds from %d to %d, or a time span such as 1min 30s", low, high)
	return func(s string) (int, error) {
		if s == "" {
			return 0, wrong
		}
		sum := 0
		for s != "" {
			digits, tail := lead(s, "0123456789")
			name, rest := lead(strings.TrimLeft(tail, " \t"), "abcdefghijklmnopqrstuvwxyz")
			n, err := strconv.ParseUint(digits, 10, 24)
			factor, known := spanUnits[name]
			if err != nil || !known {
				return 0, wrong
			}
			sum += int(n) * factor
			if sum > high {
				return 0, wrong
			}
			s = strings.TrimLeft(rest, " \t")
		}
		if sum < low {
			return 0, wrong
		}
		return sum, nil
	}
}

// lead splits s after its longest start that has bytes of set only.
func lead(s, set string) (start, rest string) {
	rest = strings.TrimLeft(s, set)
	return s[:len(s)-len(rest)], rest
}

// size reads bytes with an optional suffix K or M, base 1024.
func size(low, high int) func(string) (int, error) {
	return func(s string) (int, error) {
		digits, factor := s, 1
		if d, ok := strings.CutSuffix(s, "K"); ok {
			digits, factor = d, 1<<10
		} else if d, ok := strings.CutSuffix(s, "M"); ok {
			digits, factor = d, 1<<20
		}
		n, err := strconv.ParseUint(digits, 10, 24)
		if err != nil || int(n)*factor < low || int(n)*factor > high {
			return 0, fmt.Errorf("it has to be bytes from %d to %d, suffixes K and M are known", low, high)
		}
		return int(n) * factor, nil
	}
}

// transports reads a list, or "none". The result is sorted and never nil.
func transports(s string) ([]layout.Transport, error) {
	words := strings.Fields(s)
	out := []layout.Transport{}
	if len(words) == 1 && words[0] == "none" {
		return out, nil
	}
	for _, w := range words {
		if !slices.Contains(layout.Transports, layout.Transport(w)) {
			return nil, fmt.Errorf("%s is no transport; there are np, tcp and ncalrpc, or none alone", quote(w))
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
		return fmt.Errorf("%s is no valid glob, see glob(7)", quote(s))
	}
	return nil
}

// plain refuses what has a meaning in unit files and command lines.
func plain(s string) error {
	if len(s) > maxPath {
		return fmt.Errorf("it has more than %d bytes", maxPath)
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return control(r) || strings.ContainsRune("%$\"'\\;", r) }); i >= 0 {
		return fmt.Errorf("%s can not stand in a path here, units give it a meaning", quote(s[i:i+1]))
	}
	return nil
}
