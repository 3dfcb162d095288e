// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"errors"
	"fmt"
	"path/filepath"

	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
)

// Inputs is what the generator reads, and where it keeps its last good set.
type Inputs struct {
	Catalogue string // path
	LastGood  string // path; below /run, the one place a generator may write to, and where links to it work
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
//   - they are not, the catalogue is gone, or there is no room to write: the last
//     good units, and a unit that says why;
//   - no catalogue and no last good units (first boot, or /var is not mounted
//     yet): only a link that makes the target run a refresh.
//
// The error is one of writing; nothing is left below dir then. What could not
// be kept for the next time, or said in a unit, is not an error.
func Generate(dir string, in Inputs) error {
	files, err := in.plan()
	if err != nil {
		return in.fallback(dir, err, true)
	}
	if err := Write(dir, files); err != nil {
		return in.fallback(dir, sys.Hint(err), false)
	}
	complain(Keep(in.LastGood, files))
	return nil
}

func complain(err error) {
	if err != nil {
		fmt.Fprintln(journal.Stderr, "msrpc-generator:", sys.Hint(err))
	}
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

// fallback writes the last good units for a run that cause has ended. With refresh
// the target starts one.
func (in Inputs) fallback(dir string, cause error, refresh bool) error {
	s := &set{files: map[string]File{}, builders: map[string]*builder{}}
	last, err := readLastGood(in.LastGood)
	switch {
	case err == nil:
		s.problems([]string{fmt.Sprintf("%v; the units are those of the last good run; try msrpcctl refresh", cause)})
	case !errors.Is(cause, catalogue.ErrNone):
		s.problems([]string{fmt.Sprintf("%v; there are no units until msrpcctl refresh succeeds", cause)})
	}
	if refresh { // the target is not ordered after the refresh, which starts the target
		s.want(layout.Target, layout.RefreshService, filepath.Join(UnitDir, layout.RefreshService))
	}
	for path := range s.files { // an older problem
		delete(last, path)
	}
	if err := Write(dir, last); err != nil {
		if err := moveKept(in.LastGood, dir); err != nil {
			return sys.Hint(err)
		}
		complain(err)
	}
	err = Write(dir, s.files)
	if err != nil && len(last) > 0 {
		complain(fmt.Errorf("%w; %w", cause, err))
		return nil
	}
	return err
}
