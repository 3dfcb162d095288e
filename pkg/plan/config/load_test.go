// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/tests/tools/check"
)

// tree makes a root with files: "v:", "r:" and "a:" stand for the vendor's,
// the volatile and the administrator's directory. A value "-> X" is a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, place(name))
		check.OK(t, os.MkdirAll(filepath.Dir(path), 0o755))
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		check.OK(t, err)
	}
	return root
}

func place(name string) string {
	return strings.NewReplacer("v:", layout.VendorConfig+"/", "r:", layout.VolatileConf+"/", "a:", layout.AdminConfig+"/").Replace(name)
}

func load(t *testing.T, files map[string]string) *Config {
	t.Helper()
	c, err := Load(tree(t, files))
	check.OK(t, err)
	return c
}

func noProblems(t *testing.T, c *Config, more ...Problem) {
	t.Helper()
	for _, p := range append(c.Problems, more...) {
		t.Errorf("problem: %s", p)
	}
}

func TestNothingIsConfigured(t *testing.T) {
	c := load(t, nil)
	noProblems(t, c)
	want := Global{SambaConfig: "/etc/samba/smb.conf", Testparm: "testparm", Values: setting.Defaults()}
	check.Same(t, want, c.Global)
	if rs, _ := c.Rpcds(nil); len(rs) != 0 {
		t.Errorf("got %v", rs)
	}
}

func TestNoRoot(t *testing.T) {
	for _, root := range []string{filepath.Join(t.TempDir(), "none"), "/dev/null"} {
		if _, err := Load(root); err == nil || !strings.Contains(err.Error(), root) {
			t.Errorf("%s: got %v", root, err)
		}
	}
}

func TestGlobalSettings(t *testing.T) {
	c := load(t, map[string]string{
		"v:msrpcd.conf":           "[Msrpcd]\nSambaConfig=/vendor\nMaxUnbound=1\n",
		"a:msrpcd.conf":           "# all\n[Msrpcd]\nSambaConfig = /opt/samba/smb.conf\nTestparm=/opt/samba/bin/testparm\nMessagingDirectory=/run/samba/\nMaxUnbound=20000\nMaxUnboundPerSource=300\nMaxUnboundPerUser=200\nMaxParked=100\nBindTimeoutSec=1min 30s\nMaxNPASize=64K\n",
		"v:msrpcd.conf.d/20.conf": "[Msrpcd]\nBindTimeoutSec=10\n",
		"a:msrpcd.conf.d/20.conf": "[Msrpcd]\nBindTimeoutSec=20\n",
		"r:msrpcd.conf.d/30.conf": "[Msrpcd]\nMaxNPASize=\n",
		"a:msrpcd.conf.d/40.txt":  "[Msrpcd]\nMaxUnbound=7\n",
	})
	noProblems(t, c)
	want := Global{SambaConfig: "/opt/samba/smb.conf", Testparm: "/opt/samba/bin/testparm", MessagingDirectory: "/run/samba", Values: setting.Defaults()}
	want.Limits[source.Unbound].Total, want.Limits[source.Unbound].Address, want.Limits[source.Unbound].User, want.MaxParked, want.BindTimeout = 20000, 300, 200, 100, 20*time.Second
	check.Same(t, want, c.Global)
}

func names(c *Config) string {
	var out []string
	for _, f := range c.Files {
		s := f.Name + "@" + f.Path[:5]
		for _, d := range f.Drops {
			s += "+" + d[:5] + ":" + filepath.Base(d)
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestFilesDropInsAndMasks(t *testing.T) {
	const x = "[Rpcd]\nSpares=1\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"later directory wins", map[string]string{"v:rpcd.d/a.conf": x, "r:rpcd.d/a.conf": x}, "a@/run/"},
		{"administrator wins", map[string]string{"v:rpcd.d/a.conf": x, "r:rpcd.d/a.conf": x, "a:rpcd.d/a.conf": x}, "a@/etc/"},
		{"basename order", map[string]string{"a:rpcd.d/b.conf": x, "v:rpcd.d/c.conf": x, "r:rpcd.d/50-a.conf": x}, "50-a@/run/ b@/etc/ c@/usr/"},
		{"empty file masks", map[string]string{"v:rpcd.d/a.conf": x, "a:rpcd.d/a.conf": "", "v:rpcd.d/b.conf": x}, "b@/usr/"},
		{"link to /dev/null masks, drop-ins too", map[string]string{"v:rpcd.d/a.conf": x, "a:rpcd.d/a.conf": "-> /dev/null", "a:rpcd.d/a.conf.d/x.conf": x}, ""},
		{"mask is overridden", map[string]string{"v:rpcd.d/a.conf": "", "a:rpcd.d/a.conf": x}, "a@/etc/"},
		{"drop-ins in order", map[string]string{"v:rpcd.d/a.conf": x, "a:rpcd.d/a.conf.d/2.conf": x, "v:rpcd.d/a.conf.d/3.conf": x, "r:rpcd.d/a.conf.d/1.conf": x},
			"a@/usr/+/run/:1.conf+/etc/:2.conf+/usr/:3.conf"},
		{"drop-in overridden and masked", map[string]string{"v:rpcd.d/a.conf": x, "v:rpcd.d/a.conf.d/1.conf": x, "a:rpcd.d/a.conf.d/1.conf": x, "v:rpcd.d/a.conf.d/2.conf": x, "r:rpcd.d/a.conf.d/2.conf": "-> /dev/null"},
			"a@/usr/+/etc/:1.conf"},
		{"drop-in alone", map[string]string{"a:rpcd.d/a.conf.d/1.conf": x, "a:rpcd.d/a.conf.d/2.conf": x}, "a@/etc/+/etc/:2.conf"},
		{"others are not looked at", map[string]string{"a:rpcd.d/a.conf~": x, "a:rpcd.d/.b.conf": x, "a:rpcd.d/README": x, "a:rpcd.d/c.d/1.conf": x}, ""},
		{"link to a file", map[string]string{"a:rpcd.d/a.conf": "-> b.txt", "a:rpcd.d/b.txt": x}, "a@/etc/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, tt.files)
			noProblems(t, c)
			check.Is(t, "names", tt.want, names(c))
		})
	}
}

func TestUnreadableFilesAreProblems(t *testing.T) {
	root := tree(t, map[string]string{
		"a:rpcd.d/dangling.conf":   "-> nowhere",
		"a:rpcd.d/huge.conf":       "[Rpcd]\n" + strings.Repeat("#\n", maxFile),
		"a:rpcd.d/dir.conf/x.conf": "[Rpcd]\nSpares=1\n",
		"a:rpcd.d/good.conf":       "[Rpcd]\nSpares=1\n",
	})
	check.OK(t, syscall.Mkfifo(filepath.Join(root, place("a:rpcd.d/fifo.conf")), 0o644))
	c, err := Load(root)
	check.OK(t, err)
	want := []Problem{
		{File: place("a:rpcd.d/dangling.conf"), What: "cannot be read: no such file or directory"},
		{File: place("a:rpcd.d/dir.conf"), What: "is not a regular file; it is ignored"},
		{File: place("a:rpcd.d/fifo.conf"), What: "is not a regular file; it is ignored"},
		{File: place("a:rpcd.d/huge.conf"), What: "is longer than 65536 bytes; it is ignored"},
	}
	check.Same(t, want, c.Problems)
	check.Is(t, "names", "good@/etc/", names(c))
}

func TestTooManyFiles(t *testing.T) {
	files := map[string]string{"v:rpcd.d/a.conf": "[Rpcd]\nSpares=1\n"}
	for i := range maxFiles + 1 {
		files["a:rpcd.d/"+strings.Repeat("x", i%200+1)+string(rune('a'+i/200))] = "x"
	}
	c := load(t, files)
	if len(c.Problems) != 1 || !strings.Contains(c.Problems[0].String(), "more than 512 files") {
		t.Errorf("got %v", c.Problems)
	}
	check.Is(t, "names", "a@/usr/", names(c))
}
