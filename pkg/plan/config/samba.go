// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/program"
	"msrpcd/pkg/wire/abi"
)

const (
	runTimeout  = 5 * time.Second // for one call of testparm
	maxTestparm = 1 << 20         // bytes of testparm's output; real ones have 13 KiB
	maxVersion  = 4 << 10
)

// Errors of ReadSamba that callers distinguish.
var (
	// ErrNoSambaConfig says that there is no smb.conf where SambaConfig= points.
	ErrNoSambaConfig = errors.New("smb.conf is missing")
	// ErrNoTestparm says that testparm(1) is not installed or not where Testparm= points.
	ErrNoTestparm = errors.New("testparm is missing")
)

// Samba is what msrpcd needs of smb.conf, with Samba's own defaults resolved.
// Directories are absolute, clean and without macros; no field has control
// characters, but names may have blanks and quotes. LogDir is "" where only the build of Samba knows it.
type Samba struct {
	ConfigFile         string   // smb.conf
	Includes           []string // files that it includes, whether they are there or not; sorted
	Version            string   // "4.17.12-Debian"; abi.ParseVersion reads it; "" in NoSamba
	NcalrpcDir         string   // ncalrpc dir
	NPDir              string   // directory of pipe nodes: (external_rpc_pipe:socket_dir or ncalrpc dir) + "/np"
	LockDir            string   // lock directory
	PrivateDir         string   // private dir
	LogDir             string   // directory of log file
	DefaultLogging     bool     // logging, syslog and syslog only are not set: level 0 goes to syslog, too
	NoCommands         bool     // no command that is run as root for a client and may do anything is set
	PortLow, PortHigh  int      // rpc server dynamic port range
	BindInterfacesOnly bool     // bind interfaces only
	Interfaces         []string // interfaces, as written: "lo", "eth0;speed=100", "10.0.0.0/8"
	HelpersOnDemand    bool     // rpc start on demand helpers
	NetbiosName        string   // netbios name
	GuestAccount       string   // guest account
	ServerRole         string   // server role, lower case; "auto" is resolved
}

// NoSamba stands in for smb.conf on a host that has native rpcds and no Samba:
// directories and ports as Samba has them by default, so that its clients find
// the endpoints and nothing moves when it is installed.
func NoSamba(cfg Global) *Samba {
	return &Samba{
		ConfigFile: cfg.SambaConfig,
		NcalrpcDir: "/run/samba/ncalrpc",
		NPDir:      "/run/samba/ncalrpc/np",
		LockDir:    "/run/samba",
		PortLow:    49152,
		PortHigh:   65535,
	}
}

// Dir is the directory that has the nodes of a transport.
func (s *Samba) Dir(t layout.Transport) string {
	if t.Relayed() {
		return s.NPDir
	}
	return s.NcalrpcDir
}

// Installed reports whether it is what a smb.conf says, and not NoSamba.
func (s *Samba) Installed() bool { return s.Version != "" }

// ReadSamba asks testparm(1) about cfg.SambaConfig. It takes 5 s per call of
// testparm at most. Errors wrap ErrNoSambaConfig or ErrNoTestparm where these
// are the reason.
func ReadSamba(ctx context.Context, cfg Global) (*Samba, error) {
	st, err := os.Stat(cfg.SambaConfig)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%w: %s does not exist; install Samba, or set SambaConfig= in msrpcd.conf", ErrNoSambaConfig, cfg.SambaConfig)
	case err != nil:
		return nil, fmt.Errorf("read smb.conf: %w", err)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("read smb.conf: %s is not a regular file; correct SambaConfig= in msrpcd.conf", cfg.SambaConfig)
	}
	testparm, err := exec.LookPath(cfg.Testparm)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; install it (Debian: samba-common-bin, others: samba), or set Testparm= in msrpcd.conf", ErrNoTestparm, err)
	}
	out, err := program.Run(ctx, runTimeout, maxTestparm, testparm, "-s", "-v", "--suppress-prompt", cfg.SambaConfig)
	if err != nil {
		return nil, fmt.Errorf("read %s: testparm: %w; run testparm -s %s to see what is wrong", cfg.SambaConfig, err, cfg.SambaConfig)
	}
	s, err := ParseTestparm(out)
	if err != nil {
		return nil, fmt.Errorf("read %s through %s: %w", cfg.SambaConfig, testparm, err)
	}
	s.ConfigFile = cfg.SambaConfig
	if s.Version, err = AskVersion(ctx, testparm); err != nil {
		return nil, err
	}
	s.Includes = includes(s.ConfigFile, s.macros())
	return s, nil
}

// AskVersion runs "path -V" (testparm and smbd know it, rpcds do not) and
// returns the version without the word in front, such as "4.17.12-Debian".
func AskVersion(ctx context.Context, path string) (string, error) {
	out, err := program.Run(ctx, runTimeout, maxVersion, path, "-V")
	if err != nil {
		return "", fmt.Errorf("ask %s for Samba's version: %w", path, err)
	}
	v := strings.TrimPrefix(strings.TrimSpace(string(out)), "Version ")
	if _, err := abi.ParseVersion(v); err != nil {
		return "", fmt.Errorf("ask %s for Samba's version: %w", path, err)
	}
	return v, nil
}
