// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"msrpcd/pkg/plan/wanted"
)

// verification is the result of msrpcctl verify.
type verification struct {
	Groups    []wanted.Group     `json:"groups"`             // causes, each with what follows from it
	Findings  []wanted.Finding   `json:"findings"`           // the same without groups
	Checked   []string           `json:"checked"`            // names of the checks that were made
	Unknown   []string           `json:"unknown,omitempty"`  // what could not be looked at, and why
	Reachable []wanted.Reachable `json:"reachable"`          // from outside of this host
	Port135   string             `json:"port_135,omitempty"` // the process that listens on the endpoint mapper's port

	blind bool // a whole source of what is could not be read
}

const (
	epmapperPort = 135 // of the endpoint mapper on TCP (MS-RPCE 2.1.1.1)
	shownBelow   = 6   // consequences of one cause that the text has; JSON has all
	statusBlind  = 2   // exit status of verify that could not look
)

const verifyLong = `Check that everything is as it should be: smb.conf, directories, status files,
unit files, units, the process behind every pipe, endpoint, port and inbox, and
what runs. Nothing is connected to and nothing is changed.

A finding is a cause; what follows from it is listed below it. Each comes with
its remedy, and says whether msrpcctl refresh mends it. What other hosts can
reach is listed for information.

The exit status is 0 without findings, 1 with findings, and 2 when there was no
way to look.`

func (e *env) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that everything is really served by msrpcd",
		Long:  verifyLong,
		Args:  args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := e.verify(cmd.Context())
			if err != nil {
				return blindError{err}
			}
			if err := e.show(v, func() { e.verifyText(v) }); err != nil {
				return err
			}
			switch {
			case len(v.Groups) > 0:
				return errSilent
			case v.blind:
				return blindError{errSilent}
			}
			return nil
		},
	}
}

// blindError ends verify with statusBlind.
type blindError struct{ error }

func (e blindError) Unwrap() error { return e.error }

func (e *env) verify(ctx context.Context) (*verification, error) {
	served, err := load()
	if err != nil {
		return nil, err
	}
	host := e.host
	m, err := e.connect(ctx)
	if err == nil {
		defer m.Close()
		host.Manager = m
	}
	s := wanted.Look(ctx, host, served)
	v := &verification{Findings: wanted.Check(ctx, s), Checked: wanted.Checks, Reachable: s.Reachable(), Port135: port135(s)}
	v.Groups = wanted.GroupByCause(v.Findings)
	for _, u := range s.Unknown {
		if u.What == "units" && err != nil {
			u.Err = err
		}
		v.Unknown = append(v.Unknown, u.String())
		v.blind = v.blind || u.Whole
	}
	return v, nil
}

// port135 names the process that listens on the endpoint mapper's port, "" when that cannot
// be seen.
func port135(s *wanted.State) string {
	who, ok := s.Listens(epmapperPort)
	if ok && who == "" {
		return "no process"
	}
	return who
}

func (e *env) verifyText(v *verification) {
	for _, g := range v.Groups {
		fmt.Fprintf(e.out, "%s: %s\n    %s\n", title(g.Finding), g.What, g.Remedy)
		for i, c := range g.Consequences {
			if i == shownBelow {
				fmt.Fprintf(e.out, "    therefore: %d more; --json has all\n", len(g.Consequences)-i)
				break
			}
			fmt.Fprintf(e.out, "    therefore: %s: %s\n", title(c), c.What)
		}
	}
	for _, u := range v.Unknown {
		fmt.Fprintln(e.out, "not checked:", u)
	}
	for _, line := range reachableText(v.Reachable) {
		fmt.Fprintln(e.out, "reachable from outside:", line)
	}
	if v.Port135 != "" {
		fmt.Fprintln(e.out, "port 135 (endpoint mapper):", v.Port135)
	}
	switch n := len(v.Groups); {
	case n == 0 && v.blind:
		fmt.Fprintln(e.out, "no findings, but not everything could be looked at")
	case n == 0:
		fmt.Fprintln(e.out, "no findings")
	case n == 1:
		fmt.Fprintln(e.out, "1 finding")
	default:
		fmt.Fprintln(e.out, n, "findings")
	}
}

// title is the check, with the rpcd that it is about.
func title(f wanted.Finding) string {
	if f.Rpcd == "" {
		return f.Check
	}
	return f.Check + ", " + f.Rpcd
}

// reachableText has one line for each address: its ports with their rpcds.
func reachableText(list []wanted.Reachable) []string {
	var order []string
	ports := map[string][]string{}
	for _, r := range list {
		if ports[r.Address] == nil {
			order = append(order, r.Address)
		}
		ports[r.Address] = append(ports[r.Address], fmt.Sprintf("%d (%s)", r.Port, r.Rpcd))
	}
	for i, address := range order {
		name := address
		if name == "*" {
			name = "every address"
		}
		order[i] = fmt.Sprintf("%s, TCP port %s", name, strings.Join(ports[address], ", "))
	}
	return order
}
