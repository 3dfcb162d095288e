// SPDX-License-Identifier: Apache-2.0

// Package check has what every test does: go on without an error, compare.
package check

import (
	"os"
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

// Is fails the test when what it is about is not as wanted.
func Is[T comparable](t testing.TB, what string, want, got T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// File is what a file has.
func File(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	OK(t, err)
	return b
}
