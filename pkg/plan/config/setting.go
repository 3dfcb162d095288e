// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"msrpcd/pkg/wire/printable"
)

// Sections of the two kinds of files.
const (
	globalSection = "Msrpcd"
	rpcdSection   = "Rpcd"
)

// setters of one kind of file: key -> what to do with a value. "" is the value
// of "Key=", which gives back the default. An error says what the value has to
// be; the setting then stays as it was.
type setters map[string]func(value string) error

// assign applies a file's assignments. Unknown sections and keys are problems,
// except those that start with "X-".
func assign(file, section string, as []assignment, set setters) []Problem {
	var ps []Problem
	told := map[string]bool{}
	for _, a := range as {
		if strings.HasPrefix(a.Section, "X-") || strings.HasPrefix(a.Key, "X-") {
			continue
		}
		if a.Section != section {
			if !told[a.Section] {
				ps = append(ps, Problem{file, a.Line, fmt.Sprintf("unknown section [%s] is ignored; settings of this file stand in [%s]", a.Section, section)})
				told[a.Section] = true
			}
			continue
		}
		f, ok := set[a.Key]
		if !ok {
			ps = append(ps, Problem{file, a.Line, fmt.Sprintf("unknown setting %s= is ignored; %s", a.Key, suggest(a.Key, set))})
			continue
		}
		if err := f(a.Value); err != nil {
			ps = append(ps, Problem{file, a.Line, fmt.Sprintf("%s=%s is ignored: %v", a.Key, cut(a.Value), err)})
		}
	}
	return ps
}

func suggest(key string, set setters) string {
	known := slices.Sorted(maps.Keys(set))
	for _, k := range known {
		if strings.EqualFold(k, key) || strings.EqualFold(k, strings.TrimSuffix(key, "s")) || strings.EqualFold(k, key+"s") {
			return "did you mean " + k + "= ?"
		}
	}
	return "there are " + strings.Join(known, "=, ") + "="
}

func cut(s string) string { return printable.Cut(s, 80) }

func (g *Global) setters() setters {
	d := defaultGlobal()
	return setters{
		"SambaConfig":         into(&g.SambaConfig, d.SambaConfig, absolute),
		"Testparm":            into(&g.Testparm, d.Testparm, programName),
		"MessagingDirectory":  into(&g.MessagingDirectory, d.MessagingDirectory, absolute),
		"MaxUnbound":          into(&g.MaxUnbound, d.MaxUnbound, number(1, MaxMaxUnbound, "")),
		"MaxUnboundPerSource": into(&g.MaxUnboundPerSource, d.MaxUnboundPerSource, number(1, MaxMaxUnbound, "")),
		"MaxUnboundPerUser":   into(&g.MaxUnboundPerUser, d.MaxUnboundPerUser, number(1, MaxMaxUnbound, "")),
		"MaxParked":           into(&g.MaxParked, d.MaxParked, number(1, MaxMaxParked, "")),
		"BindTimeoutSec":      into(&g.BindTimeoutSec, d.BindTimeoutSec, span(1, MaxBindTimeoutSec)),
		"MaxNPASize":          into(&g.MaxNPASize, d.MaxNPASize, size(MinMaxNPASize, MaxMaxNPASize)),
	}
}

func defaultGlobal() Global {
	return Global{
		SambaConfig:         DefaultSambaConfig,
		Testparm:            DefaultTestparm,
		MaxUnbound:          DefaultMaxUnbound,
		MaxUnboundPerSource: DefaultMaxUnboundPerSource,
		MaxUnboundPerUser:   DefaultMaxUnboundPerUser,
		MaxParked:           DefaultMaxParked,
		BindTimeoutSec:      DefaultBindTimeoutSec,
		MaxNPASize:          DefaultMaxNPASize,
	}
}

// setters of an rpcd.d file and its drop-ins.
func (f *RpcdFile) setters() setters {
	d := defaultRpcd()
	return setters{
		"Exec":       f.addExec,
		"Kind":       put(&f.Kind, d.Kind, oneOf(KindSamba, KindNative)),
		"Activation": put(&f.Activation, d.Activation, oneOf(ActivationBroker, ActivationDirect)),
		"Workers":    put(&f.Workers, d.Workers, number(0, MaxWorkers, "0 is what the program lists")),
		"Spares":     put(&f.Spares, d.Spares, number(0, MaxSpares, "")),
		"IdleSec":    put(&f.IdleSec, d.IdleSec, span(0, MaxIdleSec)),
		"Port":       put(&f.Port, d.Port, number(0, 65535, "0 is a port allocated by msrpcctl refresh")),
		"Transports": put(&f.Transports, d.Transports, transports),
		"Prestart":   put(&f.Prestart, d.Prestart, boolean),
		"FillFirst":  put(&f.FillFirst, d.FillFirst, number(0, MaxFillFirst, "0 spreads connections")),
	}
}

func defaultRpcd() Rpcd {
	return Rpcd{
		Kind:       DefaultKind,
		Activation: DefaultActivation,
		Spares:     DefaultSpares,
		FillFirst:  DefaultFillFirst,
	}
}

// addExec takes paths and globs, separated by blanks; "" forgets all before.
func (f *RpcdFile) addExec(value string) error {
	if value == "" {
		f.Exec = nil
		return nil
	}
	paths := strings.Fields(value)
	for _, p := range paths {
		if err := pattern(p); err != nil {
			return err
		}
	}
	if len(f.Exec)+len(paths) > maxPatterns {
		return fmt.Errorf("a file has at most %d paths", maxPatterns)
	}
	f.Exec = append(f.Exec, paths...)
	return nil
}

// apply sets what f says.
func (f *RpcdFile) apply(r *Rpcd) {
	override(&r.Kind, f.Kind)
	override(&r.Activation, f.Activation)
	override(&r.Workers, f.Workers)
	override(&r.Spares, f.Spares)
	override(&r.IdleSec, f.IdleSec)
	override(&r.Port, f.Port)
	override(&r.Prestart, f.Prestart)
	override(&r.FillFirst, f.FillFirst)
	if f.Transports != nil {
		r.Transports = slices.Clone(*f.Transports)
	}
}

func override[T any](dst *T, v *T) {
	if v != nil {
		*dst = *v
	}
}

// into makes a setter for a value with a default, put one for a pointer that
// is nil while nothing was said.
func into[T any](dst *T, def T, read func(string) (T, error)) func(string) error {
	return func(s string) error {
		v := def
		if s != "" {
			var err error
			if v, err = read(s); err != nil {
				return err
			}
		}
		*dst = v
		return nil
	}
}

func put[T any](dst **T, def T, read func(string) (T, error)) func(string) error {
	return func(s string) error {
		v := def
		if err := into(&v, def, read)(s); err != nil {
			return err
		}
		*dst = &v
		return nil
	}
}
