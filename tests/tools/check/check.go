// SPDX-License-Identifier: Apache-2.0

// Package check has what every test does: go on without an error, compare.
package check

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// OK ends the test when there is an error.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Same fails the test when two values differ.
func Same(t testing.TB, want, got any, opts ...cmp.Option) {
	t.Helper()
	SameIn(t, "values", want, got, opts...)
}

// SameIn is Same for one of several, which where names.
func SameIn(t testing.TB, where string, want, got any, opts ...cmp.Option) {
	t.Helper()
	if d := cmp.Diff(want, got, opts...); d != "" {
		t.Errorf("%s differ (-want +got):\n%s", where, d)
	}
}
