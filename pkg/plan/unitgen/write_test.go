// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var some = map[string]File{
	"a.socket":                 {Data: []byte("[Socket]\n")},
	"b@.service":               {Data: []byte("[Service]\n")},
	"b@1.service.wants/c.path": {Link: "../c.path"},
	"t.target.wants/a.socket":  {Link: "../a.socket"},
	"d@x.service.d/10-x.conf":  {Data: []byte{}},
}

// tree reads what is below dir.
func tree(t *testing.T, dir string) map[string]File {
	t.Helper()
	files := map[string]File{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		switch {
		case err != nil || d.IsDir():
			return err
		case d.Type()&os.ModeSymlink != 0:
			link, err := os.Readlink(path)
			files[rel] = File{Link: link}
			return err
		}
		data, err := os.ReadFile(path)
		files[rel] = File{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	// Another generator may have made the same directory.
	if err := os.Mkdir(filepath.Join(dir, "t.target.wants"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, some); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(some, tree(t, dir)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestWriteIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "d@x.service.d"), []byte("in the way"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, some); err == nil {
		t.Fatal("no error")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v; want only what was there", left, err)
	}
	// Files are made exclusively: nobody's file is changed.
	dir = t.TempDir()
	if err := os.Symlink("/dev/null", filepath.Join(dir, "b@.service")); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, some); !errors.Is(err, os.ErrExist) {
		t.Errorf("error %v, want ErrExist", err)
	}
	if got := tree(t, dir); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
}

func TestWriteRefusesPaths(t *testing.T) {
	for path, f := range map[string]File{
		"": {}, "/etc/x": {}, "../x": {}, "a/../b": {}, ".hidden": {}, "a/b/c": {}, "a//b": {}, "a b": {}, "a\nb": {}, "a/": {},
		strings.Repeat("x", 256): {}, "link": {Link: "a\nb"}, "both": {Link: "a", Data: []byte("b")},
	} {
		dir := t.TempDir()
		if err := Write(dir, map[string]File{path: f, "good": {}}); err == nil {
			t.Errorf("%q, %v was written", path, f)
		}
		if got := tree(t, dir); len(got) != 0 {
			t.Errorf("%q: left %v", path, got)
		}
	}
}

func TestLastGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "generator.last")
	if _, err := readLastGood(path); !errors.Is(err, errLastGood) {
		t.Errorf("absent: error %v", err)
	}
	if err := writeLastGood(path, some); err != nil {
		t.Fatal(err)
	}
	got, err := readLastGood(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(some, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	before, _ := os.Stat(path)
	if err := writeLastGood(path, some); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("the same set was written again")
	}

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty": nil, "no line": []byte("x"), "cut": whole[:len(whole)-5],
		"changed":   []byte(strings.Replace(string(whole), "[Socket]", "[socket]", 1)),
		"a path up": pack(map[string]File{"../x": {}}),
		"a length":  resum("file 99 a\nb\n"), "no newline": resum("file 1 a\nbc\n"), "a kind": resum("dir 0 a\n\n"),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readLastGood(path); !errors.Is(err, errLastGood) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := readLastGood(path); !errors.Is(err, errLastGood) {
		t.Errorf("writable by all: error %v", err)
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := readLastGood(link); !errors.Is(err, errLastGood) {
		t.Errorf("a link: error %v", err)
	}
}

// resum puts a right first line before body.
func resum(body string) []byte { return seal([]byte(body)) }

func FuzzUnpack(f *testing.F) {
	f.Add(pack(some))
	f.Add([]byte("file 1 a\nb\nlink 2 c\n/x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, in := range [][]byte{b, seal(b)} {
			files, err := unpack(in)
			if err != nil {
				continue
			}
			if again, err := unpack(pack(files)); err != nil || cmp.Diff(files, again) != "" {
				t.Errorf("%q: %v", in, err)
			}
		}
	})
}
