// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/conn/setting"
	"msrpcd/tests/tools/check"
)

func TestSyntax(t *testing.T) {
	const text = "\xef\xbb\xbf# comment \\\n" + // a comment is not continued
		"; another\n" +
		"\n" +
		"[Rpcd]\r\n" +
		"  Exec = /a \\\n" +
		"# inside a continued line\n" +
		"  /b\n" +
		"Kind=samba\r\n" +
		"Spares=\n" +
		"Name=a=b # no comment\n" +
		"[X-Mine]\n" +
		"[Rpcd]\n" +
		"Odd=a\\\\\n" +
		"Last=\\"
	as, ps := parse("f", "Rpcd", []byte(text))
	want := []assignment{
		{"Rpcd", "Exec", "/a    /b", 5},
		{"Rpcd", "Kind", "samba", 8},
		{"Rpcd", "Spares", "", 9},
		{"Rpcd", "Name", "a=b # no comment", 10},
		{"Rpcd", "Last", "", 14},
	}
	check.Same(t, want, as)
	check.Same(t, []Problem{{File: "f", Line: 13, What: "Odd= ends in a backslash; the line is ignored"}}, ps)
}

func TestBadLinesAreProblemsAndTheRestHolds(t *testing.T) {
	text := "Exec=/early\n" +
		"[Rpcd]\n" +
		"no assignment\n" +
		"=x\n" +
		"Exec=/a\x00b\n" +
		"Exec=\xff\n" +
		"Exec=/" + strings.Repeat("x", maxLine) + "\n" +
		"Spares=1\n" +
		"[Rpcd\n" +
		"Spares=2\n" +
		"[Rpcd]\n" +
		"Workers=3\n" +
		"Idle\\\n"
	as, ps := parse("f", "Rpcd", []byte(text))
	check.Same(t, []assignment{{"Rpcd", "Spares", "1", 8}, {"Rpcd", "Workers", "3", 12}}, as)
	want := []Problem{
		{File: "f", Line: 1, What: `"Exec=/early" stands before any section; put a line like [Rpcd] in front`},
		{File: "f", Line: 3, What: `"no assignment" has no '='; it is ignored`},
		{File: "f", Line: 4, What: `"=x" has no name before '='; it is ignored`},
		{File: "f", Line: 5, What: "the line has bytes that are not text; it is ignored"},
		{File: "f", Line: 6, What: "the line has bytes that are not text; it is ignored"},
		{File: "f", Line: 7, What: "the line is longer than 2000 bytes; it is ignored"},
		{File: "f", Line: 9, What: `"[Rpcd" is not a section header, which is [Name]; what follows it is ignored`},
		{File: "f", Line: 13, What: `"Idle" has no '='; it is ignored`},
	}
	check.Same(t, want, ps)
}

func TestSettingProblems(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"Workes=5", "unknown setting Workes= is ignored; there are " + strings.Join(slices.Sorted(maps.Keys(entries(t, "msrpcd-rpcd.d.5"))), "=, ") + "="},
		{"transports=np", "unknown setting transports= is ignored; did you mean Transports= ?"},
		{"Transport=np", "unknown setting Transport= is ignored; did you mean Transports= ?"},
		{"Port=65536", "Port=65536 is ignored: it has to be a number from 0 to 65535 (0 is a port allocated by msrpcctl refresh)"},
		{"Port=-1", "Port=-1 is ignored: it has to be a number from 0 to 65535 (0 is a port allocated by msrpcctl refresh)"},
		{"Port=epmap", "Port=epmap is ignored: it has to be a number from 0 to 65535 (0 is a port allocated by msrpcctl refresh)"},
		{"Transports=np udp", `Transports=np udp is ignored: "udp" is not a transport; there are np, tcp and ncalrpc, or none alone`},
		{"Transports=np none", `Transports=np none is ignored: "none" is not a transport; there are np, tcp and ncalrpc, or none alone`},
		{"Kind=Samba", "Kind=Samba is ignored: it has to be samba or native"},
		{"Activation=inetd", "Activation=inetd is ignored: it has to be broker or direct"},
		{"Workers=2049", "Workers=2049 is ignored: it has to be a number from 0 to 2048 (0 is what the program lists)"},
		{"Spares=99999999999999999999", "Spares=99999999999999999999 is ignored: it has to be a number from 0 to 2048"},
		{"IdleSec=never", "IdleSec=never is ignored: it has to be whole seconds from 0 to 604800, or a time span such as 1min 30s"},
		{"IdleSec=8d", "IdleSec=8d is ignored: it has to be whole seconds from 0 to 604800, or a time span such as 1min 30s"},
		{"Prestart=maybe", "Prestart=maybe is ignored: it has to be yes or no"},
		{"FillFirst=-1", "FillFirst=-1 is ignored: it has to be a number from 0 to 1048576 (0 spreads connections)"},
		{"Exec=rpcd_x", `Exec=rpcd_x is ignored: "rpcd_x" is not an absolute path in its shortest form`},
		{"Exec=/a/../b", `Exec=/a/../b is ignored: "/a/../b" is not an absolute path in its shortest form`},
		{"Exec=/a/%i", `Exec=/a/%i is ignored: "%" cannot stand in a path, since it has a meaning in unit files`},
		{"Exec=/a/[x", `Exec=/a/[x is ignored: "/a/[x" is not a valid glob, see glob(7)`},
	} {
		c := load(t, map[string]string{"a:rpcd.d/x.conf": "[Rpcd]\nSpares=3\n\n" + tt.line + "\nWorkers=4\n"})
		if diff := cmp.Diff([]Problem{{File: place("a:rpcd.d/x.conf"), Line: 4, What: tt.want}}, c.Problems); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.line, diff)
			continue
		}
		f := c.Files[0]
		if !slices.Equal(f.Changes, []Change{{"Spares", "3"}, {"Workers", "4"}}) || f.Exec != nil {
			t.Errorf("%s: the rest does not hold: %+v", tt.line, f)
		}
	}
}

func TestGlobalProblems(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"SambaConfig=smb.conf", "SambaConfig=smb.conf is ignored: it has to be an absolute path"},
		{"SambaConfig=/a b", "SambaConfig=/a b is ignored: it has to be one path without blanks and wildcards"},
		{"Testparm=../testparm", "Testparm=../testparm is ignored: it has to be an absolute path"},
		{"Testparm=a b", "Testparm=a b is ignored: it has to be an absolute path or a name to look up in PATH"},
		{"MaxUnbound=0", "MaxUnbound=0 is ignored: it has to be a number from 1 to 1048576"},
		{"BindTimeoutSec=0", "BindTimeoutSec=0 is ignored: it has to be whole seconds from 1 to 3600, or a time span such as 1min 30s"},
		{"MaxNPASize=2M", "MaxNPASize=2M is ignored: it has to be bytes from 4096 to 1048576, suffixes K and M are known"},
		{"Exec=/x", "unknown setting Exec= is ignored; there are " + strings.Join(slices.Sorted(maps.Keys(entries(t, "msrpcd.conf.5"))), "=, ") + "="},
		{"[Rpcd]", "unknown section [Rpcd] is ignored; settings of this file stand in [Msrpcd]"},
	} {
		c := load(t, map[string]string{"a:msrpcd.conf": "[Msrpcd]\n" + tt.line + "\nX-Mine=1\n"})
		line := 2
		if tt.line == "[Rpcd]" {
			c = load(t, map[string]string{"a:msrpcd.conf": "[Rpcd]\nExec=/x\nKind=y\n[X-Mine]\na=b\n"})
		}
		check.SameIn(t, tt.line, []Problem{{File: place("a:msrpcd.conf"), Line: line, What: tt.want}}, c.Problems)
		check.SameIn(t, tt.line, DefaultGlobal(), c.Global)
	}
}

func TestProblemString(t *testing.T) {
	for want, p := range map[string]Problem{"/f:3: x": {File: "/f", Line: 3, What: "x"}, "/f: x": {File: "/f", What: "x"}} {
		if p.String() != want {
			t.Errorf("got %s, want %s", p, want)
		}
	}
}

// scan and go-systemd/unit have to agree on every text.
func FuzzSyntax(f *testing.F) {
	for _, path := range []string{"../../../units/rpcd.d/50-samba.conf", "../../../units/rpcd.d/epmapper.conf.in"} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("[A]\nb=c\\\n# x\nd\n[\n]=\n"))
	f.Add([]byte("[A]\n\u00a0b\u00a0=\u2028c\\ \n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxFile {
			return
		}
		lines := strings.Count(string(text), "\n") + 1
		as, ps := parse("f", "Rpcd", text)
		for _, p := range ps {
			if p.Line < 1 || p.Line > lines || strings.ContainsAny(p.What, "\n\x00") || len(p.What) > 1000 {
				t.Fatalf("problem %q", fmt.Sprint(p))
			}
		}
		last := 0
		for _, a := range as {
			if a.Line <= last || a.Line > lines || strings.ContainsAny(a.Value+a.Key, "\n\r\x00") {
				t.Fatalf("assignment %+v after line %d", a, last)
			}
			last = a.Line
		}
		var r RpcdFile
		assign("f", setting.Rpcd, as, &r)
		c := Config{Global: DefaultGlobal(), Files: []RpcdFile{r}}
		c.Override(r.Name, "")
		for _, p := range r.Exec {
			if p[0] != '/' || strings.ContainsAny(p, "% \n") {
				t.Fatalf("path %q", p)
			}
		}
	})
}
