// SPDX-License-Identifier: Apache-2.0

package program

import (
	"os"
	"strings"
	"time"
)

// SelfPath is where the kernel says which file this process runs.
const SelfPath = "/proc/self/exe"

// lookEvery bounds how often a process looks at its own path.
const lookEvery = time.Second

// Self watches the program of this process. The zero Self never finds it
// replaced.
type Self struct {
	Path string // where it was started from
	file *File
	id   ID
	next time.Duration
	is   bool
}

// NewSelf finds out what this process runs. Without /proc it is the zero Self.
func NewSelf() *Self { return SelfOf(SelfPath) }

// SelfOf is NewSelf for a link in the place of SelfPath.
func SelfOf(link string) *Self {
	s := &Self{}
	path, err := os.Readlink(link)
	if err != nil {
		return s
	}
	running, err := NewFile(link)
	if err != nil {
		return s
	}
	// The kernel says so of a file that was replaced before this look.
	path = strings.TrimSuffix(path, " (deleted)")
	id, ok := running.ID()
	file, err := NewFile(path)
	if err == nil && ok {
		s.Path, s.file, s.id = path, file, id
	}
	return s
}

// Replaced reports whether another program is at the path. It looks once a
// second at most, by a clock that the caller has; a path without a file is a
// package in the middle of its upgrade.
func (s *Self) Replaced(now time.Duration) bool {
	if s.is || s.file == nil || now < s.next {
		return s.is
	}
	s.next = now + lookEvery
	id, ok := s.file.ID()
	s.is = ok && id != s.id
	return s.is
}
