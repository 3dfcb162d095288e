// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// msrpcctl(8) has every command, option and check, and no other.
func TestManPage(t *testing.T) {
	text, err := os.ReadFile("../../packaging/man/msrpcctl.8")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(text), `\-`, "-")
	find := func(section, pattern string) []string {
		_, part, _ := strings.Cut(page, section)
		part, _, _ = strings.Cut(part, "\n.S"+section[2:3])
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(part, -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return found
	}

	root := hostEnv(io.Discard, io.Discard).command()
	root.InitDefaultHelpFlag()
	root.InitDefaultVersionFlag()
	root.InitDefaultCompletionCmd()
	var commands, flags []string
	for _, c := range root.Commands() {
		commands = append(commands, c.Name())
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { t.Errorf("%s has an option of its own: %s", c.Name(), f.Name) })
	}
	add := func(f *pflag.Flag) { flags = append(flags, f.Name) }
	root.Flags().VisitAll(add)
	root.PersistentFlags().VisitAll(add)
	slices.Sort(commands)
	slices.Sort(flags)
	if d := cmp.Diff(slices.Compact(commands), find(".SH COMMANDS", `(?m)^\.SS (\w+)$`)); d != "" {
		t.Error("commands: ", d)
	}
	if d := cmp.Diff(slices.Compact(flags), find(".SH OPTIONS", `--(\w+)`)); d != "" {
		t.Error("options: ", d)
	}

	var checks []string
	for _, c := range (&verifier{}).checks() {
		checks = append(checks, c.name)
	}
	slices.Sort(checks)
	if d := cmp.Diff(checks, find(".SS verify", `(?m)^\.TP\n\.B (.+)$`)); d != "" {
		t.Error("checks: ", d)
	}
}
