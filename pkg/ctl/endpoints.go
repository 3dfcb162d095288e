// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"msrpcd/pkg/wire/binding"

	"github.com/spf13/cobra"
)

const endpointsLong = `Ask the endpoint mapper of a host, this one without HOST, for all that is
registered there: of this host over ncalrpc:[EPMAPPER], else as of any other
over TCP port 135. HOST can also be a binding.` + authHelp

func (e *env) endpointsCommand() *cobra.Command {
	var iface string
	var timeout float64
	var who credentials
	cmd := &cobra.Command{
		Use:               "endpoints [HOST]",
		Short:             "Show what an endpoint mapper knows, of this or another host",
		Long:              endpointsLong,
		Args:              args(0, 1, "at most one host"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := checkTimeout(timeout); err != nil {
				return err
			}
			if err := who.check(); err != nil {
				return err
			}
			host := strings.Join(given, "")
			list, err := e.endpoints(cmd.Context(), host, iface, seconds(timeout), &who)
			if err != nil {
				return err
			}
			return e.show(list, func() { e.endpointsText(list) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&iface, "interface", "", "ask only where `INTERFACE`, a name or UUID/VERSION, is served over TCP")
	f.Float64VarP(&timeout, "timeout", "W", 10, "give up when an answer takes longer than `SECONDS`")
	cmd.RegisterFlagCompletionFunc("interface", completeInterface)
	who.flags(cmd)
	return cmd
}

// seconds is a number of seconds as Go has it.
func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func checkTimeout(n float64) error {
	if !(n > 0 && n <= 86400) {
		return usageError{fmt.Errorf("--timeout %g is not above 0 and up to 86400", n)}
	}
	return nil
}

// endpoints asks the mapper of a host for one interface, or for all.
func (e *env) endpoints(ctx context.Context, host, iface string, timeout time.Duration, who *credentials) ([]mapped, error) {
	served, failed := load()
	known := allNames(served)
	wanted, err := known.parse("epmapper")
	if iface != "" {
		wanted, err = known.parse(iface)
	}
	if err != nil {
		return nil, err
	}
	m, err := findMapper(ctx, mappers(host), func(binding string) (*mapper, error) {
		t, err := findTarget(binding, served, failed)
		if err != nil {
			return nil, err
		}
		return dialMapper(ctx, t, timeout, known, who)
	})
	if err != nil {
		return nil, err
	}
	defer m.conn.Close()
	if iface != "" {
		return m.ask(ctx, wanted)
	}
	return m.lookup(ctx)
}

// mappers are the bindings to try for a host in turn: this one's mapper is
// reached whichever of its loopback addresses is up.
func mappers(host string) []string {
	switch {
	case host == "":
		return []string{binding.Ncalrpc + ":[EPMAPPER]", binding.TCP + ":::1", binding.TCP + ":127.0.0.1"}
	case strings.HasPrefix(host, binding.TCP+":"), strings.HasPrefix(host, binding.Ncalrpc+":"):
		return []string{host}
	}
	return []string{binding.TCP + ":" + host}
}

// findMapper returns the first mapper that answers, else what every try said.
func findMapper(ctx context.Context, bindings []string, dial func(string) (*mapper, error)) (*mapper, error) {
	var errs []error
	for _, b := range bindings {
		m, err := dial(b)
		if err == nil {
			return m, nil
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (e *env) endpointsText(list []mapped) {
	if len(list) == 0 {
		fmt.Fprintln(e.out, "the endpoint mapper knows of nothing")
		return
	}
	rows := [][]string{{"INTERFACE", "UUID", "VERSION", "BINDING", "ANNOTATION"}}
	for i := range list {
		l := &list[i]
		binding := l.Binding
		if l.Object != "" {
			binding = l.Object + "@" + binding // as C706 writes it
		}
		rows = append(rows, []string{l.Name, l.UUID, l.Version, binding, l.Annotation})
	}
	table(e.out, "", rows)
}

// completeInterface completes the name of an interface.
func completeInterface(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	served, _ := load()
	var found []string
	seen := map[string]bool{}
	for _, n := range allNames(served) {
		if strings.HasPrefix(n.name, prefix) && !seen[n.name] {
			seen[n.name] = true
			found = append(found, n.name)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
