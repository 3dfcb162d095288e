// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"msrpcd/tests/tools/check"
)

func TestIncludesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		check.OK(t, os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600))
		return path
	}
	s := &Samba{NetbiosName: "FS", Version: "4.17.12"}
	top := write("smb.conf", "[global]\r\n\tinclude = DIR/a\r\n\tIn Clude=DIR/gone-%L\n include = registry\n"+
		"; include = DIR/comment\n#include = DIR/comment\ninclude = relative\n\tinclude = DIR/%m.conf\n include = DIR/%u\n"+
		"include = DIR/long \\\nname\ninclude system krb5 conf = yes\ninclude = DIR/../"+filepath.Base(dir)+"/a\ninclude = DIR/fifo\n"+
		"[share]\n\tcopy = other\n\tinclude = DIR/share\n")
	write("a", "include = DIR/b\n")
	write("b", "include = DIR/a\ninclude = DIR/smb.conf\n")
	check.OK(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	var want []string
	for _, name := range []string{"a", "b", "gone-FS", ".conf", "long name", "share", "fifo"} {
		want = append(want, filepath.Join(dir, name))
	}
	slices.Sort(want)
	check.Same(t, want, includes(top, s.macros()))
}

func TestIncludesAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "smb.conf")
	text := ""
	for i := range 10 * MaxIncludes {
		text += fmt.Sprintf("include = /x/%d\n", i)
	}
	check.OK(t, os.WriteFile(path, []byte(text+strings.Repeat("x", 2*maxConfSize)), 0o600))
	check.Is(t, "files", MaxIncludes, len(includes(path, (&Samba{}).macros())))
}

func FuzzIncludes(f *testing.F) {
	f.Add("include = /a\n[x]\n include = %h\\\n/b")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "smb.conf")
		check.OK(t, os.WriteFile(path, []byte(text), 0o600))
		for _, name := range includes(path, (&Samba{}).macros()) {
			if !fixedPath(name) || filepath.Clean(name) != name || !utf8.ValidString(name) {
				t.Errorf("%q", name)
			}
		}
	})
}
