// SPDX-License-Identifier: Apache-2.0

// Running other programs: bounded in time and output, in a process group that
// is killed as a whole, with an environment of its own. Only standard output
// counts; the start of standard error is kept for the error's text.

package refresh

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"msrpcd/pkg/printable"
)

// runEnv is all that a program finds in its environment.
var runEnv = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}

const (
	stderrKept = 512                    // bytes of standard error in an error's text
	afterExit  = 200 * time.Millisecond // for children that keep the output open
)

// run returns what argv writes to standard output. It fails when the program
// does not end within limit, writes more than max bytes, leaves children that
// hold its output, or has an exit status other than 0.
func run(ctx context.Context, limit time.Duration, max int, argv ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = runEnv, "/", afterExit
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	tooLong := false
	out := &bounded{max: max, full: func() { tooLong = true; kill() }}
	text := &bounded{max: stderrKept}
	cmd.Stdout, cmd.Stderr = out, text

	err := cmd.Run()
	switch {
	case err == nil:
		return out.kept, nil
	case tooLong:
		return nil, fmt.Errorf("wrote more than %d bytes", max)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		kill()
		return nil, errors.New("left a process behind that keeps its output open")
	}
	if said := printable.Line(string(text.kept)); said != "" {
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	return nil, err
}

// bounded keeps the first max bytes; more calls full once and is thrown away.
// It must not have the method ReadFrom, which io.Copy would prefer.
type bounded struct {
	kept []byte
	max  int
	full func()
}

func (b *bounded) Write(p []byte) (int, error) {
	room := b.max - len(b.kept)
	b.kept = append(b.kept, p[:min(room, len(p))]...)
	if len(p) > room && b.full != nil {
		b.full()
		b.full = nil
	}
	return len(p), nil
}
