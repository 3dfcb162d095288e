// SPDX-License-Identifier: Apache-2.0

package samba

// What version a program of Samba has. Programs of rpcds have no option for it;
// they print it when they start, after they have made databases in the
// directories of their configuration.

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// scratch is a configuration all of whose directories are %[1]s.
const scratch = `[global]
	private dir = %[1]s
	state directory = %[1]s
	cache directory = %[1]s
	lock directory = %[1]s
	pid directory = %[1]s
	binddns dir = %[1]s
	ncalrpc dir = %[1]s
	winbindd socket directory = %[1]s
	usershare path =
	log file = %[1]s/log
	passdb backend = tdbsam:%[1]s/passdb.tdb
	load printers = no
	printing = bsd
	printcap name = /dev/null
`

// askVersion runs the program such that it prints its banner, "rpcd_winreg
// version 4.17.12-Debian started.", and fails for want of a worker's index. All
// that it makes is in a directory that is removed.
func askVersion(program string) (Version, error) {
	dir, err := os.MkdirTemp("", "msrpc-version-")
	if err != nil {
		return Version{}, fmt.Errorf("ask %s for its version: %w", program, err)
	}
	defer os.RemoveAll(dir)
	conf := filepath.Join(dir, "smb.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, scratch, dir), 0o600); err != nil {
		return Version{}, fmt.Errorf("ask %s for its version: %w", program, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--debug-stdout", "--debuglevel=0", "--configfile="+conf)
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, childEnv(os.Environ()), time.Second
	out, err := cmd.Output()
	if len(out) > 4096 {
		out = out[:4096]
	}
	if v, ok := bannerVersion(out); ok {
		return v, nil
	}
	return Version{}, fmt.Errorf("%s does not say its version (%v); run msrpcctl refresh", program, err)
}

func bannerVersion(out []byte) (Version, bool) {
	const mark = " version "
	i := bytes.Index(out, []byte(mark))
	if i < 0 {
		return Version{}, false
	}
	v, err := ParseVersion(string(out[i+len(mark):]))
	return v, err == nil
}
