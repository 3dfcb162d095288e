// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/listeners"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/wanted"
)

// The command line is pinned by testdata/*.txtar. Scripts run msrpcctl on
// directories below $ROOT, and on a systemd of their own when $SYSTEMD names
// its state file (see fake_test.go), else on a host without systemd.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"msrpcctl": script, "worker": playWorker})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"waitfor": waitFor},
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", e.WorkDir)
			return nil
		},
	})
}

func script() {
	useRoot()
	drainUnheard = 300 * time.Millisecond
	root := os.Getenv("ROOT")
	e := hostEnv(os.Stdout, os.Stderr)
	e.host.Proc, e.host.Generator = filepath.Join(root, "proc"), filepath.Join(root, "generator")
	e.connect = func(context.Context) (manager, error) { return nil, systemctl.ErrNotBooted }
	if path := os.Getenv("SYSTEMD"); path != "" {
		e.connect = func(context.Context) (manager, error) { return openFake(path, e.host.Generator) }
	}
	e.host.Sockets = func() (wanted.Sockets, error) { return &listeners.Snapshot{}, nil }
	os.Exit(e.run(context.Background(), os.Args[1:]))
}

// useRoot makes msrpcd's directories those below $ROOT.
func useRoot() {
	root := os.Getenv("ROOT")
	for dir, name := range map[*string]string{
		&layout.VendorConfig: "vendor", &layout.AdminConfig: "etc", &layout.VolatileConf: "volatile",
		&layout.State: "state", &layout.Runtime: "run",
	} {
		*dir = filepath.Join(root, name)
	}
}

// waitFor is the command waitfor FILE...: it waits until they are there.
func waitFor(ts *testscript.TestScript, neg bool, files []string) {
	for _, f := range files {
		for late := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(ts.MkAbs(f)); err == nil != neg {
				break
			}
			if time.Now().After(late) {
				ts.Fatalf("%s does not come", f)
			}
		}
	}
}
