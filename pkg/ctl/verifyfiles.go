// SPDX-License-Identifier: Apache-2.0

// Checks of verify that look at files: configuration, catalogue, smb.conf,
// directories and generated units.

package ctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"

	"msrpcd/pkg/config"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/preflight"
	"msrpcd/pkg/refresh"
)

const (
	doRefresh = "run msrpcctl refresh"
	doConfig  = "correct it, then run msrpcctl refresh"
)

// configuration shows mistakes in files of msrpcd and what follows from them.
func (v *verifier) configuration(_ context.Context, check string) {
	_, found := v.config.Rpcds(nil)
	for i, p := range append(v.plan.Problems, found...) {
		if !slices.Contains(v.plan.Problems[:min(i, len(v.plan.Problems))], p) {
			v.find(check, "", doConfig, "%s", p)
		}
	}
	for _, p := range v.known.catalogue.Problems {
		v.find(check, "", doConfig, "%s", p)
	}
}

// listings compares the catalogue with the programs as they are now.
func (v *verifier) listings(_ context.Context, check string) {
	known := map[string]bool{}
	for _, e := range v.known.catalogue.Rpcds {
		known[e.Exec] = true
		now, err := refresh.Identify(e.Exec)
		switch {
		case err != nil:
			v.find(check, e.Name, doRefresh, "its program is gone: %v", err)
		case now != e.Binary:
			v.find(check, e.Name, doRefresh, "%s was replaced since the last refresh", e.Exec)
		}
		if e.Failure != "" {
			v.find(check, e.Name, fmt.Sprintf("run %s --list-interfaces to see why, then msrpcctl refresh", e.Exec),
				"it could not be listed: %s", e.Failure)
		}
	}
	rpcds, _ := v.config.Rpcds(nil)
	for _, r := range rpcds {
		if !known[r.Exec] && v.known.catalogue.Entry(r.Name) == nil {
			v.find(check, r.Name, doRefresh, "%s is not in the catalogue", r.Exec)
		}
	}
}

// smbConf looks at smb.conf as it is now.
func (v *verifier) smbConf(ctx context.Context, check string) {
	now, err := v.e.samba(ctx, v.config.Global)
	if was := v.known.catalogue.Samba; was != nil && !was.Installed() &&
		(errors.Is(err, config.ErrNoSambaConfig) || errors.Is(err, config.ErrNoTestparm)) {
		return // only native rpcds are served here
	}
	if err != nil {
		v.find(check, "", "msrpcd serves what was known at the last refresh until this is mended", "%v", err)
		return
	}
	if now.HelpersOnDemand {
		v.find(check, "", fmt.Sprintf("put `rpc start on demand helpers = no` into [global] of %s, restart smbd, run msrpcctl refresh", now.ConfigFile),
			"smbd may start samba-dcerpcd, which takes all pipes away")
	}
	if was := v.known.catalogue.Samba; was != nil && !reflect.DeepEqual(comparable(*was), comparable(*now)) {
		v.find(check, "", doRefresh, "%s or Samba changed since the last refresh", now.ConfigFile)
	}
}

// comparable drops what is looked at by itself.
func comparable(s config.Samba) config.Samba {
	s.HelpersOnDemand = false
	if len(s.Interfaces) == 0 {
		s.Interfaces = nil
	}
	return s
}

// directories checks the modes that Samba insists on.
func (v *verifier) directories(_ context.Context, check string) {
	if os.Geteuid() != 0 {
		v.unknown("directories", fmt.Errorf("only root can look below np and msg.sock; run this as root"))
		return
	}
	for _, d := range preflight.Directories(v.known.catalogue, v.plan) {
		if err := d.Check(); err != nil {
			v.find(check, "", "run systemctl reload-or-restart "+layout.PreflightService, "%v", err)
		}
	}
}

// unitFiles compares the generator's output with the plan.
func (v *verifier) unitFiles(_ context.Context, check string) {
	if v.m == nil {
		return
	}
	files, err := refresh.Difference(v.e.generator, v.plan)
	if err != nil {
		v.find(check, "", doRefresh, "%v", err)
		return
	}
	if n := len(files); n > 0 {
		more := ""
		if n > 1 {
			more = fmt.Sprintf(" (and %d more)", n-1)
		}
		v.find(check, "", doRefresh, "generated unit file %s%s is not as planned", files[0], more)
	}
}
