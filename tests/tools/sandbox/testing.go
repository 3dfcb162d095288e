// SPDX-License-Identifier: Apache-2.0

// This file owns what makes a box handy in tests: it fails them by itself and
// keeps the logs of those that failed.

package sandbox

import (
	"context"
	"strings"
	"testing"
	"time"
)

// New boots a box for one test and closes it at the test's end. When the test
// failed, journal and console are kept and their place is logged.
func New(t testing.TB, o Options) *Box {
	t.Helper()
	b, err := Boot(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			b.Keep()
			t.Logf("journal and console are in %s", b.Out())
			if err := b.Export(); err != nil {
				t.Log(err)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// MustRun runs a command that has to succeed within two minutes and returns
// its standard output.
func (b *Box) MustRun(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	stdout, stderr, rc := b.Run(ctx, args...)
	if rc != 0 {
		t.Fatalf("%s: exit status %d\n%s%s", strings.Join(args, " "), rc, stdout, stderr)
	}
	return stdout
}

// MustStart starts a command in the background and kills it at the test's end.
func (b *Box) MustStart(t testing.TB, args ...string) *Process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p, err := b.Start(ctx, args...)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		p.Wait()
	})
	return p
}

// MustWrite writes a file of the box.
func (b *Box) MustWrite(t testing.TB, inside, content string) {
	t.Helper()
	if err := b.WriteFile(inside, content); err != nil {
		t.Fatal(err)
	}
}

// Eventually asks a condition again and again until it holds (nil), and fails
// the test with the last answer after the timeout.
func Eventually(t testing.TB, timeout time.Duration, condition func() error) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(timeout); ; {
		if last = condition(); last == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", timeout, last)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
