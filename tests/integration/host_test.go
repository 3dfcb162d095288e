// SPDX-License-Identifier: Apache-2.0

//go:build integration

// Package integration tests msrpcd on real parts: each test boots a systemd of
// its own over the distribution and the staged installation, and lets real
// smbd, rpcds and clients work. tests/run starts it.
//
// This file owns the host that tests work on.
package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/conn/status"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/sandbox"
)

const password = "Secret-1234"

// tools is a directory with programs of the tests, bound into each box.
var tools string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv("MSRPCD_STAGE") == "" {
		fmt.Fprintln(os.Stderr, "MSRPCD_STAGE is not set; start tests/run, which builds and stages msrpcd")
		return 1
	}
	dir, err := os.MkdirTemp("", "msrpcd-tools-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"attack", "bindload", "forge", "npsdecho", "probe"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), "msrpcd/tests/tools/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", name, err, out)
			return 1
		}
	}
	tools = dir
	return m.Run()
}

type sandboxOptions = sandbox.Options

// host is a box with helpers.
type host struct {
	*sandbox.Box
	t            testing.TB
	winregStatus *status.File // mapped by the fault tests
}

// boot starts a box with the staged msrpcd over the distribution, nothing of
// it enabled or started.
func boot(t testing.TB, change ...func(*sandboxOptions)) *host {
	t.Helper()
	conf := check.File(t, "testdata/smb.conf")
	o := sandbox.Options{
		Stage: os.Getenv("MSRPCD_STAGE"),
		Binds: []string{tools + ":/tools"},
		Files: map[string]string{"/etc/samba/smb.conf": string(conf), "/srv/public/hello": "hello\n", "/srv/private/secret": "secret\n"},
		Env:   []string{"PATH=/tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	for _, f := range change {
		f(&o)
	}
	return &host{Box: sandbox.New(t, o), t: t}
}

// file makes boot write one more file.
func file(path, content string) func(*sandboxOptions) {
	return func(o *sandboxOptions) { o.Files[path] = content }
}

// edit makes boot change smb.conf: a line is added to [global], where the last
// of equal options counts.
func global(line string) func(*sandboxOptions) {
	return func(o *sandboxOptions) {
		o.Files["/etc/samba/smb.conf"] = strings.Replace(o.Files["/etc/samba/smb.conf"], "\n[public]", "\t"+line+"\n\n[public]", 1)
	}
}

// install is what README tells an administrator to do after "meson install".
func (h *host) install() *host {
	h.t.Helper()
	h.run("systemd-sysusers")
	h.run("systemd-tmpfiles", "--create")
	h.run("systemctl", "daemon-reload")
	h.run("msrpcctl", "refresh")
	h.run("systemctl", "start", "msrpc.target")
	h.run("systemctl", "enable", "msrpc.target")
	return h
}

// fine is what verify says of a host on which all is as it should be.
func (h *host) fine() {
	h.t.Helper()
	if h.property("smbd.service", "ActiveState") != "active" {
		if _, rc := h.try("test", "-e", "/etc/samba/smb.conf"); rc == 0 {
			h.smbd()
		}
	}
	h.run("systemctl", "enable", "msrpc.target")
	if out, rc := h.try("msrpcctl", "verify"); rc != 0 {
		h.t.Errorf("verify: exit status %d\n%s", rc, out)
	}
}

// smbd starts the distribution's smbd with one user, root.
func (h *host) smbd() *host {
	h.t.Helper()
	h.sh("printf '%s\\n%s\\n' " + password + " " + password + " | smbpasswd -s -a root")
	h.run("systemctl", "start", "smbd.service")
	return h
}

// run runs a command that must succeed and returns its output.
func (h *host) run(args ...string) string {
	h.t.Helper()
	return h.MustRun(h.t, args...)
}

func (h *host) sh(script string) string {
	h.t.Helper()
	return h.MustRun(h.t, "sh", "-ec", script)
}

// try runs a command that may fail; output is both streams.
func (h *host) try(args ...string) (output string, rc int) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	stdout, stderr, rc := h.Run(ctx, args...)
	return stdout + stderr, rc
}

func (h *host) contains(text, want string) {
	h.t.Helper()
	if !strings.Contains(text, want) {
		h.t.Errorf("%q is not in:\n%s", want, text)
	}
}

// eventually waits for a condition.
func (h *host) eventually(cond func() error) {
	h.t.Helper()
	sandbox.Eventually(h.t, 20*time.Second, cond)
}

// property is one property of a unit.
func (h *host) property(unit, name string) string {
	h.t.Helper()
	return strings.TrimSpace(h.run("systemctl", "show", "-P", name, unit))
}

// active lists units of msrpcd that are active, by pattern.
func (h *host) active(patterns ...string) []string {
	h.t.Helper()
	args := append([]string{"systemctl", "list-units", "--plain", "--no-legend", "--state=active,activating,reloading,deactivating"}, patterns...)
	var units []string
	for _, line := range strings.Split(h.run(args...), "\n") {
		if f := strings.Fields(line); len(f) > 0 {
			units = append(units, f[0])
		}
	}
	return units
}

// listeners are the socket units that clients reach, and that no pause stops.
func (h *host) listeners() []string {
	h.t.Helper()
	return h.active("msrpc-np-*.socket", "msrpc-tcp-*.socket", "msrpc-ncalrpc-*.socket")
}

// journal is what the box's journal holds, all fields that a message has.
func (h *host) journal(args ...string) string {
	h.t.Helper()
	h.run("journalctl", "--sync")
	text, err := h.Journal(args...)
	check.OK(h.t, err)
	return text
}
