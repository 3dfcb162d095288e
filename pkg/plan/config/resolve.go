// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"msrpcd/pkg/host/layout"
)

// Rpcds resolves the files into rpcds in priority order. glob finds the paths
// that match a pattern; nil is filepath.Glob. A path without wildcards is
// taken without asking glob, so that a missing program is noticed.
//
// The first file that names an rpcd, by Exec= or by its own name, gives the
// place in the order. The last file with an Exec= for it gives the program
// (in one file: the first path), and the settings are those of Override.
// What is wrong with that, beside c.Problems, comes back with them.
func (c *Config) Rpcds(glob func(pattern string) ([]string, error)) ([]Rpcd, []Problem) {
	var ps problems
	if glob == nil {
		glob = filepath.Glob
	}
	n := c.named(glob, &ps)
	var out []Rpcd
	done := map[string]bool{}
	for _, name := range n.order {
		if done[name] {
			continue
		}
		done[name] = true
		exec, ok := n.execs[name]
		if !ok {
			if path := n.files[name]; len(n.execs) > 0 && !strings.HasPrefix(path, layout.VendorConfig+"/") {
				ps.add(path, "there is no rpcd %s: no Exec= of any file finds a program of this name", name)
			}
			continue
		}
		if len(out) == MaxRpcds {
			ps.add(filepath.Join(layout.AdminConfig, "rpcd.d"), "more than %d rpcds; %s and what follows is ignored", MaxRpcds, name)
			break
		}
		if r, more, ok := c.Override(name, exec); ok {
			ps.join(more)
			if r.Kind == KindNative {
				r.Samba = c.sambaOf(n.passed[name])
			}
			out = append(out, r)
		}
	}
	return out, ps
}

// named are the rpcds that the files of rpcd.d name.
type named struct {
	order  []string
	execs  map[string]string   // program of each
	passed map[string][]string // programs that a later file replaced
	files  map[string]string   // files of an rpcd's own name, without Exec=
}

func (c *Config) named(glob func(pattern string) ([]string, error), ps *problems) named {
	n := named{execs: map[string]string{}, passed: map[string][]string{}, files: map[string]string{}}
	for i := range c.Files {
		f := &c.Files[i]
		if len(f.Exec) == 0 {
			if !layout.ValidName(f.Name) {
				ps.add(f.Path, "%s is not the NAME of an rpcd (1 to 32 of a-z, 0-9, _) and there is no Exec=; rename the file to NAME.conf or add Exec=", quote(f.Name))
				continue
			}
			n.files[f.Name] = f.Path
			n.order = append(n.order, f.Name)
			continue
		}
		here := map[string]bool{}
		for _, exec := range c.programs(f, glob, ps) {
			name, err := NameOf(exec)
			if err != nil {
				ps.add(f.Path, "%v; it is ignored", err)
				continue
			}
			if !here[name] {
				here[name] = true
				if before := n.execs[name]; before != "" && before != exec {
					n.passed[name] = append(n.passed[name], before)
				}
				n.execs[name] = exec
				n.order = append(n.order, name)
			}
		}
	}
	return n
}

// sambaOf returns the last of the programs that a file calls one of Samba.
func (c *Config) sambaOf(execs []string) string {
	for _, exec := range slices.Backward(execs) {
		r := c.defaultRpcd()
		for i := range c.Files {
			f := &c.Files[i]
			if slices.ContainsFunc(f.Exec, func(p string) bool { return matches(p, exec) }) {
				f.apply(&r)
			}
		}
		if r.Kind == KindSamba {
			return exec
		}
	}
	return ""
}

// Override gives the settings of the rpcd NAME whose program is exec: those of
// all files with an Exec= that matches exec and of NAME.conf files without
// Exec=, later files overriding earlier ones setting by setting. It looks at
// nothing but c, so that it is fit for a generator that knows NAME and exec
// from the catalogue. false: no Exec= matches exec (any more).
func (c *Config) Override(name, exec string) (Rpcd, []Problem, bool) {
	var ps problems
	r := c.defaultRpcd()
	r.Name, r.Exec = name, exec
	for i := range c.Files {
		f := &c.Files[i]
		switch {
		case slices.ContainsFunc(f.Exec, func(p string) bool { return matches(p, exec) }):
			r.Source = f.Path
			f.apply(&r)
		case len(f.Exec) == 0 && f.Name == name:
			f.apply(&r)
		}
	}
	if r.Source == "" {
		return Rpcd{}, nil, false
	}
	if r.Activation == ActivationDirect && r.Kind != KindNative {
		ps.add(r.Source, "rpcd %s: Activation=direct needs Kind=native; a broker is used", name)
		r.Activation = ActivationBroker
	}
	if r.Activation == ActivationDirect && r.Workers > 1 {
		ps.add(r.Source, "rpcd %s: Activation=direct has one worker, Workers=%d has no effect", name, r.Workers)
		r.Workers = 1
	}
	return r, ps, true
}

func (c *Config) defaultRpcd() Rpcd {
	return Rpcd{Values: c.Global.Values, Kind: DefaultKind, Activation: DefaultActivation}
}

// problems collects problems, each once.
type problems []Problem

func (ps *problems) add(path, format string, args ...any) {
	ps.join([]Problem{{File: path, What: fmt.Sprintf(format, args...)}})
}

func (ps *problems) join(more []Problem) {
	for _, p := range more {
		if !slices.Contains(*ps, p) {
			*ps = append(*ps, p)
		}
	}
}

// programs lists what the patterns of a file find, in their order.
func (c *Config) programs(f *RpcdFile, glob func(string) ([]string, error), ps *problems) []string {
	var out []string
	for _, p := range f.Exec {
		if !strings.ContainsAny(p, "*?[") {
			out = append(out, p)
			continue
		}
		paths, err := glob(p)
		if err != nil {
			ps.add(f.Path, "Exec=%s: %v", p, err)
			continue
		}
		for _, path := range slices.Sorted(slices.Values(paths)) {
			if matches(p, path) && !leftover(path) {
				out = append(out, path)
			}
		}
	}
	return out
}

func matches(pattern, exec string) bool {
	ok, err := filepath.Match(pattern, exec)
	return ok && err == nil
}

// leftover reports a file that a package manager or editor has beside the real
// one, for moments or for good: rpcd_x.dpkg-new, rpcd_x.rpmsave, rpcd_x;5f3a, rpcd_x~.
func leftover(path string) bool {
	b := filepath.Base(path)
	return strings.Contains(b, ".dpkg-") || strings.Contains(b, ".rpm") || strings.Contains(b, ".pac") ||
		strings.Contains(b, ";") || strings.HasSuffix(b, "~")
}

// NameOf returns the NAME of a program: its basename without "rpcd_", which is
// 1 to 32 of a-z, 0-9 and _. "npsd_x" keeps its prefix.
func NameOf(exec string) (string, error) {
	name := strings.TrimPrefix(filepath.Base(exec), "rpcd_")
	if pattern(exec) != nil || strings.ContainsAny(exec, "*?[] \t") || !layout.ValidName(name) {
		return "", fmt.Errorf("program %s has no usable name: 1 to 32 of a-z, 0-9, _ have to follow rpcd_", quote(exec))
	}
	return name, nil
}
