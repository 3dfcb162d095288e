// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// View is what a native rpcd sees of the host.
type View struct {
	PID     int
	UID     int
	GID     int
	Groups  []int
	Names   []string          // LISTEN_FDNAMES
	Env     map[string]string // MSRPC_*
	Caps    string            // effective capabilities
	Seccomp string
	Run     []string          // below /run
	Refused map[string]string // what was tried, and the error; "" = it worked
}

func look() View {
	v := View{PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Env: map[string]string{}, Refused: map[string]string{}}
	v.Groups, _ = os.Getgroups()
	v.Names = strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, e := range os.Environ() {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, "MSRPC_") {
			v.Env[name] = value
		}
	}
	self, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(self), "\n") {
		switch key, value, _ := strings.Cut(line, ":"); key {
		case "CapEff":
			v.Caps = strings.TrimSpace(value)
		case "Seccomp":
			v.Seccomp = strings.TrimSpace(value)
		}
	}
	filepath.WalkDir("/run", func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			v.Run = append(v.Run, path)
		}
		return nil
	})
	try := func(what string, err error) {
		v.Refused[what] = ""
		if err != nil {
			v.Refused[what] = err.Error()
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	unix.Close(fd)
	try("socket of AF_INET", err)
	try("write to /etc", os.WriteFile("/etc/probe", nil, 0o600))
	try("write beside the status file", os.WriteFile("/run/msrpc/probe/probe", nil, 0o600))
	_, err = os.ReadFile("/var/lib/msrpcd/catalogue.db")
	try("read the catalogue", err)
	_, err = os.ReadDir("/run/msrpcd")
	try("read the volatile configuration", err)
	return v
}
