// SPDX-License-Identifier: Apache-2.0

// Package vectors has the bytes and texts that real Samba and real clients sent,
// for tests: see README.md beside it. Each is here once.
package vectors

import (
	"embed"
	"io/fs"
	"testing"
)

//go:embed listings ndr pdu samba
var files embed.FS

// Read returns the vector of this path below the package's directory. The test
// fails if there is none.
func Read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := files.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Match returns the vectors whose paths match pattern, as path.Match has it, by
// their paths. The test fails if there is none.
func Match(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := fs.Glob(files, pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vector matches %s: %v", pattern, err)
	}
	m := make(map[string][]byte, len(paths))
	for _, p := range paths {
		m[p] = Read(t, p)
	}
	return m
}
