// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
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
	check.OK(t, err)
	return files
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	// Another generator may have made the same directory.
	check.OK(t, os.Mkdir(filepath.Join(dir, "t.target.wants"), 0o755))
	check.OK(t, Write(dir, some))
	check.Same(t, some, tree(t, dir))
}

func TestWriteIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	check.OK(t, os.WriteFile(filepath.Join(dir, "d@x.service.d"), []byte("in the way"), 0o644))
	if err := Write(dir, some); err == nil {
		t.Fatal("no error")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v; want only what was there", left, err)
	}
	// Files are made exclusively: nobody's file is changed.
	dir = t.TempDir()
	check.OK(t, os.Symlink("/dev/null", filepath.Join(dir, "b@.service")))
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
	units := map[string]File{"msrpc-a.socket": {Data: []byte("[Socket]\n")}, "msrpc.target.wants/msrpc-a.socket": {Link: "../msrpc-a.socket"}}
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "units")
	if _, err := readLastGood(path); !errors.Is(err, errLastGood) {
		t.Errorf("absent: error %v", err)
	}
	keep := func(files map[string]File) os.FileInfo {
		t.Helper()
		check.OK(t, Keep(path, files))
		got, err := readLastGood(path)
		check.OK(t, err)
		check.Same(t, Texts(files), Texts(got))
		st, err := os.Stat(path)
		if left, _ := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
			t.Errorf("beside it: %v, %v", left, err)
		}
		return st
	}
	if before := keep(units); !os.SameFile(before, keep(units)) {
		t.Error("the same set was written again")
	}
	units["msrpc-b.socket"] = File{}
	keep(units)
	if err := Keep(path, map[string]File{"../x": {}}); err == nil {
		t.Error("a path up was kept")
	}
	keep(units)

	check.OK(t, os.WriteFile(filepath.Join(path, "msrpc-c.socket"), nil, 0o644))
	if _, err := readLastGood(path); !errors.Is(err, errLastGood) {
		t.Errorf("with a file more: error %v", err)
	}
	check.OK(t, os.Chmod(path, 0o777))
	if _, err := readLastGood(path); !errors.Is(err, errLastGood) {
		t.Errorf("writable by all: error %v", err)
	}
	link := filepath.Join(dir, "link")
	check.OK(t, os.Symlink(path, link))
	if _, err := readLastGood(link); !errors.Is(err, errLastGood) {
		t.Errorf("a link: error %v", err)
	}
}

// What is kept is linked to where that works, and written where it does not.
func TestWriteLinksWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept")
	check.OK(t, os.WriteFile(kept, []byte("x"), 0o644))
	out := t.TempDir()
	check.OK(t, Write(out, map[string]File{"a": {Data: []byte("x"), Kept: kept}, "b": {Data: []byte("y"), Kept: kept + "-gone"}}))
	a, errA := os.Stat(filepath.Join(out, "a"))
	k, errK := os.Stat(kept)
	if errA != nil || errK != nil || !os.SameFile(a, k) {
		t.Errorf("not the same file: %v, %v", errA, errK)
	}
	check.Same(t, map[string]File{"a": {Data: []byte("x")}, "b": {Data: []byte("y")}}, tree(t, out))
}

// TestMovedSetIsWhole: where not even a link can be made, the kept files move.
func TestMovedSetIsWhole(t *testing.T) {
	units := map[string]File{"msrpc-a.socket": {Data: []byte("[Socket]\n")}, "msrpc.target.wants/msrpc-a.socket": {Link: "../msrpc-a.socket"},
		"msrpc-broker@a.service.d/10-listeners.conf": {Data: []byte("[Service]\n")}}
	dir := t.TempDir()
	path, out := filepath.Join(dir, "units"), filepath.Join(dir, "out")
	if err := errors.Join(Keep(path, units), os.MkdirAll(filepath.Join(out, "msrpc.target.wants"), 0o755),
		os.WriteFile(filepath.Join(out, "msrpc.target.wants", "another.socket"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	check.OK(t, moveKept(path, out))
	got, err := ReadUnits(out)
	check.OK(t, err)
	delete(got, "msrpc.target.wants/another.socket")
	check.Same(t, Texts(units), got)
	if _, err := readLastGood(path); !errors.Is(err, errLastGood) {
		t.Errorf("a set that was moved is taken for whole: %v", err)
	}
	if err := moveKept(path, out); !errors.Is(err, errLastGood) {
		t.Errorf("it is moved again: %v", err)
	}
	if err := Keep(path, units); err != nil {
		t.Error(err)
	}
}
