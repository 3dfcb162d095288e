// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"msrpcd/pkg/plan/wanted"
	"msrpcd/tests/tools/check"
)

// msrpcctl(8) has every command, option and check, and no other.
func TestManPage(t *testing.T) {
	text := check.File(t, "../../packaging/man/msrpcctl.8")
	page := strings.ReplaceAll(string(text), `\-`, "-")
	find := func(section, pattern string) []string {
		_, part, _ := strings.Cut(page, section+"\n")
		part, _, _ = strings.Cut(part, "\n.SH")
		if section[2] == 'S' {
			part, _, _ = strings.Cut(part, "\n.SS")
		}
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(part, -1) {
			found = append(found, strings.Join(m[1:], ""))
		}
		slices.Sort(found)
		return found
	}

	root := hostEnv(io.Discard, io.Discard).command()
	root.InitDefaultHelpFlag()
	root.InitDefaultVersionFlag()
	root.InitDefaultCompletionCmd()
	const option = `(?m)^\.TP\n\.B\w? (?:-(\w) ", " )?--([\w-]+)`
	options := func(sets ...*pflag.FlagSet) []string {
		var list []string
		for _, set := range sets {
			set.VisitAll(func(f *pflag.Flag) { list = append(list, f.Shorthand+f.Name) })
		}
		slices.Sort(list)
		return slices.Compact(list)
	}
	var commands []string
	for _, c := range root.Commands() {
		commands = append(commands, c.Name())
		if d := cmp.Diff(options(c.LocalNonPersistentFlags()), find(".SS "+c.Name(), option)); d != "" {
			t.Error("options of ", c.Name(), ": ", d)
		}
	}
	slices.Sort(commands)
	if d := cmp.Diff(slices.Compact(commands), find(".SH COMMANDS", `(?m)^\.SS (\w+)$`)); d != "" {
		t.Error("commands: ", d)
	}
	if d := cmp.Diff(options(root.Flags(), root.PersistentFlags()), find(".SH OPTIONS", option)); d != "" {
		t.Error("options: ", d)
	}

	checks := slices.Clone(wanted.Checks)
	slices.Sort(checks)
	if d := cmp.Diff(checks, find(".SS verify", `(?m)^\.TP\n\.B (.+)$`)); d != "" {
		t.Error("checks: ", d)
	}
}
