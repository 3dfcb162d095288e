// SPDX-License-Identifier: Apache-2.0

// The generator's output as it is on disk, and what of it is not as planned.

package unitgen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"msrpcd/pkg/plan/plan"
)

const maxUnitSize = 1 << 20 // bytes

// linkMark stands before the target of a symbolic link in a unit map.
const linkMark = "-> "

// ReadUnits reads what a generator of ours wrote below dir: relative path to
// content, or to linkMark and target.
func ReadUnits(dir string) (map[string]string, error) {
	units := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if d.IsDir() || !strings.HasPrefix(d.Name(), "msrpc") && !strings.HasPrefix(rel, "msrpc") {
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			units[rel] = linkMark + target
			return err
		}
		if info, err := d.Info(); err != nil || !info.Mode().IsRegular() || info.Size() > maxUnitSize {
			return err
		}
		b, err := os.ReadFile(path)
		units[rel] = string(b)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read generated units: %w", err)
	}
	return units, nil
}

// Texts is what Files returned in the form of ReadUnits.
func Texts(files map[string]File) map[string]string {
	m := make(map[string]string, len(files))
	for path, f := range files {
		if f.Link != "" {
			m[path] = linkMark + f.Link
		} else {
			m[path] = string(f.Data)
		}
	}
	return m
}

// Difference returns the paths of generated units below dir that are not as
// planned, sorted.
func Difference(p *plan.Plan, dir string) ([]string, error) {
	files, err := Files(p)
	if err != nil {
		return nil, err
	}
	is, err := ReadUnits(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for path, text := range Texts(files) {
		if now, ok := is[path]; !ok || now != text {
			paths = append(paths, path)
		}
		delete(is, path)
	}
	for path := range is {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths, nil
}
