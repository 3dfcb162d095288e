// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// This file owns smbtorture and the comparison of its results: no result may be
// worse with msrpcd than with Samba's own server. tests/compare runs all suites
// and all combinations and shows a table; other runs take a selection.

var compareAll = os.Getenv("MSRPCD_COMPARE") == "full"

// tortured is how each test of a suite ended; the suite's own is the exit status.
type tortured struct {
	of       map[string]string // success, failure, skip
	reason   map[string]string // the first line that says why not
	out      string
	timedOut bool
}

const (
	passed  = "exit status 0"
	tooLong = "exit status 124"
)

var outcome = regexp.MustCompile(`(?m)^(success|failure|error|skip|xfail): ([^ \n]+)(?: \[\n(?:Exception: )?([^\n]*))?`)

// torture runs one suite of smbtorture over a binding.
func (h *host) torture(suite, binding string, args ...string) tortured {
	out, rc := h.try(append([]string{"timeout", "30", "smbtorture", binding, suite, "--option=torture:quick=yes"}, args...)...)
	o := tortured{of: map[string]string{suite: fmt.Sprint("exit status ", rc)}, reason: map[string]string{}, out: out, timedOut: rc == 124}
	for _, m := range outcome.FindAllStringSubmatch(out, -1) {
		result := strings.Replace(m[1], "error", "failure", 1) // smbtorture makes errors of failures without a reason
		o.of[m[2]], o.reason[m[2]] = result, m[3]
	}
	return o
}

// suiteRun is a suite over a binding, as a user; kerberos is off or required.
type suiteRun struct{ suite, binding, user, kerberos string }

func (r suiteRun) String() string {
	return fmt.Sprintf("%s %s, Kerberos %s", r.suite, r.binding, r.kerberos)
}

// results runs suites one after the other; where it asks the endpoint mapper,
// rpcclient does so, too.
func (h *host) results(runs []suiteRun) map[suiteRun]tortured {
	all := map[suiteRun]tortured{}
	for _, r := range runs {
		args := []string{"-U", r.user, "--use-kerberos=" + r.kerberos}
		o := h.torture(r.suite, r.binding, args...)
		if r.suite == "rpc.epmapper" {
			out, rc := h.try(append([]string{"rpcclient", r.binding, "-c", "epmmap"}, args...)...)
			o.of["rpcclient epmmap"] = "success"
			if rc != 0 {
				o.of["rpcclient epmmap"], o.reason["rpcclient epmmap"] = "failure", strings.ReplaceAll(out, "\n", "; ")
			}
		}
		all[r] = o
	}
	return all
}

// noneWorse compares results, and shows them. Distributions have no rpcd_rpcecho of
// Samba's: of rpc.echo each test has to succeed.
func noneWorse(t *testing.T, title string, stock, ours map[suiteRun]tortured) {
	t.Helper()
	var rows table
	good := 0
	for r, got := range ours {
		want, compared := stock[r]
		if !compared {
			want = got
			for _, failure := range got.echoFailures() {
				t.Errorf("%s: %s", r, failure)
			}
		}
		for _, line := range got.worse(want) {
			t.Errorf("%s: %s", r, line)
		}
		rows.add(r, want, got)
		good += got.successes()
	}
	rows.write(t, title)
	if good < len(ours)/2 {
		t.Errorf("of %d runs only %d tests pass", len(ours), good)
	}
}

// echoFailures says which tests of rpc.echo do not succeed. torture:quick=yes
// leaves out one that sleeps.
func (o tortured) echoFailures() (failed []string) {
	for _, test := range echoTests {
		if got := o.of["echo."+test]; got != "success" && (test != "sleep" || got != "skip") {
			failed = append(failed, fmt.Sprintf("echo.%s: %q %s", test, o.of["echo."+test], o.reason["echo."+test]))
		}
	}
	return failed
}

func (o tortured) successes() (n int) {
	for _, result := range o.of {
		if result == "success" {
			n++
		}
	}
	return n
}

// worse lists what ended worse than with stock. Better is allowed:
// samba-dcerpcd closes where a bind_nak is due. Of a suite that takes too long
// with stock, what it came to is compared as far as it came here.
func (o tortured) worse(stock tortured) (list []string) {
	for _, test := range slices.Sorted(maps.Keys(stock.of)) {
		got, want := o.of[test], stock.of[test]
		if stock.timedOut && (want == tooLong || got == "") {
			continue
		}
		if got != want && got != "success" && got != passed {
			list = append(list, fmt.Sprintf("%s: %q with stock, %q with msrpcd: %s", test, want, got, o.reason[test]))
		}
	}
	if len(o.of) < len(stock.of) && !stock.timedOut {
		list = append(list, fmt.Sprintf("%d results with stock, %d with msrpcd", len(stock.of), len(o.of)))
	}
	return list
}

// table is what tests/compare shows: a row for each suite over each binding, and
// what stock does not do either, with the first reason that smbtorture gives.
type table struct {
	rows   []string
	common map[string]int
}

func (c *table) add(r suiteRun, stock, ours tortured) {
	c.rows = append(c.rows, fmt.Sprintf("| %s | `%s` | %s | %d | %d | %d | %d |", r.suite, r.binding, r.kerberos, len(stock.of), stock.successes(), ours.successes(), len(ours.worse(stock))))
	if c.common == nil {
		c.common = map[string]int{}
	}
	for test, result := range ours.of {
		if result == "failure" {
			c.common[fmt.Sprintf("| %s | %s |", test, ours.reason[test])]++
		}
	}
}

// write shows the table.
func (c *table) write(t *testing.T, title string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| suite | binding | Kerberos | results | stock passes | msrpcd passes | worse |\n|---|---|---|---:|---:|---:|---:|\n", title)
	slices.Sort(c.rows)
	fmt.Fprintln(&b, strings.Join(c.rows, "\n"))
	fmt.Fprint(&b, "\nNot passed with msrpcd, how often:\n\n| test | reason | |\n|---|---|---:|\n")
	for _, what := range slices.Sorted(maps.Keys(c.common)) {
		fmt.Fprintf(&b, "%s %d |\n", what, c.common[what])
	}
	show(t, b.String())
}

// show appends to the file that tests/compare shows.
func show(t *testing.T, text string) {
	path := os.Getenv("MSRPCD_COMPARE_TABLE")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString("\n" + text)
		f.Close()
	}
	if err != nil {
		t.Error(err)
	}
}
