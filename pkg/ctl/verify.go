// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"msrpcd/pkg/listeners"
	"msrpcd/pkg/systemctl"
)

// Finding is something that is not as it has to be.
type Finding struct {
	Check  string `json:"check"`          // which of the checks
	Rpcd   string `json:"rpcd,omitempty"` // whom it concerns
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// verification is the result of msrpcctl verify.
type verification struct {
	Findings []Finding `json:"findings"`
	Checked  []string  `json:"checked"`           // names of the checks that were made
	Unknown  []string  `json:"unknown,omitempty"` // what could not be looked at, and why
	Port135  string    `json:"port_135"`          // who listens on the endpoint mapper's port
}

const verifyLong = `Check that what is planned is really served by msrpcd: smb.conf, directories,
unit files, units, who listens on every pipe, endpoint and port, and processes
of samba-dcerpcd that should not be there. Nothing is connected to and nothing
is changed.

Each finding comes with its remedy. The exit status is 1 with findings.`

func (e *env) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Check that everything is really served by msrpcd",
		Long:  verifyLong,
		Args:  args(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := e.verify(cmd.Context())
			if err != nil {
				return err
			}
			if err := e.show(v, func() { e.verifyText(v) }); err != nil {
				return err
			}
			if len(v.Findings) > 0 {
				return errSilent
			}
			return nil
		},
	}
}

// verifier collects findings about what is known.
type verifier struct {
	*known
	*verification
	e *env
	m manager             // nil without systemd
	s *listeners.Snapshot // nil when the kernel does not tell
}

func (v *verifier) find(check, rpcd, remedy, what string, args ...any) {
	v.Findings = append(v.Findings, Finding{check, rpcd, fmt.Sprintf(what, args...), remedy})
}

func (v *verifier) unknown(what string, err error) {
	v.Unknown = append(v.Unknown, fmt.Sprintf("%s: %v", what, err))
}

func (e *env) verify(ctx context.Context) (*verification, error) {
	k, err := load()
	if err != nil {
		return nil, err
	}
	v := &verifier{known: k, verification: &verification{Findings: []Finding{}}, e: e}
	if v.m, err = e.connect(ctx); err != nil {
		v.m = nil
		if !errors.Is(err, systemctl.ErrNotBooted) {
			return nil, err
		}
		v.unknown("units", err)
	} else {
		defer v.m.Close()
	}
	if v.s, err = e.snapshot(); err != nil {
		v.s = nil
		v.unknown("listeners", err)
	}
	for _, c := range v.checks() {
		c.run(ctx, c.name)
		v.Checked = append(v.Checked, c.name)
	}
	return v.verification, nil
}

// check is one of the checks of msrpcctl(8).
type check struct {
	name string
	run  func(ctx context.Context, name string)
}

func (v *verifier) checks() []check {
	return []check{
		{"configuration", v.configuration},
		{"catalogue", v.listings},
		{"smb.conf", v.smbConf},
		{"directories", v.directories},
		{"unit files", v.unitFiles},
		{"units", v.units},
		{"sockets", v.sockets},
		{"ports", v.ports},
		{"samba-dcerpcd", v.dcerpcd},
	}
}

func (e *env) verifyText(v *verification) {
	for _, f := range v.Findings {
		name := f.Check
		if f.Rpcd != "" {
			name += ", " + f.Rpcd
		}
		fmt.Fprintf(e.out, "%s: %s\n    %s\n", name, f.What, f.Remedy)
	}
	for _, u := range v.Unknown {
		fmt.Fprintln(e.out, "not checked:", u)
	}
	if v.Port135 != "" {
		fmt.Fprintln(e.out, "port 135 (endpoint mapper):", v.Port135)
	}
	switch n := len(v.Findings); n {
	case 0:
		fmt.Fprintln(e.out, "no findings")
	case 1:
		fmt.Fprintln(e.out, "1 finding")
	default:
		fmt.Fprintln(e.out, n, "findings")
	}
}
