// SPDX-License-Identifier: Apache-2.0

// The last good set: a directory with the units as files. Its place is replaced
// as a whole, and a new set is complete before. It is on the file system of the
// generator's output, so that links put it there when there is no room for as
// much as one more byte. A checksum beside them distinguishes one set from another.

package unitgen

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// errLastGood says that there is no usable last good set.
var errLastGood = errors.New("no last good set of units")

// readLastGood reads the set in the directory at path, which only its owner,
// this user, may have written.
func readLastGood(path string) (map[string]File, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errLastGood, path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o022 != 0 || int(st.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%w: %s has a wrong type, owner or mode", errLastGood, path)
	}
	texts, err := ReadUnits(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLastGood, err)
	}
	files := make(map[string]File, len(texts))
	for rel, text := range texts {
		if link, ok := strings.CutPrefix(text, linkMark); ok {
			files[rel] = File{Link: link}
		} else {
			files[rel] = File{Data: []byte(text), Kept: filepath.Join(path, rel)}
		}
	}
	if is, err := os.ReadFile(filepath.Join(path, sumName)); err != nil || string(is) != checksum(files) {
		return nil, fmt.Errorf("%w: the checksum of %s is wrong", errLastGood, path)
	}
	return files, nil
}

const sumName = ".sum" // no unit

func checksum(files map[string]File) string {
	h := sha256.New()
	for _, p := range sortedPaths(files) {
		fmt.Fprintf(h, "%s %d %d\n%s%s", p, len(files[p].Link), len(files[p].Data), files[p].Link, files[p].Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Keep makes files the last good set in the directory at path, if it is another
// one. After an error the old one is still there.
func Keep(path string, files map[string]File) error {
	sum := checksum(files)
	if old, err := os.ReadFile(filepath.Join(path, sumName)); err == nil && string(old) == sum {
		return nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep units: %w", err)
	}
	tmp, err := os.MkdirTemp(dir, ".units-")
	if err != nil {
		return fmt.Errorf("keep units: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err = os.Chmod(tmp, 0o755); err == nil {
		if err = Write(tmp, files); err == nil {
			if err = os.WriteFile(filepath.Join(tmp, sumName), []byte(sum), 0o644); err == nil {
				err = replace(tmp, path)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("keep units: %w", err)
	}
	return nil
}

// replace puts the directory tmp at path. What is there is at tmp then.
func replace(tmp, path string) error {
	err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) {
		return os.Rename(tmp, path)
	}
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: tmp, New: path, Err: err}
	}
	return nil
}

// moveKept moves the last good set below dir, where there is room for no name more:
// a link takes one on a tmpfs, a new name for the same file does not. The set is
// gone then from its own place, until the next one is kept.
func moveKept(path, dir string) error {
	if _, err := readLastGood(path); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(path, sumName)); err != nil {
		return err
	}
	return moveAll(path, dir)
}

// moveAll moves what is in one directory to another, into directories that are there.
func moveAll(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		old, new := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		err := os.Rename(old, new)
		if e.IsDir() && (errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST)) {
			err = moveAll(old, new)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
