// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/printable"
)

// This file has the settings of both kinds of files: those of setting.Table,
// and those that concern no process and are not numbers.

// setter puts a value into T; "" gives back the default. An error says what
// the value has to be, and T is as it was.
type setter[T any] func(t *T, value string) error

// unknown is the error of a setting that there is not; it has what there is.
type unknown string

func (u unknown) Error() string { return string(u) }

// file is what the assignments of a file go to.
type file interface{ Set(key, value string) error }

// assign applies a file's assignments. Unknown sections and keys are problems,
// except those that start with "X-".
func assign(path string, section setting.Section, as []assignment, f file) []Problem {
	var ps []Problem
	said := map[string]bool{}
	for _, a := range as {
		if strings.HasPrefix(a.Section, "X-") || strings.HasPrefix(a.Key, "X-") {
			continue
		}
		if a.Section != string(section) {
			if !said[a.Section] {
				ps = append(ps, Problem{File: path, Line: a.Line, What: fmt.Sprintf("unknown section [%s] is ignored; settings of this file stand in [%s]", a.Section, section)})
				said[a.Section] = true
			}
			continue
		}
		err := f.Set(a.Key, a.Value)
		if u := unknown(""); errors.As(err, &u) {
			ps = append(ps, Problem{File: path, Line: a.Line, What: fmt.Sprintf("unknown setting %s= is ignored; %s", a.Key, u)})
		} else if err != nil {
			ps = append(ps, Problem{File: path, Line: a.Line, What: fmt.Sprintf("%s=%s is ignored: %v", a.Key, cut(a.Value), err)})
		}
	}
	return ps
}

func cut(s string) string { return printable.Cut(s, 80) }

func suggest(key string, known []string) unknown {
	for _, k := range known {
		if strings.EqualFold(k, key) || strings.EqualFold(k, strings.TrimSuffix(key, "s")) || strings.EqualFold(k, key+"s") {
			return unknown("did you mean " + k + "= ?")
		}
	}
	return unknown("there are " + strings.Join(known, "=, ") + "=")
}

var globalSettings = withTable(setting.Msrpcd, func(g *Global) *setting.Values { return &g.Values }, map[string]setter[Global]{
	"SambaConfig":        into(func(g *Global) *string { return &g.SambaConfig }, DefaultSambaConfig, absolute),
	"Testparm":           into(func(g *Global) *string { return &g.Testparm }, DefaultTestparm, programName),
	"MessagingDirectory": into(func(g *Global) *string { return &g.MessagingDirectory }, "", absolute),
})

var rpcdSettings = withTable(setting.Rpcd, func(r *Rpcd) *setting.Values { return &r.Values }, map[string]setter[Rpcd]{
	"Kind":       into(func(r *Rpcd) *Kind { return &r.Kind }, DefaultKind, oneOf(KindSamba, KindNative)),
	"Activation": into(func(r *Rpcd) *string { return &r.Activation }, DefaultActivation, oneOf(ActivationBroker, ActivationDirect)),
	"Transports": into(func(r *Rpcd) *[]layout.Transport { return &r.Transports }, nil, transports),
	"Prestart":   into(func(r *Rpcd) *bool { return &r.Prestart }, false, boolean),
})

// withTable adds the rows of setting.Table that stand in section.
func withTable[T any](section setting.Section, values func(*T) *setting.Values, set map[string]setter[T]) map[string]setter[T] {
	for i := range setting.Table {
		if row := &setting.Table[i]; row.In == section {
			set[row.Name] = func(t *T, value string) error {
				if value == "" {
					row.Reset(values(t))
					return nil
				}
				return row.Set(values(t), value)
			}
		}
	}
	return set
}

func into[T, V any](field func(*T) *V, standard V, read func(string) (V, error)) setter[T] {
	return func(t *T, value string) error {
		v := standard
		if value != "" {
			var err error
			if v, err = read(value); err != nil {
				return err
			}
		}
		*field(t) = v
		return nil
	}
}

// DefaultGlobal is msrpcd.conf where no file sets anything.
func DefaultGlobal() Global {
	return Global{SambaConfig: DefaultSambaConfig, Testparm: DefaultTestparm, Values: setting.Defaults()}
}

// Set applies one assignment of msrpcd.conf.
func (g *Global) Set(key, value string) error {
	set, ok := globalSettings[key]
	if !ok {
		return suggest(key, slices.Sorted(maps.Keys(globalSettings)))
	}
	return set(g, value)
}

// Set notes one assignment of a file of rpcd.d.
func (f *RpcdFile) Set(key, value string) error {
	if key == "Exec" {
		return f.addExec(value)
	}
	set, ok := rpcdSettings[key]
	if !ok {
		return suggest(key, slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(rpcdSettings)), "Exec"))))
	}
	if err := set(&Rpcd{}, value); err != nil {
		return err
	}
	f.Changes = append(f.Changes, Change{key, value})
	return nil
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

// apply makes the changes of f.
func (f *RpcdFile) apply(r *Rpcd) {
	for _, c := range f.Changes {
		rpcdSettings[c.Key](r, c.Value)
	}
}
