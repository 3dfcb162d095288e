// SPDX-License-Identifier: Apache-2.0

// Items of the configuration, the catalogue, and the generator's units.

package wanted

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/unitgen"
)

// configuration: files of msrpcd are without mistakes.
type configuration struct{}

func (configuration) Check(_ context.Context, s *State) []Finding {
	_, more := s.Plan.Config.Rpcds(nil)
	problems := slices.Clone(s.Plan.Problems)
	for _, p := range more {
		if !slices.Contains(problems, p) {
			problems = append(problems, p)
		}
	}
	var fs []Finding
	for _, p := range append(problems, s.Plan.Catalogue.Problems...) {
		fs = append(fs, found(checkConfiguration, "%s", p.Found()).named("configuration").
			remedy(cmp.Or(p.Remedy, "correct it")+", then "+runRefresh, refreshCommand))
	}
	return fs
}

// programs: every program is in the catalogue as it is now.
type programs struct{}

func (programs) Check(_ context.Context, s *State) []Finding {
	var fs []Finding
	known := map[string]bool{}
	for _, e := range s.Plan.Catalogue.Rpcds {
		known[e.Exec] = true
		now, err := catalogue.Identify(e.Exec)
		switch {
		case err != nil:
			fs = append(fs, found(checkCatalogue, "its program is gone: %v", err).of(e.Name, "").refreshed(mend{}))
		case now != e.Binary:
			fs = append(fs, found(checkCatalogue, "%s was replaced since the last refresh", e.Exec).of(e.Name, "").refreshed(mend{}))
		}
		if e.Failure != "" {
			fs = append(fs, found(checkCatalogue, "it could not be listed: %s", e.Failure).of(e.Name, "").
				remedy(fmt.Sprintf("run %s --list-interfaces to see why, then msrpcctl refresh", e.Exec), refreshCommand))
		}
	}
	rpcds, _ := s.Plan.Config.Rpcds(nil)
	for _, r := range rpcds {
		if !known[r.Exec] && s.Plan.Catalogue.Entry(r.Name) == nil {
			fs = append(fs, found(checkCatalogue, "%s is not in the catalogue", r.Exec).of(r.Name, "").refreshed(mend{}))
		}
	}
	return fs
}

// unitFiles: the generator's output is what is planned.
type unitFiles struct{}

func (unitFiles) Check(_ context.Context, s *State) []Finding {
	if s.units == nil {
		return nil
	}
	files, err := unitgen.Difference(s.Plan, s.Generator)
	if err != nil {
		s.unknown(checkUnitFiles, err, true)
		return nil
	}
	if len(files) == 0 {
		return s.notLoaded()
	}
	more := ""
	if n := len(files); n > 1 {
		more = fmt.Sprintf(" (and %d more)", n-1)
	}
	f := found(checkUnitFiles, "generated unit file %s%s is not as planned", files[0], more).named("unit files", fileSystemID).refreshed(mend{})
	return append([]Finding{f}, s.notLoaded()...)
}
