// SPDX-License-Identifier: Apache-2.0

package status

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"msrpcd/tests/tools/check"
)

// FuzzOpen: a file of any content is refused, or all of its lines can be read
// and its size is what its header says.
func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "status")
	if err := Prepare(path, 3, os.Geteuid(), os.Getegid()); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:lineSize])
	f.Add(good[:len(good)-1])
	f.Add(bytes.Repeat([]byte{0xff}, len(good)))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "status")
		check.OK(t, os.WriteFile(path, content, 0o600))
		s, err := Open(path, false)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Error(err)
			}
			return
		}
		defer s.Close()
		if s.Len() < 1 || s.Len() > MaxWorkers || size(s.Len()) != len(content) {
			t.Errorf("%d bytes are a file of %d workers", len(content), s.Len())
		}
		sum := s.Broker().Accepted.Load()
		for i := range s.Len() {
			w := s.Worker(i)
			sum += s.Sent(i).Sent.Load() + w.Open() + uint64(w.Groups.Load())
			s.WorkerAlive(i)
		}
		s.BrokerAlive()
	})
}
