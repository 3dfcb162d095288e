// SPDX-License-Identifier: Apache-2.0

package setting

// This file reads and writes single values. Errors say what a value has to be.

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/printable"
)

// VariableError is a variable that has no good value.
type VariableError struct {
	Variable, Text string
	err            error
}

func (e *VariableError) Error() string {
	return fmt.Sprintf("%s=%s: %v; msrpcctl refresh writes this variable, and drop-ins of the unit may set it",
		e.Variable, printable.Quote(e.Text, 80), e.err)
}

func (e *VariableError) Unwrap() error { return e.err }

// Set reads text into v. An error says what text has to be; v is as it was.
func (r *Row) Set(v *Values, text string) error {
	switch f := r.field(v).(type) {
	case *int:
		n, err := r.number(text)
		if err != nil {
			return err
		}
		*f = n
	case *bool:
		if text != "yes" && text != "no" {
			return errors.New("it has to be yes or no")
		}
		*f = text == "yes"
	case *source.Limit:
		n, err := r.number(text)
		if err != nil {
			return err
		}
		f.Address, f.User = n, n
	case *time.Duration:
		n, err := r.span(text)
		if err != nil {
			return err
		}
		*f = time.Duration(n) * time.Second
	case *string:
		if err := r.check(text); err != nil {
			return err
		}
		if *f = text; r.Unit == Path {
			*f = filepath.Clean(text)
		}
	}
	return nil
}

// Text is the value in v, as Set reads it; "" for a text that is not there.
func (r *Row) Text(v *Values) string {
	switch f := r.field(v).(type) {
	case *int:
		return strconv.Itoa(*f)
	case *bool:
		return map[bool]string{true: "yes", false: "no"}[*f]
	case *source.Limit:
		return strconv.Itoa(f.Address)
	case *time.Duration:
		return strconv.Itoa(int(*f / time.Second))
	case *string:
		return *f
	}
	return ""
}

// Reset gives v the default.
func (r *Row) Reset(v *Values) {
	if r.Default != "" {
		r.Set(v, r.Default)
		return
	}
	switch f := r.field(v).(type) {
	case *int:
		*f = 0
	case *time.Duration:
		*f = 0
	case *string:
		*f = ""
	}
}

func (r *Row) number(text string) (int, error) {
	digits, factor := text, 1
	if r.Unit == Bytes {
		if d, ok := strings.CutSuffix(text, "K"); ok {
			digits, factor = d, 1<<10
		} else if d, ok := strings.CutSuffix(text, "M"); ok {
			digits, factor = d, 1<<20
		}
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err == nil && int64(n)*int64(factor) >= int64(r.Low) && int64(n)*int64(factor) <= int64(r.High) {
		return int(n) * factor, nil
	}
	if r.Unit == Bytes {
		return 0, fmt.Errorf("it has to be bytes from %d to %d, suffixes K and M are known", r.Low, r.High)
	}
	zero := r.Zero
	if zero != "" {
		zero = " (" + zero + ")"
	}
	return 0, fmt.Errorf("it has to be a number from %d to %d%s", r.Low, r.High, zero)
}

var spanUnits = map[string]int{
	"": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1,
	"m": 60, "min": 60, "minute": 60, "minutes": 60,
	"h": 3600, "hr": 3600, "hour": 3600, "hours": 3600,
	"d": 86400, "day": 86400, "days": 86400,
}

// span reads whole seconds as a time span of systemd.time(7), "90", "1min 30s".
func (r *Row) span(text string) (int, error) {
	wrong := fmt.Errorf("it has to be whole seconds from %d to %d, or a time span such as 1min 30s", r.Low, r.High)
	if text == "" {
		return 0, wrong
	}
	sum := 0
	for text != "" {
		digits, tail := lead(text, "0123456789")
		name, rest := lead(strings.TrimLeft(tail, " \t"), "abcdefghijklmnopqrstuvwxyz")
		n, err := strconv.ParseUint(digits, 10, 24)
		factor, known := spanUnits[name]
		if err != nil || !known {
			return 0, wrong
		}
		if sum += int(n) * factor; sum > r.High {
			return 0, wrong
		}
		text = strings.TrimLeft(rest, " \t")
	}
	if sum < r.Low {
		return 0, wrong
	}
	return sum, nil
}

// lead splits s after its longest start that has bytes of set only.
func lead(s, set string) (start, rest string) {
	rest = strings.TrimLeft(s, set)
	return s[:len(s)-len(rest)], rest
}

func (r *Row) check(text string) error {
	switch {
	case r.Unit == Path && !filepath.IsAbs(text):
		return errors.New("it has to be an absolute path")
	case r.Unit == Name && !layout.ValidName(text):
		return errors.New("it has to be the NAME of an rpcd, 1 to 32 of a-z, 0-9 and _")
	}
	return nil
}
