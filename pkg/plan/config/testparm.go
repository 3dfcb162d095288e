// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Defaults of "rpc server dynamic port range".
const (
	DefaultPortLow  = 49152
	DefaultPortHigh = 65535
)

const maxTestparmValue = 64 << 10 // bytes of one value

// ParseTestparm reads the output of "testparm -s -v": a line [global], then a
// line "<tab>name = value" for each parameter, defaults too. Shares are not
// looked at. ConfigFile and Version stay empty. Pure.
func ParseTestparm(out []byte) (*Samba, error) {
	p, err := globalParameters(string(out))
	if err != nil {
		return nil, err
	}
	s := &Samba{
		PortLow:         DefaultPortLow,
		PortHigh:        DefaultPortHigh,
		HelpersOnDemand: true,
		NetbiosName:     p["netbiosname"],
		GuestAccount:    p["guestaccount"],
		ServerRole:      role(p),
		DefaultLogging:  p["logging"] == "" && p["syslog"] == "1" && p["syslogonly"] == "No",
		NoCommands:      noCommands(p),
	}
	pipes := p["external_rpc_pipe:socket_dir"]
	if pipes == "" {
		pipes = p["ncalrpcdir"]
	}
	for _, err := range []error{
		directory(&s.NcalrpcDir, "ncalrpc dir", p["ncalrpcdir"]),
		directory(&s.NPDir, "external_rpc_pipe:socket_dir", pipes+"/np"),
		directory(&s.LockDir, "lock directory", p["lockdirectory"]),
		directory(&s.PrivateDir, "private dir", p["privatedir"]),
		logDirectory(&s.LogDir, p["logfile"]),
		portRange(s, p["rpcserverdynamicportrange"]),
		truth(&s.BindInterfacesOnly, "bind interfaces only", p["bindinterfacesonly"]),
		truth(&s.HelpersOnDemand, "rpc start on demand helpers", p["rpcstartondemandhelpers"]),
	} {
		if err != nil {
			return nil, err
		}
	}
	s.Interfaces = words(p["interfaces"])
	return s, nil
}

// globalParameters returns [global], names in lower case and without blanks
// as Samba compares them.
func globalParameters(out string) (map[string]string, error) {
	p := map[string]string{}
	global := false
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			if global {
				break
			}
			global = strings.EqualFold(line, "[global]")
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !global || !ok {
			continue
		}
		value = strings.TrimSpace(value)
		name = strings.ToLower(strings.Join(strings.Fields(name), ""))
		if bad := strings.ContainsFunc(value, control); bad || len(value) > maxTestparmValue {
			if name == "interfaces" { // without it, other interfaces would be listened on
				return nil, fmt.Errorf("interfaces is longer than %d bytes or has control characters; correct it in smb.conf", maxTestparmValue)
			}
			continue // it counts as missing
		}
		p[name] = value
	}
	if _, ok := p["ncalrpcdir"]; !ok {
		return nil, errors.New("this is not the output of testparm -s -v, it has no line ncalrpc dir")
	}
	return p, nil
}

func directory(dst *string, name, value string) error {
	if strings.Contains(value, "%") {
		return fmt.Errorf("%s = %s has a macro, which only Samba can expand; write the path out in smb.conf", name, cut(value))
	}
	dir, err := absolute(value)
	if err != nil {
		return fmt.Errorf("%s = %s: %w; correct it in smb.conf", name, cut(value), err)
	}
	*dst = dir
	return nil
}

// logDirectory takes the part of "log file" before the first macro.
func logDirectory(dst *string, value string) error {
	if value == "" {
		return nil // Samba's build knows it
	}
	dir := filepath.Dir(value)
	if i := strings.IndexByte(value, '%'); i >= 0 {
		dir = filepath.Dir(value[:i] + "x")
	}
	return directory(dst, "log file", dir)
}

func portRange(s *Samba, value string) error {
	if value == "" {
		return nil
	}
	l, h, _ := strings.Cut(value, "-")
	low, err1 := strconv.ParseUint(strings.TrimSpace(l), 10, 16)
	high, err2 := strconv.ParseUint(strings.TrimSpace(h), 10, 16)
	if err1 != nil || err2 != nil || low == 0 || low > high {
		return fmt.Errorf("rpc server dynamic port range = %s is not a range of ports such as 49152-65535; correct it in smb.conf", cut(value))
	}
	s.PortLow, s.PortHigh = int(low), int(high)
	return nil
}

func truth(dst *bool, name, value string) error {
	if value == "" {
		return nil
	}
	b, err := boolean(value)
	if err != nil {
		return fmt.Errorf("%s = %s: %w", name, cut(value), err)
	}
	*dst = b
	return nil
}

// words splits a list as Samba prints it: separated by blanks or commas, words
// with blanks in double quotes.
func words(value string) []string {
	quoted := false
	list := strings.FieldsFunc(value, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && strings.ContainsRune(" \t,", r)
	})
	for i, w := range list {
		list[i] = strings.ReplaceAll(w, `"`, "")
	}
	list = slices.DeleteFunc(list, func(w string) bool { return w == "" })
	if len(list) == 0 {
		return nil
	}
	return list
}
