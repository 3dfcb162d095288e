// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

const catalogFile = "../../../units/msrpcd.catalog"

// constants parses messageid.go: name of the constant -> id.
func constants(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "messageid.go", nil, 0)
	check.OK(t, err)
	ids := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			for i, name := range v.Names {
				id, err := strconv.Unquote(v.Values[i].(*ast.BasicLit).Value)
				check.OK(t, err)
				ids[name.Name] = id
			}
		}
		return true
	})
	return ids
}

// entry is one entry of the catalog: its header fields and its text.
type entry struct {
	header map[string]string
	text   string
}

func catalog(t *testing.T) map[string]entry {
	t.Helper()
	f, err := os.Open(catalogFile)
	check.OK(t, err)
	defer f.Close()
	entries := map[string]entry{}
	id, inHeader := "", false
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		if next, ok := strings.CutPrefix(line, "-- "); ok {
			if _, twice := entries[next]; twice {
				t.Errorf("catalog: %s is there twice", next)
			}
			id, inHeader = next, true
			entries[id] = entry{header: map[string]string{}}
			continue
		}
		e := entries[id]
		key, value, ok := strings.Cut(line, ": ")
		switch {
		case id == "":
			continue
		case inHeader && line == "":
			inHeader = false
		case inHeader && ok:
			e.header[key] = value
		default:
			e.text += line + "\n"
		}
		entries[id] = e
	}
	return entries
}

func TestEveryMessageIDHasACatalogEntry(t *testing.T) {
	entries := catalog(t)
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	seen := map[string]string{}
	for name, id := range constants(t) {
		if !form.MatchString(id) {
			t.Errorf("%s: %q is not 32 lower-case hexadecimal digits", name, id)
		}
		if other := seen[id]; other != "" {
			t.Errorf("%s and %s have the same id", name, other)
		}
		seen[id] = name
		if _, ok := entries[id]; !ok {
			t.Errorf("%s (%s) has no entry in %s", name, id, catalogFile)
		}
	}
	for id := range entries {
		if seen[id] == "" {
			t.Errorf("%s has an entry for %s, which is no constant of messageid.go", catalogFile, id)
		}
	}
}

func TestCatalogEntriesAreWhole(t *testing.T) {
	fields := map[string]bool{Rpcd: true, Worker: true, Transport: true, Client: true, Cause: true, AssocGroup: true, Binding: true}
	variable := regexp.MustCompile(`@([A-Z_]+)@`)
	for id, e := range catalog(t) {
		for _, key := range []string{"Subject", "Defined-By", "Documentation"} {
			if e.header[key] == "" {
				t.Errorf("%s: no %s", id, key)
			}
		}
		if strings.TrimSpace(e.text) == "" {
			t.Errorf("%s: no text", id)
		}
		for _, v := range variable.FindAllStringSubmatch(e.header["Subject"]+e.text, -1) {
			if !fields[v[1]] {
				t.Errorf("%s: %s is no field of this package", id, v[0])
			}
		}
	}
}
