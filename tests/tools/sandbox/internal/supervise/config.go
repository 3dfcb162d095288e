// SPDX-License-Identifier: Apache-2.0

// Package supervise is the part of the sandbox that runs outside of the test
// process: it makes namespaces and a control group, boots systemd in them, and
// takes all of it down when its standard input ends, however that happens.
//
// Three processes take part, all of the same program:
//
//	client      the test or the command: holds the supervisor's standard input
//	supervisor  Supervise: control group, console, notification socket
//	inside      Inside: mounts, network, then it becomes systemd, PID 1 of the box
//
// What always holds: the client's death ends the supervisor (end of file), the
// supervisor's death kills PID 1 (PDEATHSIG) and with it every process of the
// box; nothing is written outside of Config.Out and of the box's own tmpfs.
package supervise

import (
	"encoding/json"
	"io"
)

// Config is what a box consists of; the client sends it as the first JSON
// value on the supervisor's standard input.
type Config struct {
	Root      string            // root file system, absolute
	Stage     string            // DESTDIR tree laid over it, absolute; "" = none
	Unit      string            // unit that systemd boots into
	Hostname  string            // name of the host inside
	Binds     []string          // "/outside:/inside" or "/path" for both
	Files     map[string][]byte // absolute path inside -> content
	Mask      []string          // units linked to /dev/null
	Setup     string            // shell script run in the box before systemd; "" = none
	Addresses []string          // "192.0.2.1/24" on the interface lan0; nil = no such interface
	FirstBoot bool              // machine-id is "uninitialized" and presets are applied
	Enabled   bool              // units that the root has enabled stay enabled
	Out       string            // directory of console.log and of the notification socket
}

// Reply is the supervisor's one answer, a JSON value on its standard output:
// the box is up or why it is not.
type Reply struct {
	PID    int    `json:"pid,omitempty"`    // of systemd, as seen by the supervisor
	Cgroup string `json:"cgroup,omitempty"` // directory for processes that enter the box
	Error  string `json:"error,omitempty"`
}

func readConfig(r io.Reader) (Config, error) {
	var c Config
	err := json.NewDecoder(r).Decode(&c)
	return c, err
}
