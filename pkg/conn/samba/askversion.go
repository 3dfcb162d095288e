// SPDX-License-Identifier: Apache-2.0

package samba

// What version a program of Samba has. Programs of rpcds have no option for it;
// they print it when they start, after they have made databases in the
// directories of their configuration.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"msrpcd/pkg/host/program"
	"msrpcd/pkg/wire/abi"
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
func askVersion(exec string) (abi.Version, error) {
	dir, err := os.MkdirTemp("", "msrpc-version-")
	if err != nil {
		return abi.Version{}, fmt.Errorf("ask %s for its version: %w", exec, err)
	}
	defer os.RemoveAll(dir)
	conf := filepath.Join(dir, "smb.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, scratch, dir), 0o600); err != nil {
		return abi.Version{}, fmt.Errorf("ask %s for its version: %w", exec, err)
	}
	out, err := program.Try(context.Background(), 5*time.Second, 64<<10, childEnv(os.Environ()), exec, "--debug-stdout", "--debuglevel=0", "--configfile="+conf)
	if v, ok := bannerVersion(out); ok {
		return v, nil
	}
	return abi.Version{}, fmt.Errorf("%s does not say its version (%v); run msrpcctl refresh", exec, err)
}

func bannerVersion(out []byte) (abi.Version, bool) {
	const mark = " version "
	_, after, _ := strings.Cut(string(out), mark)
	text, _, _ := strings.Cut(after, " ")
	v, err := abi.ParseVersion(text)
	return v, err == nil
}
