// SPDX-License-Identifier: Apache-2.0

package units_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"msrpcd/pkg/conn/parking"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/plan/plantest"
	"msrpcd/pkg/plan/unitgen"
	"msrpcd/pkg/wire/listing"
	"msrpcd/tests/tools/check"
	"msrpcd/units"
)

// substitutions are meson's names with the values of this test. Programs have
// to exist for systemd-analyze, so they all are true(1) below a directory.
func substitutions(programs string) map[string]string {
	return map[string]string{
		"bindir": programs, "libexecdir": programs,
		"vendordir": layout.VendorConfig, "confdir": layout.AdminConfig, "volatiledir": layout.VolatileConf,
		"statedir": layout.State, "runtimedir": layout.Runtime,
		"user": layout.User, "group": layout.Group, "rpcduser": layout.RpcdUser, "authuser": layout.AuthUser, "since254": "#",
		"hardening": units.Hardening, "restart": units.Restart(false),
	}
}

var variable = regexp.MustCompile(`@([a-z0-9]+)@`)

// render returns the text of a template; an unknown name is an error.
func render(t *testing.T, name, programs string) string {
	t.Helper()
	text := check.File(t, name)
	values := substitutions(programs)
	return variable.ReplaceAllStringFunc(string(text), func(v string) string {
		s, ok := values[strings.Trim(v, "@")]
		if !ok {
			t.Errorf("%s: meson does not set %s", name, v)
		}
		return s
	})
}

// installed makes a directory with all units, static and generated, and one
// with the programs that they start.
func installed(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	programs := t.TempDir()
	for _, p := range []string{"msrpcctl", "msrpc-auth", "msrpc-broker", "msrpc-samba-worker", "msrpc-keep-scripts", "msrpc-generator", "rpcd_spoolss", "samba-bgqd", "rpcd_native", "rpcd_direct"} {
		check.OK(t, os.Symlink("/bin/true", filepath.Join(programs, p)))
	}
	templates, err := filepath.Glob("msrpc*.in")
	check.OK(t, err)
	for _, name := range templates {
		out := filepath.Join(dir, strings.TrimSuffix(name, ".in"))
		// man(1) is asked for every page, and none is installed.
		text := regexp.MustCompile(`(?m)^Documentation=.*\n`).ReplaceAllString(render(t, name, programs), "")
		check.OK(t, os.WriteFile(out, []byte(text), 0o644))
	}
	layout.Libexec, unitgen.Generator, unitgen.UnitDir = programs, filepath.Join(programs, "msrpc-generator"), dir
	files, err := unitgen.Files(generated(t, programs))
	check.OK(t, err)
	for path, f := range files {
		f.Data = regexp.MustCompile(`(?m)^Documentation=.*\n`).ReplaceAll(f.Data, nil)
		files[path] = f
	}
	check.OK(t, unitgen.Write(dir, files))
	return dir
}

// generated is a plan that has every kind of generated unit.
func generated(t *testing.T, programs string) *plan.Plan {
	t.Helper()
	const uuid = "338cd001-2244-31f1-aaaa-900038001003/0x00000001 "
	l, err := listing.Parse([]byte("5\n60\n" + uuid + "spoolss\n ncacn_np:[\\pipe\\spoolss]\n ncacn_ip_tcp:\n ncalrpc:\n"))
	check.OK(t, err)
	cfg := &config.Config{Global: config.DefaultGlobal(), Files: []config.RpcdFile{
		plantest.File("/etc/msrpcd/rpcd.d/a.conf", "Exec="+programs+"/rpcd_spoolss", "Prestart=yes"),
		plantest.File("/etc/msrpcd/rpcd.d/b.conf", "Exec="+programs+"/rpcd_native", "Kind=native"),
		plantest.File("/etc/msrpcd/rpcd.d/c.conf", "Exec="+programs+"/rpcd_direct", "Kind=native", "Activation=direct", "Prestart=yes"),
	}}
	p := plan.New(&catalogue.Catalogue{
		Samba: &config.Samba{
			ConfigFile: "/etc/samba/smb.conf", Version: "4.17.12", NcalrpcDir: "/run/samba/ncalrpc",
			NPDir: "/run/samba/ncalrpc/np", LockDir: "/run/samba", NetbiosName: "HOST", GuestAccount: "nobody",
		},
		Addresses: []string{"127.0.0.1", "::1"},
		Rpcds: []catalogue.Entry{
			{Name: "spoolss", Exec: programs + "/rpcd_spoolss", Kind: config.KindSamba, Listing: *l, Port: 49200},
			{Name: "native", Exec: programs + "/rpcd_native", Kind: config.KindNative, Listing: *l, Port: 49201},
			{Name: "direct", Exec: programs + "/rpcd_direct", Kind: config.KindNative, Listing: *l, Port: 49202},
		},
	}, cfg)
	if len(p.Rpcds) != 3 || len(p.Problems) == 0 {
		t.Fatalf("rpcds %v, problems %q: want three, and a conflict", p.Rpcds, p.Problems)
	}
	return p
}

func analyze(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command("systemd-analyze", args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=warning", "SYSTEMD_COLORS=0")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatalf("systemd-analyze is needed: %v", err)
		}
	}
	return out.String(), errs.String()
}

// The exit status is 0 even with unknown keys, so nothing may be said at all.
func TestSystemdAcceptsEveryUnit(t *testing.T) {
	dir := installed(t)
	names := []string{
		"msrpc.target", "msrpc.slice", "msrpc-preflight.service", "msrpc-scripts.service", "msrpc-refresh.service", "msrpc-refresh.path",
		"msrpc-auth.socket", "msrpc-auth.service", "msrpc-auth-keys.path", "msrpc-auth-keys.service",
		unitgen.ProblemService, layout.BgqdService,
	}
	for _, name := range []string{"spoolss", "native"} {
		names = append(names, layout.BrokerService(name), layout.Slice(name),
			layout.WorkerSocket(name, 0), layout.WorkerService(name, 0), layout.WorkerService(name, 5), layout.WorkerSocket(name, 7))
	}
	for _, t := range layout.Transports {
		names = append(names, layout.ListenerSocket(t, "spoolss"))
	}
	names = append(names, layout.ListenerSocket(layout.TCP, "native"), layout.ListenerSocket(layout.TCP, "direct"),
		layout.WorkerService("direct", 0), layout.Slice("direct"))
	args := []string{"verify", "--man=no", "--recursive-errors=no"}
	for _, u := range names {
		args = append(args, instance(t, dir, u))
	}
	if _, stderr := analyze(t, args...); strings.TrimSpace(stderr) != "" {
		t.Errorf("systemd-analyze verify says:\n%s", stderr)
	}
	// The same call notices a key that it does not know, in a drop-in too.
	dropIn := filepath.Join(dir, layout.BrokerService("spoolss")+".d", "20-bad.conf")
	check.OK(t, os.WriteFile(dropIn, []byte("[Service]\nBogus=1\n"), 0o644))
	if _, stderr := analyze(t, args...); !strings.Contains(stderr, "Bogus") {
		t.Errorf("systemd-analyze verify does not see a bad key; it says %q", stderr)
	}
}

// instance is the path of a unit; for an instance, a link to its template.
func instance(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if _, err := os.Lstat(path); err == nil {
		return path
	}
	at, dot := strings.IndexByte(name, '@'), strings.LastIndexByte(name, '.')
	if at < 0 {
		t.Fatalf("there is no %s", name)
	}
	check.OK(t, os.Symlink(name[:at+1]+name[dot:], path))
	return path
}

// How far each service is open, on systemd-analyze's scale from 0 to 10.
func TestExposure(t *testing.T) {
	dir := installed(t)
	for unit, most := range map[string]float64{
		layout.BrokerService("spoolss"):    0.4,
		layout.WorkerService("native", 0):  0.4,
		layout.WorkerService("direct", 0):  0.4,
		layout.WorkerService("spoolss", 0): 6.5,
		layout.BgqdService:                 6.5,
		unitgen.ProblemService:             3.0,
		layout.PreflightService:            3.0,
		layout.RefreshService:              5.0,
	} {
		out, _ := analyze(t, "security", "--no-pager", "--offline=yes", instance(t, dir, unit))
		m := regexp.MustCompile(`Overall exposure level for .*: ([0-9.]+) `).FindStringSubmatch(out)
		if m == nil {
			t.Errorf("%s: no level in %q", unit, out)
			continue
		}
		if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > most {
			t.Errorf("%s: exposure %s, want at most %v", unit, m[1], most)
		} else {
			t.Logf("%s: %s", unit, m[1])
		}
	}
}

func TestEveryUnitHasNoStartLimitAndIsPartOfTheTarget(t *testing.T) {
	templates, err := filepath.Glob("msrpc[^d]*.in")
	if err != nil || len(templates) != 15 {
		t.Fatalf("templates %v, %v", templates, err)
	}
	for _, name := range templates {
		text := render(t, name, "/usr/bin")
		if strings.HasPrefix(name, "msrpc.slice") {
			continue
		}
		if !strings.HasSuffix(name, ".timer.in") && !strings.Contains(text, "\nStartLimitIntervalSec=0\n") {
			t.Errorf("%s has a start limit", name)
		}
		if !strings.HasPrefix(name, "msrpc.target") && !strings.Contains(text, "\nPartOf=msrpc.target\n") {
			t.Errorf("%s is not part of the target", name)
		}
	}
}

func TestTheBrokersUnitHasTheNumbersOfItsProgram(t *testing.T) {
	unit := render(t, "msrpc-broker@.service.in", "/bin")
	for setting, n := range map[string]int{
		"FileDescriptorStoreMax": parking.MaxStored, "RestartForceExitStatus": layout.ExitReplaced, "SuccessExitStatus": layout.ExitReplaced,
	} {
		if want := fmt.Sprintf("\n%s=%d\n", setting, n); !strings.Contains(unit, want) {
			t.Errorf("no line %q in\n%s", want, unit)
		}
	}
}

func TestSysusersAndTmpfilesAreAccepted(t *testing.T) {
	for program, name := range map[string]string{"systemd-sysusers": "msrpcd.sysusers.in", "systemd-tmpfiles": "msrpcd.tmpfiles.in"} {
		root := t.TempDir()
		check.OK(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
		file := filepath.Join(root, "msrpcd.conf")
		check.OK(t, os.WriteFile(file, []byte(render(t, name, "/usr/bin")), 0o644))
		args := []string{"--root=" + root, file}
		if program == "systemd-tmpfiles" {
			args = append([]string{"--create"}, args...)
		}
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
		want := map[string][]string{
			"systemd-sysusers": {"/etc/passwd", "/etc/group"},
			"systemd-tmpfiles": {layout.State, layout.Runtime, layout.VolatileConf},
		}[program]
		for _, path := range want {
			if _, err := os.Stat(root + path); err != nil {
				t.Errorf("%s: %v", program, err)
			}
		}
	}
}
