// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"bytes"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/plan/plantest"
	"msrpcd/pkg/wire/listing"
	"msrpcd/tests/vectors"
)

func TestExec(t *testing.T) {
	b := newBuilder()
	b.in("Service")
	b.exec("ExecStart", "/a b/x", "--n", `$X "q" %i`, specifier("%i"), specifier("${Y}"), "")
	if b.err != nil {
		t.Fatal(b.err)
	}
	if got, want := b.options[0].Value, `"/a b/x" --n "$$X \"q\" %%i" %i ${Y} ""`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, program := range []string{"x", "/a$b", "/a\nb", `/a\b`} {
		b := newBuilder()
		b.exec("ExecStart", program)
		if b.err == nil {
			t.Errorf("program %q is accepted", program)
		}
	}
}

// parsesAsBuilt checks that every file means to a parser what was meant.
func parsesAsBuilt(t *testing.T, s *set) {
	t.Helper()
	for path, b := range s.builders {
		data := s.files[path].Data
		// go-systemd refuses lines of 2 KiB, systemd those of 1 MiB.
		if longest(data) >= unit.SYSTEMD_LINE_MAX {
			if longest(data) >= 1<<20 {
				t.Errorf("%s: a line of %d bytes", path, longest(data))
			}
			continue
		}
		got, err := unit.DeserializeOptions(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v\n%s", path, err, data)
			continue
		}
		if d := cmp.Diff(b.options, got); d != "" {
			t.Errorf("%s is read differently (-meant +read):\n%s", path, d)
		}
		if !bytes.HasPrefix(data, []byte(banner)) {
			t.Errorf("%s has no banner", path)
		}
	}
}

func longest(data []byte) int {
	n := 0
	for _, l := range bytes.Split(data, []byte("\n")) {
		n = max(n, len(l))
	}
	return n
}

func TestUnitsParse(t *testing.T) {
	for _, version := range []string{"4.17", "4.22"} {
		cat := plantest.Host(t, version)
		cat.Rpcds[0].Exec = `/usr/lib/samba/rpcd_classic` // of another directory
		cfg := plantest.Defaults()
		cfg.Files[0].Set("Prestart", "yes")
		p := plan.New(cat, cfg)
		p.Problems = []config.Problem{{What: "a \\pipe\\x\nListenStream=/evil"}, {What: "100 %\\"}, {What: strings.Repeat("long ", 1000)}}
		parsesAsBuilt(t, built(t, p))
	}
}

func FuzzFiles(f *testing.F) {
	for _, text := range vectors.Match(f, "listings/*/*.txt") {
		f.Add(string(text), "/usr/libexec/samba/rpcd_x", "/run/samba/ncalrpc", "HOST", 49152, "why")
	}
	f.Add("1\n10\n\\pipe\\a~{}+-._ 2 1535 4096\n", "/a b/%n $x/rpcd_spoolss", "/run/%t", `A"B\`, 1, "a\nb%")
	f.Fuzz(func(t *testing.T, text, program, dir, name string, port int, problem string) {
		l, err := listing.Parse([]byte(text))
		if err != nil {
			return
		}
		cat := &catalogue.Catalogue{Samba: plantest.Samba("4.22.0"), MessagingDir: dir}
		cat.Samba.NcalrpcDir, cat.Samba.NPDir, cat.Samba.NetbiosName = dir, dir+"/np", name
		cat.Rpcds = []catalogue.Entry{{Name: "x", Exec: program, Kind: "samba", Listing: *l, Port: port}}
		if cat.Validate() != nil {
			return
		}
		cfg := plantest.Defaults()
		cfg.Files[0].Exec = []string{program}
		p := plan.New(cat, cfg)
		p.Problems = append(p.Problems, config.Problem{What: problem})
		s := built(t, p)
		parsesAsBuilt(t, s)
		for path, file := range s.files {
			if err := checkFile(path, file); err != nil {
				t.Error(err)
			}
		}
	})
}
