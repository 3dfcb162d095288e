// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"

	"msrpcd/pkg/host/layout"
)

// MaskDirs are where systemctl mask makes its links: for good, and until the next
// boot.
var MaskDirs = [...]string{layout.AdminUnits, layout.RuntimeUnits}

// masks are the socket units of msrpcd that are masked below root. It is what
// "msrpcctl transport off" leaves, and counts as configuration: a listener of
// several units is off as a whole.
func masks(root string) map[string]bool {
	found := map[string]bool{}
	for _, dir := range MaskDirs {
		links, _ := filepath.Glob(filepath.Join(root, dir, "msrpc-*.socket"))
		for _, l := range links {
			if target, err := os.Readlink(l); err == nil && target == os.DevNull {
				found[filepath.Base(l)] = true
			}
		}
	}
	return found
}
