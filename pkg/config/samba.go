// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"errors"
)

// Errors of ReadSamba that callers tell apart.
var (
	ErrNoSambaConfig = errors.New("smb.conf is missing")
	ErrNoTestparm    = errors.New("testparm is missing")
)

// Defaults of smb.conf where testparm does not tell.
const (
	DefaultPortLow  = 49152
	DefaultPortHigh = 65535
)

// Samba is what msrpcd needs of smb.conf, with Samba's own defaults resolved.
type Samba struct {
	ConfigFile         string   // smb.conf
	Version            string   // "4.17.12-Debian"
	NcalrpcDir         string   // ncalrpc dir
	NPDir              string   // directory of pipe nodes: external_rpc_pipe:socket_dir or ncalrpc dir, + "/np"
	LockDir            string   // lock directory
	PrivateDir         string   // private dir
	LogDir             string   // directory of log file
	PortLow, PortHigh  int      // rpc server dynamic port range
	BindInterfacesOnly bool     // bind interfaces only
	Interfaces         []string // interfaces, as written, such as "lo", "eth0;speed=100", "10.0.0.0/8"
	HelpersOnDemand    bool     // rpc start on demand helpers
	NetbiosName        string   // netbios name
	GuestAccount       string   // guest account
	ServerRole         string   // server role, lower case; "auto" is resolved
}

// ReadSamba asks testparm about cfg.SambaConfig.
func ReadSamba(ctx context.Context, cfg Global) (*Samba, error) {
	return nil, errors.New("unimplemented")
}

// ParseTestparm reads the output of "testparm -s -v". ConfigFile and Version
// stay empty. Pure.
func ParseTestparm(out []byte) (*Samba, error) { return nil, errors.New("unimplemented") }

// ParseVersion reads "Version 4.17.12-Debian" or "4.17.12-Debian".
func ParseVersion(s string) (major, minor, patch int, err error) {
	return 0, 0, 0, errors.New("unimplemented")
}

// AskVersion runs "program -V" (smbd, testparm, any rpcd) and returns the
// version without the word Version, such as "4.17.12-Debian".
func AskVersion(ctx context.Context, program string) (string, error) {
	return "", errors.New("unimplemented")
}

// IndexBits says how many high bits of an association group id are the index
// of the worker: 8 up to Samba 4.19, 16 from 4.20 on (and for native rpcds).
// An unreadable version counts as new.
func IndexBits(version string) int { return 16 }

// IndexBits is the function IndexBits of the Samba's version.
func (s *Samba) IndexBits() int { return IndexBits(s.Version) }
