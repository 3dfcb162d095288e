// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/refresh"
	"msrpcd/pkg/plan/wanted"
	"msrpcd/pkg/wire/printable"
)

// Version is set by meson with -ldflags -X.
var Version = "0.1.0"

// manager is what msrpcctl needs of systemd.
type manager interface {
	refresh.Manager
	Mask(ctx context.Context, runtime bool, units ...string) error
	Unmask(ctx context.Context, units ...string) error
	Kill(ctx context.Context, unit string, sig syscall.Signal) error
	Close()
}

// env is the host as the commands see it; tests have their own.
type env struct {
	out, err io.Writer
	json     bool
	connect  func(context.Context) (manager, error)
	host     wanted.Host // without a manager
}

func hostEnv(out, err io.Writer) *env {
	return &env{
		out: printable.Writer{W: out}, err: printable.Writer{W: err}, host: refresh.Host(),
		connect: func(ctx context.Context) (manager, error) { return systemctl.Connect(ctx) },
	}
}

// errSilent ends a command with status 1 after it has said why itself.
var errSilent = errors.New("")

// usageError is a wrong command line.
type usageError struct{ error }

// Main runs one command line and returns the exit status.
func Main(args []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt, syscall.SIGTERM)
	var sig os.Signal
	go func() {
		sig = <-caught
		cancel()
	}()
	status := hostEnv(journal.Output(os.Stdout), journal.Stderr).run(ctx, args)
	journal.Flush()
	if ctx.Err() != nil && sig != nil {
		// All is cleaned up. Ending by the signal shows systemd, or the
		// shell, that this was not a failure.
		signal.Reset()
		syscall.Kill(os.Getpid(), sig.(syscall.Signal))
		<-time.After(time.Second) // the runtime takes a moment to die
	}
	return status
}

func (e *env) run(ctx context.Context, args []string) int {
	cmd := e.command()
	cmd.SetArgs(args)
	cmd.SetOut(e.out)
	cmd.SetErr(e.err)
	called, err := cmd.ExecuteContextC(ctx)
	var usage usageError
	var refused refusedError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &refused):
		if !errors.Is(refused.error, errSilent) {
			fmt.Fprintf(e.err, "msrpcctl: %s: %v\n", called.Name(), sys.Hint(err))
		}
		return statusRefused
	case errors.Is(err, errSilent):
		if errors.As(err, new(blindError)) {
			return statusBlind
		}
		return 1
	case ctx.Err() != nil:
		fmt.Fprintf(e.err, "msrpcctl: %s: interrupted; run it again\n", called.Name())
		return 1
	case errors.As(err, &usage) || unknownCommand(err):
		text, _, _ := strings.Cut(err.Error(), "\n")
		fmt.Fprintf(e.err, "msrpcctl: %s; see %s --help\n", strings.TrimSuffix(text, ` for "msrpcctl"`), called.CommandPath())
		return 2
	}
	for _, line := range lines(err) {
		fmt.Fprintf(e.err, "msrpcctl: %s: %s\n", called.Name(), line)
	}
	if errors.As(err, new(blindError)) {
		return statusBlind
	}
	return 1
}

// lines are joined errors, each with what people can do about it.
func lines(err error) (texts []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || !strings.Contains(err.Error(), "\n") {
		return strings.Split(sys.Hint(err).Error(), "\n")
	}
	for _, e := range joined.Unwrap() {
		texts = append(texts, lines(e)...)
	}
	return texts
}

// unknownCommand knows cobra's error, which has no type.
func unknownCommand(err error) bool { return strings.HasPrefix(err.Error(), "unknown command ") }

const long = `msrpcctl looks at and changes what MSRPC services systemd serves on this host.

refresh finds out what the RPC servers of this host serve and applies it; list,
status and verify show it; transport switches listeners off and on, drain lets
workers end without ending a connection. endpoints and ping ask servers of any
host over the network.`

func (e *env) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "msrpcctl",
		Short:         "Control MSRPC services under systemd",
		Long:          long,
		Version:       Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("msrpcctl {{.Version}}\n")
	root.PersistentFlags().BoolVar(&e.json, "json", false, "write JSON")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(e.refreshCommand(), e.listCommand(), e.statusCommand(), e.transportCommand(), e.drainCommand(),
		e.verifyCommand(), e.preflightCommand(), e.lookCommand(), e.endpointsCommand(), e.pingCommand())
	for _, c := range root.Commands() {
		c.DisableFlagsInUseLine = true // the flags follow anyway
	}
	return root
}

// show writes v as JSON when that was asked for, else calls text.
func (e *env) show(v any, text func()) error {
	if !e.json {
		text()
		return nil
	}
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := e.out.Write(printable.JSON(doc.Bytes()))
	return err
}

// args turns cobra's complaint about the number of arguments into one that
// says what is expected.
func args(min, max int, expected string) cobra.PositionalArgs {
	return func(_ *cobra.Command, given []string) error {
		if len(given) < min || len(given) > max {
			return usageError{fmt.Errorf("takes %s: %d given", expected, len(given))}
		}
		return nil
	}
}
