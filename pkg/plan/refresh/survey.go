// SPDX-License-Identifier: Apache-2.0

// From configuration, smb.conf and listings to a catalogue. Nothing is written
// here.

package refresh

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/preflight"
	"msrpcd/pkg/wire/listing"
)

// surveys bounds how often the programs are asked again because they were
// replaced meanwhile.
const surveys = 3

// survey makes the catalogue. Problems that pass are in rep, those that stay
// until something is changed are in the catalogue.
func (r *Refresher) survey(ctx context.Context, cfg *config.Config, old *catalogue.Catalogue, rep *Report) (*catalogue.Catalogue, error) {
	c := &catalogue.Catalogue{}
	var rpcds []config.Rpcd
	for i := 0; ; i++ {
		passing, err := waitQuiet(ctx, r.clock, func() []string { return programs(cfg) })
		if err != nil {
			return nil, err
		}
		var problems []config.Problem
		rpcds, problems = cfg.Rpcds(nil)
		r.configProblems(rep, problems)
		if c.Samba, err = r.samba(ctx, cfg, rpcds, old); err != nil {
			return nil, err
		}
		c.Rpcds = listAll(ctx, rpcds, c.Samba, old, r.Patient)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i+1 == surveys || passing != "" || unchanged(c.Rpcds) {
			if passing != "" {
				rep.problem("%s", passing)
			}
			break
		}
	}
	rep.Rpcds = len(c.Rpcds)
	for i := range c.Rpcds {
		e := &c.Rpcds[i]
		if e.Failure == "" {
			rep.Listed++
		} else {
			r.unlisted(rep, e.Name, e.Exec, e.Failure, &e.Listing, "it serves nothing until it can")
		}
		if t := e.SambaTwin; t != nil && t.Failure != "" {
			r.unlisted(rep, e.Name, t.Exec, t.Failure, &t.Listing, e.Exec+" serves in its place")
		}
	}
	if c.Samba.HelpersOnDemand && slices.ContainsFunc(rpcds, func(p config.Rpcd) bool { return p.Kind == config.KindSamba }) {
		rep.problem("%v", &preflight.OnDemandError{Config: c.Samba.ConfigFile})
	}
	problems, err := r.allocate(ctx, cfg, c, old, rpcds)
	c.SetProblems(problems)
	return c, err
}

// allocate fills in what is given out on this host and not listed: ports,
// addresses and the directory of messages.
func (r *Refresher) allocate(ctx context.Context, cfg *config.Config, c, old *catalogue.Catalogue, rpcds []config.Rpcd) ([]config.Problem, error) {
	problems, err := r.ports(c, rpcds)
	if err != nil {
		return nil, err
	}
	if len(c.Samba.Includes) == config.MaxIncludes {
		problems = append(problems, config.Problem{
			What:   fmt.Sprintf("%s includes %d files or more: changes of the others go unnoticed", c.Samba.ConfigFile, config.MaxIncludes),
			Remedy: "run msrpcctl refresh after changing them"})
	}
	host, err := HostInterfaces()
	if err != nil {
		return nil, err
	}
	var more []config.Problem
	c.Addresses, more = BindAddresses(c.Samba.BindInterfacesOnly, c.Samba.Interfaces, host)
	c.Sets = addressSets(c, old)
	problems = append(problems, more...)
	var problem *config.Problem
	if c.MessagingDir, problem = r.messaging(ctx, cfg, c, old); problem != nil {
		problems = append(problems, *problem)
	}
	return problems, nil
}

// unlisted reports a program that could not be listed, and what follows.
func (r *Refresher) unlisted(rep *Report, name, exec, failure string, last *listing.Listing, follows string) {
	if last.Workers != 0 {
		follows = "its last good listing is kept"
	}
	rep.problem("%s: %s: %s", exec, failure, follows)
	r.Log.Error(exec+" cannot be listed: "+follows, journal.Rpcd, name, journal.Error, failure,
		journal.MessageID, journal.IDListingFailed)
}

// samba reads smb.conf. Without Samba's programs a smb.conf that cannot be
// read is what an uninstalled Samba looks like. Native rpcds are served then
// from Samba's usual directories; else what was known stands in for it, so that
// the units of Samba's rpcds can go.
func (r *Refresher) samba(ctx context.Context, cfg *config.Config, rpcds []config.Rpcd, old *catalogue.Catalogue) (*config.Samba, error) {
	s, err := config.ReadSamba(ctx, cfg.Global)
	if err == nil || ctx.Err() != nil {
		return s, context.Cause(ctx)
	}
	if installed(rpcds, config.KindSamba) {
		r.Log.Error("smb.conf cannot be read: nothing is changed", journal.Error, err, journal.MessageID, journal.IDSambaUnreadable)
		return nil, err
	}
	if installed(rpcds, config.KindNative) && (errors.Is(err, config.ErrNoSambaConfig) || errors.Is(err, config.ErrNoTestparm)) {
		return config.NoSamba(cfg.Global), nil
	}
	if old == nil || old.Samba == nil || len(rpcds) == 0 && len(old.Rpcds) == 0 {
		return nil, fmt.Errorf("%w (and %w)", ErrNoRpcd, err)
	}
	return old.Samba, nil
}

// installed reports whether there is a program of a kind.
func installed(rpcds []config.Rpcd, kind config.Kind) bool {
	return slices.ContainsFunc(rpcds, func(p config.Rpcd) bool {
		_, err := catalogue.Identify(p.Exec)
		return p.Kind == kind && err == nil
	})
}

// messaging asks again only when Samba or its configuration changed.
func (r *Refresher) messaging(ctx context.Context, cfg *config.Config, c, old *catalogue.Catalogue) (dir string, problem *config.Problem) {
	if old != nil && len(c.Rpcds) == 0 {
		return old.MessagingDir, nil
	}
	if !c.Samba.Installed() {
		return "", nil // only programs of Samba have a use for it
	}
	if old != nil && old.MessagingDir != "" && len(old.Problems) == 0 && cfg.Global.MessagingDirectory == "" &&
		reflect.DeepEqual(old.Samba, c.Samba) {
		return old.MessagingDir, nil
	}
	return messagingDir(ctx, cfg.Global, c.Samba)
}

// unchanged reports whether the programs are still those that were asked.
func unchanged(entries []catalogue.Entry) bool {
	return !slices.ContainsFunc(entries, func(e catalogue.Entry) bool {
		now, err := catalogue.Identify(e.Exec)
		return err == nil && now != e.Binary
	})
}

// programs are those that the configuration names.
func programs(cfg *config.Config) []string {
	rpcds, _ := cfg.Rpcds(nil)
	var paths []string
	for _, r := range rpcds {
		paths = append(paths, r.Exec)
		if r.Samba != "" {
			paths = append(paths, r.Samba)
		}
	}
	return paths
}

// inputs are the files and directories that msrpc-refresh.path watches.
func (r *Refresher) inputs(cfg *config.Config) []string {
	files := []string{cfg.Global.SambaConfig}
	if c, err := catalogue.Read(r.Catalogue); err == nil && c.Samba != nil {
		files = append(files, c.Samba.Includes...)
	}
	for _, dir := range []string{layout.VendorConfig, layout.VolatileConf, layout.AdminConfig} {
		files = append(files, filepath.Join(r.Root, dir, "msrpcd.conf"), filepath.Join(r.Root, dir, "rpcd.d"))
	}
	for _, p := range programs(cfg) {
		files = append(files, p, filepath.Dir(p))
	}
	return files
}
