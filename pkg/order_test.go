// SPDX-License-Identifier: Apache-2.0

// Package pkg holds no code: this test holds the order of the groups of
// packages below it.
package pkg

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// groups are the directories of pkg, lowest first: a package imports packages
// of its own group and of those before it.
var groups = []string{"wire", "host", "conn", "rpc", "plan", "servers", "ctl"}

func TestGroupsImportOnlyWhatIsBelowThem(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || !strings.Contains(path, "/") {
			return err
		}
		files++
		group := rank(t, path)
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			imported, _ := strconv.Unquote(i.Path.Value)
			imported, ours := strings.CutPrefix(imported, "msrpcd/pkg/")
			if ours && rank(t, imported) > group {
				t.Errorf("%s imports %s, which is above it: the order is %s", path, imported, strings.Join(groups, " < "))
			}
		}
		return nil
	})
	if err != nil || files < 200 {
		t.Fatalf("%d files read: %v", files, err)
	}
}

// rank is the place in groups of what is at path below pkg.
func rank(t *testing.T, path string) int {
	t.Helper()
	group, _, _ := strings.Cut(path, "/")
	i := slices.Index(groups, group)
	if i < 0 {
		t.Fatalf("%s: %s is not a group of packages; they are %s", path, group, strings.Join(groups, ", "))
	}
	return i
}

func TestEveryPackageSaysInDocGoWhatItIs(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		dir := filepath.Dir(path)
		if err != nil || seen[dir] || dir == "." || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		seen[dir] = true
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, "doc.go"), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			return err
		}
		if text := f.Doc.Text(); !strings.HasPrefix(text, "Package "+f.Name.Name+" ") || !strings.Contains(text, "Its API is for ") {
			t.Errorf("%s: the comment does not begin with \"Package %s\", or does not say for whom its API is", dir, f.Name.Name)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
