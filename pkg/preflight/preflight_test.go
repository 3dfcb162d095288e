// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"msrpcd/pkg/catalogue"
	"msrpcd/pkg/config"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/unitgen"
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
		if err := os.Chmod(d.Path, 0o711); err != nil {
			t.Fatal(err)
		}
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

func TestMakeRefuses(t *testing.T) {
	root := t.TempDir()
	elsewhere := t.TempDir()
	link, file := filepath.Join(root, "link"), filepath.Join(root, "file")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, file} {
		if _, err := (Directory{path, 0o700}).Make(); !errors.Is(err, ErrNotDirectory) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if st, err := os.Stat(elsewhere); err != nil || st.Mode().Perm() == 0o700 {
		t.Errorf("the link was followed: %v, %v", st.Mode(), err)
	}
	// A parent may be a link: /var/run is one.
	if _, err := (Directory{filepath.Join(link, "np"), 0o700}).Make(); err != nil {
		t.Error(err)
	}
	if os.Geteuid() == 0 {
		alien := filepath.Join(root, "alien")
		if err := os.Mkdir(alien, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(alien, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if _, err := (Directory{alien, 0o700}).Make(); !errors.Is(err, ErrOwner) {
			t.Errorf("another's directory: %v", err)
		}
	}
}

func TestDirectories(t *testing.T) {
	c := &catalogue.Catalogue{
		Samba:        &config.Samba{NcalrpcDir: "/run/samba/ncalrpc", NPDir: "/srv/sockets/np", LockDir: "/run/samba"},
		MessagingDir: "/var/lib/samba/private",
	}
	plan := &unitgen.Plan{Rpcds: []unitgen.Rpcd{{Name: "winreg"}}}
	want := []Directory{
		{"/run/samba/ncalrpc", 0o755}, {"/srv/sockets", 0o755}, {"/srv/sockets/np", 0o700},
		{"/run/samba/msg.lock", 0o755}, {"/var/lib/samba/private/msg.sock", 0o700},
		{layout.Runtime, 0o755}, {layout.RpcdDir("winreg"), 0o755},
	}
	if d := cmp.Diff(want, Directories(c, plan)); d != "" {
		t.Error(d)
	}
}
