// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msrpcd/pkg/plan/unittext"
)

// Write puts the files below dir, which exists. It creates every file
// exclusively, and all or nothing: after an error nothing of it is left, since
// a set that lacks a socket unit closes that listener at the next reload.
func Write(dir string, files map[string]File) error {
	for path, f := range files {
		if err := checkFile(path, f); err != nil {
			return err
		}
	}
	var done []string // what was made, in order
	if err := write(dir, files, &done); err != nil {
		for _, p := range slices.Backward(done) {
			os.Remove(p)
		}
		return fmt.Errorf("write units: %w", err)
	}
	return nil
}

func write(dir string, files map[string]File, done *[]string) error {
	dirs := map[string]bool{}
	for _, path := range sortedPaths(files) {
		full := filepath.Join(dir, path)
		if parent := filepath.Dir(path); parent != "." && !dirs[parent] {
			err := os.Mkdir(filepath.Join(dir, parent), 0o755)
			if err == nil {
				*done = append(*done, filepath.Join(dir, parent))
			} else if !errors.Is(err, os.ErrExist) { // another generator's is good too
				return err
			}
			dirs[parent] = true
		}
		if err := writeOne(full, files[path], done); err != nil {
			return err
		}
	}
	return nil
}

func writeOne(full string, f File, done *[]string) error {
	if f.Link != "" {
		err := os.Symlink(f.Link, full)
		if err == nil {
			*done = append(*done, full)
		}
		return err
	}
	if f.Kept != "" && os.Link(f.Kept, full) == nil {
		*done = append(*done, full)
		return nil
	}
	out, err := os.OpenFile(full, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	*done = append(*done, full)
	_, err = out.Write(f.Data)
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}

// checkFile refuses paths that leave the directory: the last good set is read
// from a file. A path has one directory at most.
func checkFile(path string, f File) error {
	dir, name := filepath.Split(path)
	dir = strings.TrimSuffix(dir, "/")
	if !fileName(name) || dir != "" && !fileName(dir) {
		return fmt.Errorf("%.200q cannot be the path of a generated file", path)
	}
	if f.Link != "" && (len(f.Data) > 0 || len(f.Link) > 4095 || unittext.Check(f.Link) != nil) {
		return fmt.Errorf("%.200q cannot be the target of a link", f.Link)
	}
	return nil
}

func fileName(s string) bool {
	return s != "" && len(s) <= 255 && s[0] != '.' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("@_.-", r)
	})
}

func sortedPaths(files map[string]File) []string {
	paths := make([]string, 0, len(files))
	for p := range files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}
