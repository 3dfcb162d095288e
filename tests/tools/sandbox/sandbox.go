// SPDX-License-Identifier: Apache-2.0

// Package sandbox boots a throwaway systemd in namespaces of its own, over an
// overlay of a root file system and a stage (a DESTDIR tree), in a fraction of
// a second. Nothing that happens in a box reaches the host: files go to a
// tmpfs, the network is a private loopback, and everything ends with the
// process that called Boot, even when that is killed.
//
// It needs root, Linux 5.14, a cgroup2 mount and nsenter of util-linux. A
// supervisor process (tests/tools/sandbox/cmd/sandbox) does the work; see
// internal/supervise.
package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"msrpcd/tests/tools/sandbox/internal/supervise"
)

// Options say what a box consists of. The zero value is a box over the host's
// own root with nothing added.
type Options struct {
	Root      string            // root file system of any distribution; "" = EnvRoot, else "/"
	Stage     string            // DESTDIR tree over it, on a tmpfs; "" = none
	Unit      string            // unit to boot into; "" = basic.target
	Hostname  string            // "" = sandbox
	Binds     []string          // "/outside:/inside", or "/path" for the same place
	Env       []string          // "NAME=value" for commands that run in the box
	Files     map[string]string // written before the boot; "#!" at the start makes one executable
	Mask      []string          // units that must not start
	Setup     string            // shell script, run in the box before systemd is
	Addresses []string          // "192.0.2.1/24" on an interface lan0; nil = loopback only
	FirstBoot bool              // empty machine-id: presets are applied, ConditionFirstBoot holds
	Enabled   bool              // start what the root's administrator has enabled, too
	Timeout   time.Duration     // of the boot; 0 = one minute
	Out       string            // directory for console.log and journal.export; "" = a temporary one
}

// Environment variables that the tests' runner sets.
const (
	EnvProgram = "MSRPCD_SANDBOX" // path of the built cmd/sandbox; built on demand without it
	EnvRoot    = "MSRPCD_ROOT"    // Options.Root where that is empty
	EnvStage   = "MSRPCD_STAGE"   // the stage that integration tests boot over
)

// Box is a booted systemd. Its methods may be called from several goroutines.
type Box struct {
	pid        int
	env        []string
	out        string
	ownOut     bool
	visitors   *os.File // control group of commands that run in the box
	supervisor *exec.Cmd
	stdin      io.Closer
	close      sync.Once
	closeErr   error
}

// Boot returns a box whose systemd has reached the unit, with its jobs done.
func Boot(o Options) (*Box, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	program, err := program()
	if err != nil {
		return nil, err
	}
	b := &Box{env: o.Env, out: o.Out}
	if b.out == "" {
		b.ownOut = true
		if b.out, err = os.MkdirTemp("", "sandbox-"); err != nil {
			return nil, err
		}
	} else if b.out, err = filepath.Abs(b.out); err != nil {
		return nil, err
	} else if err = os.MkdirAll(b.out, 0o755); err != nil {
		return nil, err
	}
	c.Out = b.out
	timeout := o.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	if err := b.start(program, c, timeout); err != nil {
		if b.ownOut {
			err = errors.Join(err, os.RemoveAll(b.out))
		}
		return nil, err
	}
	return b, nil
}

// config checks the options and fills in the defaults.
func (o Options) config() (supervise.Config, error) {
	c := supervise.Config{
		Root: o.Root, Stage: o.Stage, Unit: o.Unit, Hostname: o.Hostname, Binds: o.Binds,
		Files: map[string][]byte{}, Mask: o.Mask, Setup: o.Setup, Addresses: o.Addresses,
		FirstBoot: o.FirstBoot, Enabled: o.Enabled,
	}
	if os.Geteuid() != 0 {
		return c, errors.New("sandbox: namespaces and mounts need root: run as root, or with sudo")
	}
	setDefault(&c.Root, os.Getenv(EnvRoot), "/")
	setDefault(&c.Unit, "basic.target")
	setDefault(&c.Hostname, "sandbox")
	for path, content := range o.Files {
		c.Files[path] = []byte(content)
	}
	for _, dir := range []*string{&c.Root, &c.Stage} {
		if *dir == "" {
			continue
		}
		resolved, err := directory(*dir)
		if err != nil {
			return c, fmt.Errorf("sandbox: cannot use %s: %w", *dir, err)
		}
		*dir = resolved
	}
	if c.Stage == "" {
		return c, nil
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		root, rootErr := os.Lstat(filepath.Join(c.Root, name))
		stage, stageErr := os.Lstat(filepath.Join(c.Stage, name))
		if rootErr == nil && stageErr == nil && root.Mode()&fs.ModeSymlink != 0 && stage.IsDir() {
			return c, fmt.Errorf("sandbox: stage %s has a directory %s where the root has a link: install into usr/%s",
				c.Stage, name, name)
		}
	}
	return c, nil
}

func setDefault(v *string, values ...string) {
	for _, d := range values {
		if *v == "" {
			*v = d
		}
	}
}

// directory resolves links: an overlay's lower layers are real directories.
func directory(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	if strings.ContainsAny(path, ":,\\") {
		return "", fmt.Errorf("%s: overlayfs cannot take a path with ':', ',' or '\\'", path)
	}
	if st, err := os.Stat(path); err != nil {
		return "", err
	} else if !st.IsDir() {
		return "", fmt.Errorf("%s is not a directory", path)
	}
	return path, nil
}

// start runs the supervisor and waits for its answer.
func (b *Box) start(program string, c supervise.Config, timeout time.Duration) error {
	var stderr bytes.Buffer
	cmd := exec.Command(program, supervise.ArgSupervise)
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("sandbox: supervisor: %w", err)
	}
	b.supervisor, b.stdin = cmd, stdin
	timer := time.AfterFunc(timeout, func() { _ = stdin.Close() })
	err = json.NewEncoder(stdin).Encode(c)
	var reply supervise.Reply
	if err == nil {
		err = json.NewDecoder(stdout).Decode(&reply)
	}
	inTime := timer.Stop()
	switch {
	case !inTime:
		err = fmt.Errorf("sandbox: %s was not reached within %v:\n%s", c.Unit, timeout, b.consoleTail())
	case reply.Error != "":
		err = errors.New(reply.Error)
	case err != nil:
		err = fmt.Errorf("sandbox: supervisor gave no answer: %w: %s", err, stderr.String())
	default:
		b.pid = reply.PID
		b.visitors, err = os.Open(reply.Cgroup)
	}
	if err != nil {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	return err
}

// PID is systemd's, as the host sees it.
func (b *Box) PID() int { return b.pid }

// Out is the directory of console.log and, once exported, journal.export.
func (b *Box) Out() string { return b.out }

// Export writes the journal to Out()/journal.export, in the format that
// journalctl --file takes after systemd-journal-remote, and as text to
// journal.txt.
func (b *Box) Export() error {
	var errs []error
	for name, format := range map[string]string{"journal.export": "export", "journal.txt": "short-monotonic"} {
		text, err := b.Journal("-o", format)
		errs = append(errs, err, os.WriteFile(filepath.Join(b.out, name), []byte(text), 0o644))
	}
	return errors.Join(errs...)
}

// Keep makes Close leave Out() in place.
func (b *Box) Keep() { b.ownOut = false }

// Close kills everything in the box and removes what it used. The temporary
// Out() goes too, unless Keep was called.
func (b *Box) Close() error {
	b.close.Do(func() {
		_ = b.stdin.Close()
		b.closeErr = errors.Join(b.supervisor.Wait(), b.visitors.Close())
		if b.ownOut {
			b.closeErr = errors.Join(b.closeErr, os.RemoveAll(b.out))
		}
	})
	return b.closeErr
}

func (b *Box) consoleTail() string {
	text, _ := os.ReadFile(filepath.Join(b.out, "console.log"))
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return strings.ReplaceAll(string(text), "\r", "")
}
