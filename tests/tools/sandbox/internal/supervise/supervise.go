// SPDX-License-Identifier: Apache-2.0

// This file owns the life of the supervisor process: start the box, answer
// once, hold it until standard input ends, take it down.

package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Arguments by which the program calls itself.
const (
	ArgSupervise = "supervise"
	ArgInside    = "inside"
)

// How the box's first process gets its Config.
const configFD = 3

// Supervise boots one box and returns when it is gone. The caller's main
// goroutine must run it: PDEATHSIG is bound to the thread that forks.
func Supervise(stdin io.Reader, stdout io.Writer) error {
	runtime.LockOSThread()
	dec := json.NewDecoder(stdin)
	var c Config
	if err := dec.Decode(&c); err != nil {
		return fmt.Errorf("sandbox: no configuration on standard input: %w", err)
	}
	reply := json.NewEncoder(stdout)
	b, err := start(c)
	if err != nil {
		return errors.Join(reply.Encode(Reply{Error: err.Error()}), err)
	}
	defer b.end()

	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, io.MultiReader(dec.Buffered(), stdin))
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if err := b.awaitReady(gone, stop); err != nil {
		return errors.Join(reply.Encode(Reply{Error: err.Error()}), err)
	}
	if err := reply.Encode(Reply{PID: b.init.Process.Pid, Cgroup: b.cgroup.visitors}); err != nil {
		return err
	}
	select {
	case <-gone:
	case <-stop:
	case <-b.exited:
	}
	return nil
}

// box is one running sandbox, seen from outside.
type box struct {
	cgroup  *cgroup
	console *console
	notify  *notify
	init    *exec.Cmd
	exited  chan struct{} // closed once PID 1 of the box is gone
}

// start brings up everything that boots a box; on error nothing is left.
func start(c Config) (_ *box, err error) {
	b := &box{exited: make(chan struct{})}
	defer func() {
		if err != nil {
			b.end()
		}
	}()
	if b.cgroup, err = newCgroup(); err != nil {
		return nil, err
	}
	if b.console, err = newConsole(filepath.Join(c.Out, "console.log")); err != nil {
		return nil, err
	}
	if b.notify, err = newNotify(filepath.Join(c.Out, "host")); err != nil {
		return nil, err
	}
	if err = b.spawn(c); err != nil {
		return nil, err
	}
	return b, nil
}

// spawn clones the box's first process into its namespaces and control group.
// The cgroup namespace is unshared after the clone, so that the box's own
// directory is its root.
func (b *box) spawn(c Config) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	cmd := exec.Command("/proc/self/exe", ArgInside)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = b.console.terminal, b.console.terminal, b.console.terminal
	cmd.ExtraFiles = []*os.File{r}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL,
		UseCgroupFD: true, CgroupFD: b.cgroup.fd(),
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
			unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Unshareflags: unix.CLONE_NEWCGROUP,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("sandbox: cannot create namespaces (in a container, run it privileged): %w", err)
	}
	b.init = cmd
	go func() {
		_ = cmd.Wait()
		close(b.exited)
	}()
	return json.NewEncoder(w).Encode(c)
}

// awaitReady returns nil once systemd has sent READY=1.
func (b *box) awaitReady(gone <-chan struct{}, stop <-chan os.Signal) error {
	select {
	case <-b.notify.ready:
		return nil
	case <-b.exited:
		b.console.drain()
		return fmt.Errorf("sandbox: the boot failed: %s", b.console.tail())
	case <-gone:
		return errors.New("sandbox: given up by its client")
	case <-stop:
		return errors.New("sandbox: stopped by a signal")
	}
}

// end kills the box and removes what it used; it may be called on a half
// started box.
func (b *box) end() {
	if b.cgroup != nil {
		b.cgroup.kill()
	}
	if b.init != nil {
		_ = b.init.Process.Kill() // PID 1 takes all others of its namespace along
		select {
		case <-b.exited:
		case <-time.After(10 * time.Second):
		}
	}
	if b.cgroup != nil {
		b.cgroup.remove()
	}
	if b.notify != nil {
		b.notify.close()
	}
	if b.console != nil {
		b.console.drain()
		b.console.close()
	}
}
