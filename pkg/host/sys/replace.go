// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"os"
	"path/filepath"
)

// Replace makes a file beside path, lets fill write it, and renames it to path:
// a reader sees the old file or the new one. After an error nothing is left of
// the new one. Its mode is 0600 unless fill gives it another.
func Replace(path string, fill func(f *os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = fill(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
