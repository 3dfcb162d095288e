// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"path"
	"slices"
	"strings"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/unittext"
)

// watched collects smb.conf and what it includes, the directories of programs and of drop-ins. What
// cannot stand in a unit is left out, as its rpcd is.
func watched(c *catalogue.Catalogue, cfg *config.Config) []string {
	paths := []string{cfg.Global.SambaConfig}
	if c.Samba != nil {
		paths = append(append(paths, c.Samba.ConfigFile), c.Samba.Includes...)
	}
	for i := range c.Rpcds {
		paths = append(paths, path.Dir(c.Rpcds[i].Exec))
		if t := c.Rpcds[i].SambaTwin; t != nil {
			paths = append(paths, path.Dir(t.Exec))
		}
	}
	for _, f := range cfg.Files {
		for _, e := range f.Exec {
			if dir := path.Dir(e); !strings.ContainsAny(dir, `*?[\`) {
				paths = append(paths, dir)
			}
		}
		for _, d := range f.Drops {
			paths = append(paths, path.Dir(d))
		}
	}
	slices.Sort(paths)
	return slices.DeleteFunc(slices.Compact(paths), func(p string) bool {
		_, err := unittext.Path(p)
		return err != nil
	})
}
