// SPDX-License-Identifier: Apache-2.0

// Package units has the text that stands in more than one unit: in those of this
// directory meson puts it, in generated ones pkg/plan/unitgen. Its test renders the
// templates as meson does, adds the units that the generator makes for real
// listings, and asks systemd-analyze about all of them together.
package units

import (
	_ "embed"
	"regexp"
)

// Hardening is the sandbox of brokers and native rpcds, lines of [Service].
//
//go:embed hardening.conf
var Hardening string

//go:embed restart.conf
var restart string

var since254 = regexp.MustCompile("(?m)^@since254@(.*\n)")

// Restart are lines of [Service] for what sockets start: never a start limit,
// always a pause, so that what waits in the socket outlives a crash loop. Where
// systemd knows how (from 254 on) the pause grows. It counts all restarts since
// the last stop, however long ago, so that in the end each pause is the longest
// one, which stays well below the 10 s that Samba's clients wait.
func Restart(grows bool) string {
	if grows {
		return since254.ReplaceAllString(restart, "$1")
	}
	return since254.ReplaceAllString(restart, "")
}
