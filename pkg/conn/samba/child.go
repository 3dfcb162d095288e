// SPDX-License-Identifier: Apache-2.0

package samba

// The unmodified rpcd: started with a pipe as standard input whose other end
// only this process has. The rpcd exits when that end is closed, so it never
// outlives the adaptor.

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
)

type child struct {
	pid   int
	pidfd int // readable when the process has ended
	stdin int // never written to
}

// private names the variables that are between the service manager and the
// adaptor, and what would change the rpcd: _NO_WINBINDD switches winbind off.
var private = []string{"NOTIFY_SOCKET", "MSRPC_", "LISTEN_", "FDSTORE", "WATCHDOG_", "MAINPID", "INVOCATION_ID", "_NO_WINBINDD"}

func childEnv(env []string) []string {
	var out []string
next:
	for _, v := range env {
		for _, p := range private {
			if strings.HasPrefix(v, p) {
				continue next
			}
		}
		out = append(out, v)
	}
	return out
}

func childArgs(o *setting.Values) []string {
	a := []string{
		o.Exec, "--configfile=" + o.SmbConf,
		"--worker-group=0", "--worker-index=" + strconv.Itoa(o.Index),
	}
	if strings.HasPrefix(filepath.Base(o.Exec), "rpcd_") {
		a = append(a, "--option=debug pid=yes") // logfollow.go
		if o.Logging != "" {
			a = append(a, "--option=logging="+o.Logging)
		}
	} else {
		a = append(a, "--debug-stdout") // npsd_*, which need not be made with Samba's libraries
	}
	if o.DebugLevel != "" {
		a = append(a, "--debuglevel="+o.DebugLevel)
	}
	return a
}

func startChild(o *setting.Values) (*child, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe for the rpcd: %w", err)
	}
	c := &child{pidfd: -1, stdin: pipe[1]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := likeSamba(); err != nil {
		return nil, err
	}
	pid, err := syscall.ForkExec(o.Exec, childArgs(o), &syscall.ProcAttr{
		Dir: "/", Env: childEnv(os.Environ()),
		Files: []uintptr{uintptr(pipe[0]), 1, 2},
		// A process group of its own, but no session: the leader of one could get
		// a controlling terminal by opening a device.
		Sys: &syscall.SysProcAttr{Setpgid: true, PidFD: &c.pidfd},
	})
	unix.Close(pipe[0])
	if err != nil {
		unix.Close(pipe[1])
		return nil, fmt.Errorf("start %s: %w; if it is no longer installed, run msrpcctl refresh", o.Exec, err)
	}
	c.pid = pid
	if c.pidfd < 0 {
		unix.Kill(pid, unix.SIGKILL)
		return nil, errors.New("the kernel gives no descriptor for processes (pidfd), Linux 5.4 is needed")
	}
	unix.CloseOnExec(c.pidfd)
	return c, nil
}

// likeSamba lets the rpcd inherit SIGPIPE ignored and blocked, as from
// samba-dcerpcd: an rpcd writes to clients that have left and relies on its
// parent for it. The adaptor writes with MSG_NOSIGNAL or to its own pipe. The
// mask is that of the thread that forks, which startChild has locked.
func likeSamba() error {
	signal.Ignore(unix.SIGPIPE)
	var set unix.Sigset_t
	set.Val[0] = 1 << (unix.SIGPIPE - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil); err != nil {
		return fmt.Errorf("block SIGPIPE for the rpcd: %w", err)
	}
	return nil
}

func (c *child) signal(s unix.Signal) { unix.PidfdSendSignal(c.pidfd, s, nil, 0) }

// reap returns the exit status; ended is false while the process lives.
func (c *child) reap() (ws unix.WaitStatus, ended bool) {
	pid, err := unix.Wait4(c.pid, &ws, unix.WNOHANG, nil)
	return ws, err == nil && pid == c.pid
}

// ChildError says that the rpcd ended without being asked to.
type ChildError struct {
	Exec, Unit string
	Status     unix.WaitStatus
	Ready      bool // it had said that it was ready
}

func (e *ChildError) Error() string {
	how := fmt.Sprintf("with exit status %d", e.Status.ExitStatus())
	if e.Status.Signaled() {
		how = "by signal " + unix.SignalName(e.Status.Signal())
	}
	when := ""
	if !e.Ready {
		when = " before it was ready"
	}
	return fmt.Sprintf("%s ended %s%s; its own last messages say why: journalctl -u %s", e.Exec, how, when, e.Unit)
}

// MessageID is the journal's message id of the event.
func (e *ChildError) MessageID() string { return journal.IDChildDied }

func (w *worker) childError(ws unix.WaitStatus) error {
	return &ChildError{
		Exec: w.opt.Exec, Unit: layout.WorkerService(w.opt.Name, w.opt.Index),
		Status: ws, Ready: w.ready,
	}
}
