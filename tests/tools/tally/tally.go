// SPDX-License-Identifier: Apache-2.0

// This file owns the counting. A test with subtests counts as they do, and
// not itself; a package that fails without a failed test (it did not build,
// it panicked outside of one) is one failure.

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Elapsed    float64
	Output     string
}

type counts struct{ passed, failed, skipped int }

func (c counts) appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %d %d\n", c.passed, c.failed, c.skipped)
	return errors.Join(err, f.Close())
}

// worthTelling is how long a test takes that is named among the slowest.
const worthTelling = 5.0 // seconds

// slowest is how many are named.
const slowest = 10

// took is one test that was slow, subtests included.
type took struct {
	test    string
	seconds float64
}

type tallier struct {
	counts
	slow   []took
	out    io.Writer
	output map[string][]string // "package test" -> what it wrote
	parent map[string]bool     // tests that have subtests
	failed map[string]bool     // packages with a failed test
}

// tally reads events to the end of r and writes a line for each package, and
// the output of what failed, to w.
func tally(r io.Reader, w io.Writer) (counts, error) {
	t := tallier{out: w, output: map[string][]string{}, parent: map[string]bool{}, failed: map[string]bool{}}
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(w, "%s", line) // go's own complaints are not JSON
			} else {
				t.add(e)
			}
		}
		if err == io.EOF {
			t.tellSlowest()
			return t.counts, nil
		}
		if err != nil {
			return t.counts, err
		}
	}
}

func (t *tallier) add(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "run":
		if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
			t.parent[e.Package+" "+e.Test[:i]] = true
		}
	case "output":
		t.output[key] = append(t.output[key], e.Output)
	case "build-output":
		fmt.Fprint(t.out, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.endPackage(e)
		} else {
			t.endTest(e, key)
		}
	}
}

// tellSlowest shows where the time goes, so that the whole stays short.
func (t *tallier) tellSlowest() {
	slices.SortFunc(t.slow, func(a, b took) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, s := range t.slow[:min(len(t.slow), slowest)] {
		fmt.Fprintf(t.out, "slow %s %.1fs\n", s.test, s.seconds)
	}
}

func (t *tallier) endTest(e event, key string) {
	if e.Elapsed >= worthTelling && !strings.Contains(e.Test, "/") {
		t.slow = append(t.slow, took{key, e.Elapsed})
	}
	leaf := !t.parent[key]
	switch e.Action {
	case "pass":
		if leaf {
			t.counts.passed++
		}
	case "skip":
		if leaf {
			t.counts.skipped++
		}
		fmt.Fprintf(t.out, "SKIP %s\n%s", key, strings.Join(t.output[key], ""))
	case "fail":
		if leaf || !t.subtestFailed(key) {
			t.counts.failed++
		}
		t.failed[key], t.failed[e.Package] = true, true
		fmt.Fprintf(t.out, "FAIL %s\n%s", key, strings.Join(t.output[key], ""))
	}
	delete(t.output, key)
}

// subtestFailed tells whether a test failed only because a subtest did.
func (t *tallier) subtestFailed(key string) bool {
	for failed := range t.failed {
		if strings.HasPrefix(failed, key+"/") {
			return true
		}
	}
	return false
}

func (t *tallier) endPackage(e event) {
	key := e.Package + " "
	switch {
	case e.Action == "pass":
		fmt.Fprintf(t.out, "ok   %s %.1fs\n", e.Package, e.Elapsed)
	case e.Action == "fail" && !t.failed[e.Package]:
		t.counts.failed++
		fmt.Fprintf(t.out, "FAIL %s\n%s", e.Package, strings.Join(t.output[key], ""))
	case e.Action == "fail":
		fmt.Fprintf(t.out, "FAIL %s %.1fs\n", e.Package, e.Elapsed)
	}
	delete(t.output, key)
}
