// SPDX-License-Identifier: Apache-2.0

// This file owns the command line: flags to Options, one command or a shell.

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"msrpcd/tests/tools/sandbox"
	"msrpcd/tests/tools/sandbox/internal/supervise"
)

const usage = `usage: sandbox [flags] [--] COMMAND [ARG...]
       sandbox [flags] --shell

Boots a throwaway systemd in namespaces over an overlay of a root file system,
runs COMMAND in it and exits with its status. Nothing on the host changes.

`

// The exit status when the box, not the command, is the problem.
const rcSandbox = 99

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func run(args []string) (int, error) {
	if len(args) == 1 && args[0] == supervise.ArgSupervise {
		return status(supervise.Supervise(os.Stdin, os.Stdout))
	}
	if len(args) == 1 && args[0] == supervise.ArgInside {
		return status(supervise.Inside())
	}
	var o sandbox.Options
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.Root, "root", "", "root file system `DIR` (default /)")
	flags.StringVar(&o.Stage, "stage", "", "DESTDIR tree `DIR`, on a tmpfs, laid over the root")
	flags.StringVar(&o.Unit, "unit", "", "`UNIT` to boot into (default basic.target)")
	flags.StringVar(&o.Out, "out", "", "keep console.log and the journal in `DIR`")
	flags.StringVar(&o.Setup, "setup", "", "shell `SCRIPT` to run in the box before systemd")
	flags.BoolVar(&o.FirstBoot, "first-boot", false, "boot as a new machine: presets are applied")
	flags.BoolVar(&o.Enabled, "enabled", false, "start units that are enabled in the root, too")
	flags.DurationVar(&o.Timeout, "timeout", 0, "of the boot (default 1m)")
	flags.Var((*list)(&o.Binds), "bind", "make `/OUTSIDE[:/INSIDE]` visible inside; repeatable")
	flags.Var((*list)(&o.Env), "env", "`NAME=VALUE` for the command; repeatable")
	flags.Var((*list)(&o.Mask), "mask", "`UNIT` that must not start; repeatable")
	flags.Var((*list)(&o.Addresses), "address", "`IP/LEN` on an interface lan0; repeatable")
	shell := flags.Bool("shell", false, "run an interactive shell, after COMMAND when one is given")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, nil
		}
		return 2, nil
	}
	if flags.NArg() == 0 && !*shell {
		return 2, errors.New("sandbox: no command; give one, or --shell")
	}
	sandbox.UseSelf()
	return inBox(o, flags.Args(), *shell)
}

// inBox runs the command and the shell; SIGTERM and SIGINT end them, after
// which the box is taken down as always.
func inBox(o sandbox.Options, command []string, shell bool) (rc int, err error) {
	box, err := sandbox.Boot(o)
	if err != nil {
		return rcSandbox, err
	}
	defer func() {
		if o.Out != "" {
			err = errors.Join(err, box.Export())
		}
		err = errors.Join(err, box.Close())
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	if len(command) > 0 {
		rc = foreground(box, ctx, command)
	}
	if shell && ctx.Err() == nil {
		stop() // Ctrl-C belongs to the shell
		signal.Ignore(syscall.SIGINT)
		rc = max(rc, foreground(box, context.Background(), []string{"/bin/bash", "-i"}))
	}
	return rc, nil
}

// foreground runs a command on our own terminal, in our own process group.
func foreground(box *sandbox.Box, ctx context.Context, args []string) int {
	cmd := box.Command(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr.Setpgid = false
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	if term := os.Getenv("TERM"); term != "" {
		cmd.Env = append(cmd.Env, "TERM="+term)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "sandbox: %v\n", err)
		return rcSandbox
	}
	return 0
}

func status(err error) (int, error) {
	if err != nil {
		return rcSandbox, err
	}
	return 0, nil
}
