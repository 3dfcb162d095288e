// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
)

// Inputs is what the generator reads, and where it keeps its last good set.
type Inputs struct {
	Catalogue string // path
	LastGood  string // path; below /run, the one place a generator may write to
	Config    func() (*config.Config, error)
}

// DefaultInputs are those of the installed system.
func DefaultInputs() Inputs {
	return Inputs{
		Catalogue: layout.Catalogue(),
		LastGood:  layout.LastUnits(),
		Config:    func() (*config.Config, error) { return config.Load("") },
	}
}

// Generate writes units below dir, the generator's normal directory:
//
//   - catalogue and configuration are good: their units;
//   - they are not, or the catalogue is gone: the last good units, and a unit
//     that says why;
//   - no catalogue and no last good units (first boot, or /var is not mounted
//     yet): only a link that makes the target run a refresh.
//
// The error is one of writing; nothing is left below dir then. What could not
// be kept for the next time is no error.
func Generate(dir string, in Inputs) error {
	files, err := in.plan()
	if err == nil {
		if err := Write(dir, files); err != nil {
			return err
		}
		if err := writeLastGood(in.LastGood, files); err != nil {
			fmt.Fprintln(journal.Stderr, "msrpc-generator:", err)
		}
		return nil
	}
	return Write(dir, in.fallback(err))
}

// plan makes the files of the two inputs. An error says that they cannot be
// trusted to be complete.
func (in Inputs) plan() (map[string]File, error) {
	c, err := catalogue.Read(in.Catalogue)
	if err != nil {
		return nil, err
	}
	if c.Samba == nil {
		return nil, errors.New("the catalogue knows nothing of smb.conf, which was not readable at the last refresh")
	}
	cfg, err := in.Config()
	if err != nil {
		return nil, err
	}
	return Files(plan.New(c, cfg))
}

// fallback makes the files for a run whose inputs gave cause.
func (in Inputs) fallback(cause error) map[string]File {
	s := &set{files: map[string]File{}, builders: map[string]*builder{}}
	last, err := readLastGood(in.LastGood)
	switch {
	case err == nil:
		maps.Copy(s.files, last)
		s.problems([]string{fmt.Sprintf("%v; the units are those of the last good run; try msrpcctl refresh", cause)})
	case !errors.Is(cause, catalogue.ErrNone):
		s.problems([]string{fmt.Sprintf("%v; there are no units until msrpcctl refresh succeeds", cause)})
	}
	// The target is not ordered after the refresh, which starts the target.
	s.want(layout.Target, layout.RefreshService, filepath.Join(UnitDir, layout.RefreshService))
	return s.files
}
