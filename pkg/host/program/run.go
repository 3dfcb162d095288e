// SPDX-License-Identifier: Apache-2.0

package program

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"msrpcd/pkg/wire/printable"
)

// environment is all that a program finds in its environment.
var environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}

const (
	tailKept  = 2048                   // bytes of standard error that are looked at
	tailShown = 400                    // bytes of it in an error's text
	afterExit = 200 * time.Millisecond // for children that keep the output open
)

// ErrTooLong says that a program wrote more than it may.
var ErrTooLong = errors.New("its output is too long")

// Run returns what argv writes to standard output. It fails when the program
// does not end within limit, writes more than size bytes, leaves children that
// hold its output, or has an exit status other than 0.
func Run(ctx context.Context, limit time.Duration, size int, argv ...string) ([]byte, error) {
	out, err := Try(ctx, limit, size, environment, argv...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Try is Run with another environment. What a program with another exit status
// than 0 wrote comes with the error.
func Try(ctx context.Context, limit time.Duration, size int, env []string, argv ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = env, "/", afterExit
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	tooLong := false
	out := &head{max: size, full: func() { tooLong = true; kill() }}
	text := &tail{}
	cmd.Stdout, cmd.Stderr = out, text

	err := cmd.Run()
	switch {
	case err == nil:
		return out.kept, nil
	case tooLong:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, size)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		kill()
		return nil, errors.New("left a process behind that keeps its output open")
	}
	said := oneLine(text.kept)
	if said == "" { // some say it where their output goes
		said = oneLine(out.kept[max(len(out.kept)-tailKept, 0):])
	}
	if said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return out.kept, err
}

// head keeps the first max bytes; more calls full once and is thrown away. It
// must not have the method ReadFrom, which io.Copy would prefer.
type head struct {
	kept []byte
	max  int
	full func()
}

func (h *head) Write(p []byte) (int, error) {
	room := h.max - len(h.kept)
	h.kept = append(h.kept, p[:min(room, len(p))]...)
	if len(p) > room && h.full != nil {
		h.full()
		h.full = nil
	}
	return len(p), nil
}

// tail keeps the last bytes.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(len(p)-tailKept, 0):]...)
	if n := len(t.kept) - tailKept; n > 0 {
		t.kept = append(t.kept[:0], t.kept[n:]...)
	}
	return len(p), nil
}

// oneLine is the end of untrusted text, fit for one line of an error.
func oneLine(b []byte) string {
	text := strings.Join(strings.Fields(string(b)), " ")
	if n := len(text) - tailShown; n > 0 {
		_, text, _ = strings.Cut(text[n:], " ")
		text = "... " + text
	}
	return printable.Text(text)
}
