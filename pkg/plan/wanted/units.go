// SPDX-License-Identifier: Apache-2.0

// What systemd says of our units: failed, in a crash loop, masked, with a
// mistake in a file. What it decodes is systemd.exec(5)'s table of exit codes.

package wanted

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/systemctl"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/wire/printable"
)

const (
	manyRestarts = 3               // of one unit, from which on they are a finding
	lately       = 5 * time.Minute // since the last of them
)

// exitCodes are those of systemd itself, before it runs the program.
var exitCodes = map[uint64]string{
	200: "CHDIR", 202: "FDS", 203: "EXEC", 205: "LIMITS", 206: "OOM_ADJUST", 207: "SIGNAL_MASK", 208: "STDIN", 209: "STDOUT",
	214: "SETSCHEDULER", 216: "GROUP", 217: "USER", 218: "CAPABILITIES", 219: "CGROUP", 220: "SETSID", 224: "PAM", 225: "NETWORK",
	226: "NAMESPACE", 227: "NO_NEW_PRIVILEGES", 228: "SECCOMP", 229: "SELINUX_CONTEXT", 231: "APPARMOR", 233: "RUNTIME_DIRECTORY",
	234: "MAKE_STARTER", 237: "KEYRING", 238: "STATE_DIRECTORY", 241: "CONFIRM", 242: "BPF", 243: "CREDENTIALS",
}

// runningUnits: none of our units failed, restarts again and again, is masked
// or has a mistake in its files.
type runningUnits struct{}

func (runningUnits) Check(_ context.Context, s *State) []Finding {
	var fs []Finding
	for _, name := range slices.Sorted(maps.Keys(s.units)) {
		if n, _ := layout.ParseUnit(name); !strings.HasPrefix(name, "msrpc") || name == layout.PreflightService && s.units[name].Load != "masked" && s.serving() ||
			(n.Kind == layout.KindListener || n.Kind == layout.KindInbox) && s.units[name].Active == "failed" && s.serving() && s.Plan.Rpcd(n.Rpcd) != nil { // items of their own
			continue
		}
		if f, bad := s.checkUnit(s.units[name]); bad {
			fs = append(fs, f)
		}
	}
	return fs
}

func (s *State) checkUnit(u systemctl.Unit) (Finding, bool) {
	p := s.details[u.Name]
	name, _ := layout.ParseUnit(u.Name)
	f := Finding{Check: checkUnits, Rpcd: name.Rpcd, Unit: u.Name}
	n, _ := p.Number("NRestarts")
	switch {
	case u.Load == "masked":
		return s.masked(f, name)
	case u.Load == "bad-setting" || u.Load == "error":
		f.What = fmt.Sprintf("%s cannot be started: systemd refuses its files%s%s", u.Name, s.foreign(p), loadError(p))
		return s.likeOthers(f, "refused", name, p).remedy(fmt.Sprintf("correct them (systemd-analyze verify %s shows where), then run systemctl daemon-reload and %s",
			u.Name, refreshCommand), "systemctl daemon-reload", refreshCommand), true
	case strings.HasSuffix(u.Name, ".socket") && u.Active != "failed":
		return f, false // its item looks at it
	case u.Active == "failed":
		f.What = fmt.Sprintf("%s failed%s%s", u.Name, s.reason(u.Name), s.foreign(p))
		f = s.likeOthers(f, "failed", name, p).refreshed(mend{step: stepReset, unit: u.Name})
	case strings.HasPrefix(u.Sub, "auto-restart") || u.Active == "activating" && n > 0:
		f.What = fmt.Sprintf("%s ends as soon as it is started, %s%s%s", u.Name, printable.Count(n, "restart"), s.reason(u.Name), s.foreign(p))
		f = s.likeOthers(f, "ends", name, p)
	case n >= manyRestarts && s.age(p, "ExecMainStartTimestampMonotonic") < lately:
		f.What = fmt.Sprintf("%s ends again and again, %d restarts, the last %v ago%s%s", u.Name, n,
			s.age(p, "ExecMainStartTimestampMonotonic").Round(time.Second), s.reason(u.Name), s.foreign(p))
		f = s.likeOthers(f, "ends", name, p)
	default:
		return f, false
	}
	f.because = append(f.because, s.causes(u.Name, p)...)
	return s.mendable(f, name, p), true
}

// likeOthers names a finding so that instances of one template in the same
// trouble, with the same files, are one cause.
func (s *State) likeOthers(f Finding, trouble string, n layout.Unit, p systemctl.Properties) Finding {
	of := n.Template()
	if of == "" {
		of = f.Unit
	}
	id := fmt.Sprintf("%s %s%s", trouble, of, s.foreign(p))
	return f.named(id, id)
}

// unitID is the id of the finding about a unit, if there is one.
func (s *State) unitID(unit string) string {
	if u, ok := s.units[unit]; ok {
		if f, bad := s.checkUnit(u); bad {
			return f.id
		}
	}
	return "unit " + unit
}

// mendable adds what to do about a unit that failed or cannot stay.
func (s *State) mendable(f Finding, n layout.Unit, p systemctl.Properties) Finding {
	what := fmt.Sprintf("journalctl -u %s says why; correct that", f.Unit)
	commands := []string{}
	if s.foreign(p) != "" {
		what, commands = "correct or remove its drop-in, then run systemctl daemon-reload", append(commands, "systemctl daemon-reload")
	}
	switch code, _ := p.Number("ExecMainStatus"); code {
	case 216, 217:
		what, commands = "an account is missing: "+what+", or systemd-sysusers", append(commands, "systemd-sysusers")
	case 203:
		what = "see that its program is there and can be run; " + what
	}
	units := f.Unit
	if n.Kind == layout.KindWorker {
		units = fmt.Sprintf("'%s'", layout.Instances(n.Template()))
	}
	reset := "systemctl reset-failed " + units
	return f.remedy(fmt.Sprintf("%s; then run %s, which sets its count to 0, and %s", what, reset, refreshCommand), append(commands, reset, refreshCommand)...)
}

// causes are what makes a unit fail that is not its own fault.
func (s *State) causes(unit string, p systemctl.Properties) []string {
	ids := []string{}
	if unit == layout.AuthService {
		ids = append(ids, authenticationI)
	}
	if code, _ := p.Number("ExecMainStatus"); code == 226 || code == 218 || code == 225 {
		ids = append(ids, "sandbox")
	}
	if strings.HasSuffix(unit, ".socket") {
		ids = append(ids, s.unitID(strings.TrimSuffix(unit, "socket")+"service"), "preflight", "samba-dcerpcd")
		if n, ok := layout.ParseUnit(unit); ok && n.Transport.IP() {
			ids = append(ids, "port "+n.Rpcd)
		}
	}
	n, _ := layout.ParseUnit(unit)
	return append(ids, "inbox "+n.Rpcd, "status "+n.Rpcd, directoryID(layout.RpcdDir(n.Rpcd)), fileSystemID)
}

// reason is why a unit ended, in systemd's words and with what is behind them.
func (s *State) reason(unit string) string {
	p := s.details[unit]
	result := p.Text("Result")
	code, _ := p.Number("ExecMainStatus")
	said := ""
	if t := p.Text("StatusText"); t != "" {
		said = "; it said " + printable.Quote(t, 200)
	}
	n, _ := layout.ParseUnit(unit)
	if r := s.Plan.Rpcd(n.Rpcd); r != nil && n.Kind == layout.KindWorker && r.Kind == config.KindSamba {
		if guest := s.Plan.Catalogue.Samba.GuestAccount; guest != "" && !s.account(guest) {
			said += fmt.Sprintf("; `guest account = %s` of smb.conf is not in /etc/passwd, without which Samba does not start", printable.Text(guest))
		}
	}
	switch {
	case exitCodes[code] != "" && result == "exit-code":
		return fmt.Sprintf(": %d/%s%s", code, exitCodes[code], said)
	case result == "exit-code":
		return fmt.Sprintf(": exit status %d%s", code, said)
	case result == "signal" || result == "core-dump":
		return fmt.Sprintf(": signal %d%s", code, said)
	case result != "" && result != "success":
		return ": " + result + said
	}
	return said
}

// account reports whether an account is in the file of accounts.
func (s *State) account(name string) bool {
	b, err := os.ReadFile("/etc/passwd")
	return err != nil || slices.ContainsFunc(strings.Split(string(b), "\n"), func(l string) bool { return strings.HasPrefix(l, name+":") })
}

// age is how long ago a time stamp of a unit is.
func (s *State) age(p systemctl.Properties, name string) time.Duration {
	n, ok := p.Number(name)
	if !ok || n == 0 {
		return 1 << 62
	}
	return s.now - time.Duration(n)*time.Microsecond
}

// foreign names files that were added to a unit by hand.
func (s *State) foreign(p systemctl.Properties) string {
	var files []string
	for _, f := range p.Texts("DropInPaths") {
		if !strings.HasPrefix(f, layout.GeneratorUnits+"/") && !strings.HasPrefix(f, "/usr/lib/systemd/") && !strings.HasPrefix(f, "/lib/systemd/") {
			files = append(files, printable.Text(f))
		}
	}
	if len(files) == 0 {
		return ""
	}
	return " (with " + strings.Join(files, ", ") + ")"
}

func loadError(p systemctl.Properties) string {
	if l := p.Pair("LoadError"); l != "" {
		return ": " + printable.Text(l)
	}
	return ""
}
