// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
)

// This file finds out whether smb.conf names commands that an rpcd runs as root and
// that may do anything, such as to mount what smbd has to see. What always holds:
// where that is not certain they are there.

// harmless are commands that are not run by rpcds, print, or have one meaning. Names
// are as globalParameters has them.
var harmless = strings.Fields(`
	dfreecommand dnsupdatecommand getquotacommand gpoupdatecommand logonscript magicscript messagecommand
	mitkdccommand nsupdatecommand rndccommand sambakcccommand setquotacommand spnupdatecommand
	lppausecommand lpqcommand lpresumecommand lprmcommand printcommand queuepausecommand queueresumecommand`)

// noCommands reports whether there are none: no "add user script", "add share
// command", "shutdown script" and the like, and no service of svcctl. "panic
// action" and "passwd program" do not count. What comes from the registry, or
// from a file of one client, changes without a refresh.
func noCommands(global map[string]string) bool {
	for name, value := range global {
		command := strings.HasSuffix(name, "script") || strings.HasSuffix(name, "command") || name == "svcctllist"
		if command && value != "" && !slices.Contains(harmless, name) {
			return false
		}
	}
	include := strings.ToLower(global["include"])
	return global["configbackend"] == "file" && include != "registry" && !strings.Contains(include, "%")
}
