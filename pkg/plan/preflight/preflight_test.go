// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/tests/tools/check"
)

func TestMakeGivesExactModes(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	root := t.TempDir()
	for _, mode := range []os.FileMode{0o755, 0o700} {
		d := Directory{filepath.Join(root, mode.String(), "dir"), mode}
		if err := d.Check(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("none: %v", err)
		}
		if changed, err := d.Make(); !changed || err != nil {
			t.Errorf("make: %v, %v", changed, err)
		}
		if changed, err := d.Make(); changed || err != nil {
			t.Errorf("make again: %v, %v", changed, err)
		}
		check.OK(t, os.Chmod(d.Path, 0o711))
		if err := d.Check(); !errors.Is(err, ErrMode) {
			t.Errorf("wrong mode: %v", err)
		}
		if changed, err := d.Make(); !changed || err != nil {
			t.Errorf("make after chmod: %v, %v", changed, err)
		}
		if err := d.Check(); err != nil {
			t.Error(err)
		}
	}
}

// What is not a directory of root becomes one; what was there is kept under
// another name, and a link is not followed.
func TestMakeMendsWhatIsThere(t *testing.T) {
	root := t.TempDir()
	elsewhere := t.TempDir()
	link, file, fifo := filepath.Join(root, "link"), filepath.Join(root, "file"), filepath.Join(root, "fifo")
	check.OK(t, os.Symlink(elsewhere, link))
	check.OK(t, os.WriteFile(file, []byte("kept"), 0o644))
	check.OK(t, unix.Mkfifo(fifo, 0o600))
	for _, path := range []string{link, file, fifo} {
		d := Directory{path, 0o700}
		if err := d.Check(); !errors.Is(err, ErrNotDirectory) {
			t.Errorf("%s: %v", path, err)
		}
		if changed, err := d.Make(); !changed || err != nil {
			t.Errorf("%s: %v, %v", path, changed, err)
		}
		if err := d.Check(); err != nil {
			t.Error(err)
		}
		if aside, _ := filepath.Glob(path + ".aside-*"); len(aside) != 1 {
			t.Errorf("%s was not kept", path)
		}
	}
	if st, err := os.Stat(elsewhere); err != nil || st.Mode().Perm() == 0o700 {
		t.Errorf("the link was followed: %v, %v", st.Mode(), err)
	}
	// A parent may be a link: /var/run is one.
	parent := filepath.Join(root, "parent")
	check.OK(t, os.Symlink(elsewhere, parent))
	if _, err := (Directory{filepath.Join(parent, "np"), 0o700}).Make(); err != nil {
		t.Error(err)
	}
	if os.Geteuid() == 0 {
		d := Directory{filepath.Join(root, "alien"), 0o700}
		check.OK(t, os.Mkdir(d.Path, 0o777))
		check.OK(t, os.Chown(d.Path, 65534, 65534))
		if err := d.Check(); !errors.Is(err, ErrOwner) {
			t.Errorf("another's directory: %v", err)
		}
		if changed, err := d.Make(); !changed || err != nil || d.Check() != nil {
			t.Errorf("another's directory: %v, %v, %v", changed, err, d.Check())
		}
	}
}

func TestCheckSamba(t *testing.T) {
	samba := &plan.Plan{Rpcds: []plan.Rpcd{
		{Values: setting.Values{Name: "mine"}, Kind: config.KindNative}, {Values: setting.Values{Name: "winreg"}, Kind: config.KindSamba},
	}}
	native := &plan.Plan{Rpcds: samba.Rpcds[:1]}
	for _, tc := range []struct {
		name    string
		plan    *plan.Plan
		now     config.Samba
		last    *config.Samba // at the last refresh
		err     error
		checked bool
		want    string
	}{
		{name: "off", plan: samba, checked: true},
		{name: "default", plan: samba, now: config.Samba{HelpersOnDemand: true}, checked: true,
			want: "smbd would start samba-dcerpcd, which takes all pipes away: put the line `rpc start on demand helpers = no` into [global] of /etc/samba/smb.conf, then restart smbd and run msrpcctl refresh"},
		{name: "native only", plan: native, now: config.Samba{HelpersOnDemand: true}},
		{name: "unreadable, was off", plan: samba, last: &config.Samba{}, err: config.ErrNoSambaConfig},
		{name: "unreadable, was on", plan: samba, last: &config.Samba{HelpersOnDemand: true}, err: config.ErrNoSambaConfig, want: config.ErrNoSambaConfig.Error()},
		{name: "unreadable", plan: samba, err: config.ErrNoSambaConfig, want: config.ErrNoSambaConfig.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			read := func(context.Context, config.Global) (*config.Samba, error) { return &tc.now, tc.err }
			tc.plan.Catalogue = &catalogue.Catalogue{Samba: tc.last}
			tc.plan.Config = &config.Config{Global: config.Global{SambaConfig: "/etc/samba/smb.conf"}}
			checked, err := checkSamba(context.Background(), tc.plan, read)
			if checked != tc.checked || tc.want == "" && err != nil || tc.want != "" && (err == nil || err.Error() != tc.want) {
				t.Errorf("%v, %v", checked, err)
			}
		})
	}
}

// A host on which no refresh ran yet, and one whose catalogue is damaged.
func TestRunWithoutCatalogue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalogue.db")
	rep, err := Run(context.Background(), path, &config.Config{}, nil)
	if err != nil || rep.Catalogue {
		t.Errorf("none: %+v, %v", rep, err)
	}
	check.OK(t, os.WriteFile(path, []byte("damaged"), 0o644))
	if _, err := Run(context.Background(), path, &config.Config{}, nil); !errors.Is(err, catalogue.ErrFormat) {
		t.Errorf("damaged: %v", err)
	}
}

func TestDirectories(t *testing.T) {
	p := &plan.Plan{Rpcds: []plan.Rpcd{{Values: setting.Values{Name: "winreg"}}}}
	p.Catalogue = &catalogue.Catalogue{
		Samba:        &config.Samba{Version: "4.17.12", NcalrpcDir: "/run/samba/ncalrpc", NPDir: "/srv/sockets/np", LockDir: "/run/samba"},
		MessagingDir: "/var/lib/samba/private",
	}
	want := []Directory{
		{"/run/samba/ncalrpc", 0o755}, {"/srv/sockets", 0o755}, {"/srv/sockets/np", 0o700},
		{"/run/samba/msg.lock", 0o755}, {"/var/lib/samba/private/msg.sock", 0o700},
		{layout.Runtime, 0o755}, {layout.Root(), 0o755}, {layout.RpcdDir("winreg"), 0o755},
	}
	check.Same(t, want, Directories(p))
	p.Catalogue = &catalogue.Catalogue{Samba: config.NoSamba(config.Global{})}
	want = []Directory{{"/run/samba/ncalrpc", 0o755}, {"/run/samba/ncalrpc/np", 0o700}, {layout.Runtime, 0o755}, {layout.Root(), 0o755}, {layout.RpcdDir("winreg"), 0o755}}
	check.SameIn(t, "without Samba", want, Directories(p))
}
