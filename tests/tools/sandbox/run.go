// SPDX-License-Identifier: Apache-2.0

// This file owns commands and files in a running box.

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// baseEnv is the environment of commands; Options.Env comes after it.
var baseEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0",
}

// Command prepares a command in the box, as root, in "/". Standard streams are
// the caller's to set. When ctx ends, the command's process group is killed.
func (b *Box) Command(ctx context.Context, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(b.pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	cmd.Env = append(append(cmd.Env, baseEnv...), b.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(b.visitors.Fd()), Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// Run runs a command to its end. rc is its exit status, 128 + N when signal N
// ended it, and 255 with the reason in stderr when it could not be run.
func (b *Box) Run(ctx context.Context, args ...string) (stdout, stderr string, rc int) {
	var out, errOut bytes.Buffer
	cmd := b.Command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	rc, err := exitStatus(cmd.Run())
	if err != nil {
		fmt.Fprintf(&errOut, "%v", err)
	}
	return out.String(), errOut.String(), rc
}

// exitStatus turns the result of exec.Cmd's Run or Wait into a shell's number.
func exitStatus(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return 255, err
	}
	if ws := exit.Sys().(syscall.WaitStatus); ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// Process is a command that runs in the background in a box.
type Process struct {
	cmd  *exec.Cmd
	out  syncBuffer
	done chan struct{}
	rc   int
}

// Start begins a command whose standard output and error are collected.
func (b *Box) Start(ctx context.Context, args ...string) (*Process, error) {
	p := &Process{cmd: b.Command(ctx, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("sandbox: start %s: %w", strings.Join(args, " "), err)
	}
	go func() {
		defer close(p.done)
		p.rc, _ = exitStatus(p.cmd.Wait())
	}()
	return p, nil
}

// Output is what the command has written until now.
func (p *Process) Output() string { return p.out.String() }

// Done is closed when the command has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait returns the exit status, as Run does.
func (p *Process) Wait() int {
	<-p.done
	return p.rc
}

// Kill sends a signal to the command and its children, and does not wait.
func (p *Process) Kill(sig syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, sig) }

// syncBuffer is a buffer that is read while a command writes it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Path is where a file of the box is found from outside. It must not lead
// through an absolute link, which would be followed on the host.
func (b *Box) Path(inside string) string {
	return filepath.Join("/proc", strconv.Itoa(b.pid), "root", inside)
}

// ReadFile reads a file of the box.
func (b *Box) ReadFile(inside string) ([]byte, error) { return os.ReadFile(b.Path(inside)) }

// WriteFile writes a file of the box, making missing directories; one that
// begins with "#!" can be run.
func (b *Box) WriteFile(inside, content string) error {
	path := b.Path(inside)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(content, "#!") {
		mode = 0o755
	}
	return errors.Join(os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode))
}

// Journal returns what journalctl prints, after everything logged until now
// has been taken in.
func (b *Box) Journal(args ...string) (string, error) {
	if _, stderr, rc := b.Run(context.Background(), "journalctl", "--sync"); rc != 0 {
		return "", fmt.Errorf("sandbox: journalctl --sync: exit status %d: %s", rc, stderr)
	}
	stdout, stderr, rc := b.Run(context.Background(), append([]string{"journalctl", "--no-pager", "--quiet"}, args...)...)
	if rc != 0 {
		return "", fmt.Errorf("sandbox: journalctl %s: exit status %d: %s", strings.Join(args, " "), rc, stderr)
	}
	return stdout, nil
}
