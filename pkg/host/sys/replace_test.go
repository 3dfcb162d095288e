// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReplaceLeavesTheOldFileOrTheNewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	broken := errors.New("broken")
	for _, step := range []struct {
		text string
		err  error
		want string
	}{{"one", nil, "one"}, {"two", broken, "one"}, {"three", nil, "three"}} {
		err := Replace(path, func(f *os.File) error {
			f.WriteString(step.text)
			return step.err
		})
		got, _ := os.ReadFile(path)
		left, _ := os.ReadDir(filepath.Dir(path))
		if err != step.err || string(got) != step.want || len(left) != 1 {
			t.Errorf("%s: %v, %q, %d files", step.text, err, got, len(left))
		}
	}
}
