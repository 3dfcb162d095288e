// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	runTimeout  = 5 * time.Second
	maxTestparm = 1 << 20 // bytes of testparm's output; real ones have 13 KiB
	maxStderr   = 4 << 10
)

var errTooLong = errors.New("its output is too long")

// run starts a program without standard input and returns its standard output,
// at most max bytes. It ends within runTimeout and half a second, whatever the
// program and its children do. An exit code other than 0 is an error that has
// what the program said.
func run(ctx context.Context, max int, program string, args ...string) ([]byte, error) {
	tctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	stdout, stderr := capped{max: max, fail: true}, capped{max: maxStderr}
	cmd := exec.CommandContext(tctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 500 * time.Millisecond
	err := cmd.Run()
	switch {
	case stdout.over:
		return nil, fmt.Errorf("%s: %w (more than %d bytes)", program, errTooLong, max)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", program, ctx.Err())
	case tctx.Err() != nil:
		return nil, fmt.Errorf("%s did not end within %v", program, runTimeout)
	case err != nil:
		return nil, fmt.Errorf("%s: %w%s", program, err, said(stderr.b.Bytes()))
	}
	return stdout.b.Bytes(), nil
}

// capped keeps the first max bytes. What follows is an error with fail, which
// closes the pipe so that an endless program ends, and is dropped without.
type capped struct {
	b    bytes.Buffer
	max  int
	fail bool
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	keep := p[:min(len(p), c.max-c.b.Len())]
	c.b.Write(keep)
	if len(keep) < len(p) && c.fail {
		c.over = true
		return len(keep), errTooLong
	}
	return len(p), nil
}

// said is the last line of standard error for a message, "" if there is none.
func said(stderr []byte) string {
	lines := strings.FieldsFunc(string(stderr), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if l := strings.TrimSpace(lines[i]); l != "" {
			return ", it said " + quote(l)
		}
	}
	return ""
}
