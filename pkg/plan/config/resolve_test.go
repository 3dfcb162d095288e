// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
	"msrpcd/tests/tools/check"
)

// host is a file system of programs.
type host []string

func (h host) glob(pattern string) ([]string, error) {
	var out []string
	for _, p := range h {
		ok, err := filepath.Match(pattern, p)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, p)
		}
	}
	slices.Reverse(out) // Rpcds sorts
	return out, nil
}

func samba(names ...string) (h host) {
	for _, n := range names {
		h = append(h, "/usr/libexec/samba/"+n)
	}
	return h
}

const all = "[Rpcd]\nKind=samba\nExec=/usr/libexec/samba/rpcd_* /usr/libexec/samba/npsd_*\n"

var three = []layout.Transport{layout.NP, layout.TCP, layout.Ncalrpc}

func TestRpcds(t *testing.T) {
	h := samba("rpcd_winreg", "rpcd_classic", "rpcd_epmapper", "samba-dcerpcd", "npsd_echo")
	c := load(t, map[string]string{
		"v:rpcd.d/50-samba.conf":          all,
		"v:rpcd.d/epmapper.conf":          "[Rpcd]\nTransports=none\n",
		"a:rpcd.d/50-samba.conf.d/x.conf": "[Rpcd]\nIdleSec=2min\nSpares=8\n",
		"a:rpcd.d/winreg.conf":            "[Rpcd]\nWorkers=3\nSpares=\nPort=50001\nTransports=ncalrpc  tcp\nPrestart=yes\nFillFirst=16\n",
		"a:rpcd.d/zz.conf":                "[Rpcd]\nExec=/opt/echo/rpcd_rpcecho\nKind=native\nActivation=direct\n",
	})
	got, ps := c.Rpcds(h.glob)
	noProblems(t, c, ps...)
	rpcd := func(exec string, kind Kind, values func(*setting.Values)) Rpcd {
		r := Rpcd{Values: setting.Defaults(), Kind: kind, Activation: "broker", Source: place("v:rpcd.d/50-samba.conf")}
		r.Name, r.Exec, r.Idle, r.Spares = strings.TrimPrefix(filepath.Base(exec), "rpcd_"), exec, 2*time.Minute, 8
		values(&r.Values)
		return r
	}
	same := func(*setting.Values) {}
	want := []Rpcd{
		rpcd("/usr/libexec/samba/rpcd_classic", "samba", same),
		rpcd("/usr/libexec/samba/rpcd_epmapper", "samba", same),
		rpcd("/usr/libexec/samba/rpcd_winreg", "samba", func(v *setting.Values) { v.Spares, v.Workers, v.Port, v.FillFirst = 32, 3, 50001, 16 }),
		rpcd("/usr/libexec/samba/npsd_echo", "samba", same),
		rpcd("/opt/echo/rpcd_rpcecho", "native", func(v *setting.Values) { v.Spares, v.Idle = 32, 0 }),
	}
	want[1].Transports = []layout.Transport{}
	want[2].Transports, want[2].Prestart = []layout.Transport{layout.TCP, layout.Ncalrpc}, true
	want[4].Activation, want[4].Source = "direct", place("a:rpcd.d/zz.conf")
	check.Same(t, want, got)
	for _, w := range want {
		r, _, ok := c.Override(w.Name, w.Exec)
		if diff := cmp.Diff(w, r); diff != "" || !ok {
			t.Errorf("Override %s: %v (-want +got):\n%s", w.Name, ok, diff)
		}
	}
	if r, _, ok := c.Override("gone", "/usr/libexec/other/rpcd_gone"); ok {
		t.Errorf("Override of an rpcd that no file names: %+v", r)
	}
}

func TestANativeRpcdKnowsWhoseProgramItStandsInFor(t *testing.T) {
	h := samba("rpcd_epmapper", "rpcd_winreg", "rpcd_lsad")
	c := load(t, map[string]string{
		"v:rpcd.d/50-samba.conf": all,
		"v:rpcd.d/60-other.conf": "[Rpcd]\nKind=native\nExec=/opt/a/rpcd_epmapper /opt/a/rpcd_lsad\n",
		"v:rpcd.d/epmapper.conf": "[Rpcd]\nKind=native\nActivation=direct\nExec=/usr/libexec/msrpcd/rpcd_epmapper\n",
		"v:rpcd.d/own.conf":      "[Rpcd]\nKind=native\nExec=/opt/a/rpcd_own\n",
		"v:rpcd.d/winreg.conf":   "[Rpcd]\nExec=/opt/samba/rpcd_winreg\n", // another Samba's
	})
	want := map[string]string{
		"epmapper": "/usr/libexec/samba/rpcd_epmapper", "lsad": "/usr/libexec/samba/rpcd_lsad", "own": "", "winreg": "",
	}
	got := map[string]string{}
	rs, ps := c.Rpcds(h.glob)
	for _, r := range rs {
		got[r.Name] = r.Samba
	}
	noProblems(t, c, ps...)
	check.Same(t, want, got)
}

func order(rs []Rpcd) string {
	var out []string
	for _, r := range rs {
		out = append(out, fmt.Sprintf("%s=%s/%s", r.Name, filepath.Dir(r.Exec), r.Kind))
	}
	return strings.Join(out, " ")
}

func TestOrderAndProgram(t *testing.T) {
	h := append(samba("rpcd_a", "rpcd_b", "rpcd_c"), "/opt/x/rpcd_b", "/opt/y/rpcd_b")
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"by path", map[string]string{"v:rpcd.d/50-samba.conf": all},
			"a=/usr/libexec/samba/samba b=/usr/libexec/samba/samba c=/usr/libexec/samba/samba"},
		{"an earlier file gives the place", map[string]string{"v:rpcd.d/50-samba.conf": all, "a:rpcd.d/10-first.conf": "[Rpcd]\nExec=/usr/libexec/samba/rpcd_c\n"},
			"c=/usr/libexec/samba/samba a=/usr/libexec/samba/samba b=/usr/libexec/samba/samba"},
		{"by its own name too", map[string]string{"v:rpcd.d/samba.conf": all, "a:rpcd.d/b.conf": "[Rpcd]\nSpares=1\n"},
			"b=/usr/libexec/samba/samba a=/usr/libexec/samba/samba c=/usr/libexec/samba/samba"},
		{"a later file gives the program and its settings", map[string]string{"v:rpcd.d/50-samba.conf": all + "Spares=1\n", "v:rpcd.d/b.conf": "[Rpcd]\nExec=/opt/x/rpcd_b\nKind=native\n"},
			"a=/usr/libexec/samba/samba b=/opt/x/native c=/usr/libexec/samba/samba"},
		{"a later file without that program does not", map[string]string{"v:rpcd.d/50-samba.conf": all, "v:rpcd.d/z.conf": "[Rpcd]\nExec=/opt/z/rpcd_*\nKind=native\n"},
			"a=/usr/libexec/samba/samba b=/usr/libexec/samba/samba c=/usr/libexec/samba/samba"},
		{"in one file the first", map[string]string{"v:rpcd.d/x.conf": "[Rpcd]\nExec=/opt/y/rpcd_* /opt/x/rpcd_*\n"}, "b=/opt/y/samba"},
		{"Exec= forgets", map[string]string{"v:rpcd.d/x.conf": all, "a:rpcd.d/x.conf.d/1.conf": "[Rpcd]\nExec=\nExec=/opt/x/rpcd_*\n"}, "b=/opt/x/samba"},
		{"a plain path need not exist", map[string]string{"v:rpcd.d/x.conf": "[Rpcd]\nExec=/opt/none/rpcd_q\n"}, "q=/opt/none/samba"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, tt.files)
			rs, ps := c.Rpcds(h.glob)
			if got := order(rs); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			noProblems(t, c, ps...)
		})
	}
}

func TestResolutionProblems(t *testing.T) {
	h := append(samba("rpcd_a", "rpcd_B", "rpcd_a.dpkg-new", "rpcd_a;5f3a", "rpcd_a~", "rpcd_a b", "rpcd_", "rpcd_"+strings.Repeat("x", 33)), "/usr/libexec/samba/rpcd_n%i")
	c := load(t, map[string]string{
		"v:rpcd.d/50-samba.conf": all,
		"v:rpcd.d/epmapper.conf": "[Rpcd]\nTransports=none\n", // a vendor's file about a program that is not installed
		"a:rpcd.d/60-x.conf":     "[Rpcd]\nWorkers=1\n",
		"a:rpcd.d/wnreg.conf":    "[Rpcd]\nWorkers=1\n",
		"a:rpcd.d/a.conf":        "[Rpcd]\nActivation=direct\n",
		"a:rpcd.d/nat.conf":      "[Rpcd]\nExec=/opt/rpcd_nat\nKind=native\nActivation=direct\nWorkers=5\n",
	})
	rs, ps := c.Rpcds(h.glob)
	again, _ := c.Rpcds(h.glob)
	check.Same(t, rs, again)
	if got, want := order(rs), "a=/usr/libexec/samba/samba nat=/opt/native"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if rs[0].Activation != ActivationBroker || rs[1].Activation != ActivationDirect || rs[1].Workers != 1 {
		t.Errorf("got %+v", rs)
	}
	v := place("v:rpcd.d/50-samba.conf")
	unusable := func(b string) string {
		return fmt.Sprintf(`program "/usr/libexec/samba/%s" has no usable name: 1 to 32 of a-z, 0-9, _ have to follow rpcd_; it is ignored`, b)
	}
	want := []Problem{
		{File: v, What: unusable("rpcd_")},
		{File: v, What: unusable("rpcd_B")},
		{File: v, What: unusable("rpcd_a b")},
		{File: v, What: unusable("rpcd_n%i")},
		{File: v, What: unusable("rpcd_" + strings.Repeat("x", 33))},
		{File: place("a:rpcd.d/60-x.conf"), What: `"60-x" is not the NAME of an rpcd (1 to 32 of a-z, 0-9, _) and there is no Exec=; rename the file to NAME.conf or add Exec=`},
		{File: v, What: "rpcd a: Activation=direct needs Kind=native; a broker is used"},
		{File: place("a:rpcd.d/nat.conf"), What: "rpcd nat: Activation=direct has one worker, Workers=5 has no effect"},
		{File: place("a:rpcd.d/wnreg.conf"), What: "there is no rpcd wnreg: no Exec= of any file finds a program of this name"},
	}
	check.Same(t, want, ps)
}

func TestGlobFailsAndTooManyRpcds(t *testing.T) {
	c := load(t, map[string]string{"v:rpcd.d/50-samba.conf": "[Rpcd]\nExec=/a/rpcd_*\n"})
	rs, ps := c.Rpcds(func(string) ([]string, error) { return nil, errors.New("broken") })
	if len(rs) != 0 {
		t.Errorf("got %v", rs)
	}
	var h host
	for i := range MaxRpcds + 2 {
		h = append(h, fmt.Sprintf("/a/rpcd_x%04d", i))
	}
	rs, more := c.Rpcds(h.glob)
	check.Is(t, "rpcds", MaxRpcds, len(rs))
	ps = append(ps, more...)
	want := []Problem{
		{File: place("v:rpcd.d/50-samba.conf"), What: "Exec=/a/rpcd_*: broken"},
		{File: place("a:rpcd.d"), What: "more than 256 rpcds; x0256 and what follows is ignored"},
	}
	check.Same(t, want, ps)
}

// The files that are installed are free of problems, find Samba where
// distributions have it, and put the native endpoint mapper in the place of
// Samba's.
func TestVendorFiles(t *testing.T) {
	const libexec = "/usr/libexec/msrpcd"
	files := map[string]string{}
	paths, err := filepath.Glob("../../../units/rpcd.d/*.conf*")
	if err != nil || len(paths) < 2 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		b := check.File(t, p)
		name := strings.TrimSuffix(filepath.Base(p), ".in") // meson's template
		files["v:rpcd.d/"+name] = strings.ReplaceAll(string(b), "@libexecdir@", libexec)
	}
	for _, dir := range []string{
		"/usr/libexec/samba", "/usr/lib/samba", "/usr/lib64/samba", "/usr/lib/samba/samba",
		"/usr/lib/x86_64-linux-gnu/samba", "/usr/lib/aarch64-linux-gnu/samba", "/usr/lib/arm-linux-gnueabihf/samba",
	} {
		c := load(t, files)
		h := host{dir + "/rpcd_winreg", dir + "/rpcd_epmapper", dir + "/npsd_x", dir + "/samba-dcerpcd", dir + "/smbtorture", libexec + "/rpcd_epmapper"}
		rs, ps := c.Rpcds(h.glob)
		rs = slices.DeleteFunc(rs, func(r Rpcd) bool { return r.Name == "rpcecho" })
		noProblems(t, c, ps...)
		want := fmt.Sprintf("epmapper=%[2]s/native winreg=%[1]s/samba npsd_x=%[1]s/samba", dir, libexec)
		if got := order(rs); got != want {
			t.Errorf("got %s, want %s", got, want)
			continue
		}
		if m := rs[0]; m.Activation != ActivationDirect || m.Samba != dir+"/rpcd_epmapper" || m.Transports != nil {
			t.Errorf("%+v", m)
		}
	}
}
