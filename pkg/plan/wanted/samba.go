// SPDX-License-Identifier: Apache-2.0

// Items of Samba: smb.conf, smbd, and samba-dcerpcd, which must not run.

package wanted

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"msrpcd/pkg/host/listeners"
	"msrpcd/pkg/plan/config"
)

// dcerpcdName is the kernel's name of the daemon that msrpcd stands in for.
const dcerpcdName = "samba-dcerpcd"

// smbConf: smb.conf can be read, has the line, and is that of the last refresh.
type smbConf struct{}

func (smbConf) Check(_ context.Context, s *State) []Finding {
	was := s.Plan.Catalogue.Samba
	if was != nil && !was.Installed() && (errors.Is(s.sambaErr, config.ErrNoSambaConfig) || errors.Is(s.sambaErr, config.ErrNoTestparm)) {
		return nil // only native rpcds are served here
	}
	if s.sambaErr != nil {
		return []Finding{found(checkSmbConf, "%v", s.sambaErr).named("smb.conf").
			remedy("mend it, then "+runRefresh+"; until then what was known at the last refresh is served", refreshCommand)}
	}
	var fs []Finding
	if s.samba.HelpersOnDemand && s.Plan.ServesSamba() {
		fs = append(fs, found(checkSmbConf, "smbd may start samba-dcerpcd, which takes all pipes away").named("smb.conf").
			remedy(fmt.Sprintf("put `rpc start on demand helpers = no` into [global] of %s, restart smbd, then %s", s.samba.ConfigFile, runRefresh),
				"systemctl try-restart "+s.smbdUnit(), refreshCommand))
	}
	if was != nil && !reflect.DeepEqual(comparable(*was), comparable(*s.samba)) {
		fs = append(fs, found(checkSmbConf, "%s or Samba changed since the last refresh", s.samba.ConfigFile).named("smb.conf changed").refreshed(mend{}))
	}
	return fs
}

// comparable drops what is looked at by itself.
func comparable(s config.Samba) config.Samba {
	s.HelpersOnDemand = false
	if len(s.Interfaces) == 0 {
		s.Interfaces = nil
	}
	return s
}

// smbdUnit is the unit of this host's file server.
func (s *State) smbdUnit() string {
	for _, name := range otherUnits {
		if s.up(name) {
			return name
		}
	}
	for _, name := range otherUnits {
		if u, ok := s.unit(name); ok && u.Load == "loaded" {
			return name
		}
	}
	return otherUnits[0]
}

// smbd: what clients of named pipes connect to runs, where it is installed.
type smbd struct{}

func (smbd) Check(_ context.Context, s *State) []Finding {
	pipes := false
	for i := range s.Plan.Rpcds {
		for _, l := range s.Plan.Rpcds[i].Listeners {
			u, _ := s.unit(l.Unit)
			pipes = pipes || l.Transport.Relayed() && u.Load != "masked"
		}
	}
	if !pipes || !s.serving() || s.Plan.Catalogue.Samba == nil || !s.Plan.Catalogue.Samba.Installed() {
		return nil
	}
	name := s.smbdUnit()
	if u, ok := s.unit(name); !ok || u.Load != "loaded" || u.Up() || u.Queued() {
		return nil // not installed as a unit, or it runs
	}
	for _, p := range s.processes {
		if p.Name == "smbd" || p.Name == "samba" || strings.HasPrefix(p.Name, "samba:") {
			return nil
		}
	}
	if !s.Root && !slices.ContainsFunc(s.processes, func(p listeners.Holder) bool { return p.PID == 1 }) {
		s.unknown(checkSmbd, errNotRoot, false)
		return nil
	}
	u, _ := s.unit(name)
	return []Finding{found(checkSmbd, "%s is %s: clients of named pipes come through it", name, u.Active).of("", name).named("smbd").
		remedy(fmt.Sprintf("run systemctl start %s; where no named pipes are to be served, msrpcctl transport off np", name), "systemctl start "+name)}
}

// dcerpcd: no samba-dcerpcd runs.
type dcerpcd struct{}

func (dcerpcd) Check(_ context.Context, s *State) []Finding {
	if !s.Plan.ServesSamba() {
		return nil // it has all to itself
	}
	var fs []Finding
	for _, p := range s.processes {
		if p.Name != dcerpcdName {
			continue
		}
		unit := listeners.UnitOf(s.Proc, p.PID)
		text, commands := fmt.Sprintf("run kill %d", p.PID), []string{fmt.Sprintf("kill %d", p.PID)}
		switch {
		case unit == "" || !strings.HasSuffix(unit, ".service"):
		case slices.Contains(sambaDaemons, unit):
			text = fmt.Sprintf("see that smb.conf says `rpc start on demand helpers = no`, then run systemctl restart %s, which started it", unit)
			commands = []string{"systemctl restart " + unit}
		default:
			text = fmt.Sprintf("run systemctl disable --now %s", unit)
			commands = []string{"systemctl disable --now " + unit}
		}
		fs = append(fs, found(checkDcerpcd, "%s runs and takes pipes and ports away from systemd", s.holder(p)).of("", unit).
			named("samba-dcerpcd", "smb.conf").remedy(text+", then "+runRefresh, append(commands, refreshCommand)...))
	}
	return fs
}

// sambaDaemons are units that start samba-dcerpcd on demand.
var sambaDaemons = append([]string{"nmbd.service", "nmb.service", "winbind.service", "winbindd.service"}, otherUnits...)
