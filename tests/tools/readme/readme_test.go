// SPDX-License-Identifier: Apache-2.0

package readme

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"msrpcd/pkg/wire/listing"
	"msrpcd/tests/tools/check"
)

const chapter = "Write your own rpcd"

func block(t *testing.T, language string, n int) string {
	t.Helper()
	text := check.File(t, "../../../README.md")
	b, err := Block(string(text), chapter, language, n)
	check.OK(t, err)
	return b
}

// The program is compiled as part of this module, so that a vendor directory
// does; the integration tests follow README's own words.
func TestProgramOfTheReaderListsItsInterface(t *testing.T) {
	program := block(t, "go", 0)
	if n := strings.Count(program, "\n"); n >= 60 {
		t.Errorf("the program has %d lines, README promises less than 60", n)
	}
	if formatted, err := format.Source([]byte(program)); err != nil || string(formatted) != program {
		t.Errorf("gofmt would change it: %v", err)
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "rpcd_counter")
	check.OK(t, os.WriteFile(source, []byte(program), 0o644))
	for _, args := range [][]string{{"vet", source}, {"build", "-o", binary, source}} {
		cmd := exec.Command("go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, out)
		}
	}
	out, err := exec.Command(binary, "--list-interfaces").Output()
	check.OK(t, err)
	l, err := listing.Parse(out)
	if err != nil || len(l.Interfaces) != 1 || l.Interfaces[0].Name != "counter" || len(l.Interfaces[0].Bindings) != 2 {
		t.Fatalf("%+v, %v", l, err)
	}
	if ping := block(t, "", 3); !strings.Contains(ping, l.Interfaces[0].UUID.String()) {
		t.Errorf("README pings another interface: %s", ping)
	}
}

func TestBlock(t *testing.T) {
	const text = "# x\n\n## A\n```go\nno\n```\n\n## B\ntext\n\n```\none\n```\n```go\ntwo\nthree\n```\n```\nfour\n```\n\n## C\n```\nfive\n```\n"
	for _, tt := range []struct {
		language string
		n        int
		want     string
	}{{"go", 0, "two\nthree\n"}, {"", 0, "one\n"}, {"", 1, "four\n"}, {"", 2, ""}, {"go", 1, ""}, {"sh", 0, ""}} {
		if got, err := Block(text, "B", tt.language, tt.n); got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("block %d of %q: %q, %v", tt.n, tt.language, got, err)
		}
	}
	if _, err := Block(text, "D", "go", 0); err == nil {
		t.Error("no error for a chapter that is not there")
	}
}
