// SPDX-License-Identifier: Apache-2.0

// This file owns how the package finds its supervisor program.

package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// UseSelf makes Boot run the calling program as the supervisor; only
// cmd/sandbox can do that.
func UseSelf() { program = func() (string, error) { return "/proc/self/exe", nil } }

// program returns a path to execute: the runner's, else a fresh build whose
// file is unlinked at once and reached through its descriptor.
var program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(EnvProgram); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "sandbox-build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sandbox")
	build := exec.Command("go", "build", "-o", path, "msrpcd/tests/tools/sandbox/cmd/sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("sandbox: go build of its command failed (or set %s to a built one): %w\n%s", EnvProgram, err, out)
	}
	f, err := os.Open(path) // stays open for the life of the process
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), nil
})
