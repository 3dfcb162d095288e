// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/plan/plan"
	"msrpcd/pkg/plan/plan/plantest"
	"msrpcd/tests/tools/check"
)

const refreshLink = "msrpc.target.wants/msrpc-refresh.service"

func inputs(t testing.TB) Inputs {
	dir := t.TempDir()
	return Inputs{
		Catalogue: filepath.Join(dir, "catalogue.db"),
		LastGood:  filepath.Join(dir, "run", "units"),
		Config:    func() (*config.Config, error) { return plantest.Defaults(), nil },
	}
}

// generate runs the generator into a new directory and returns what it wrote.
func generate(t *testing.T, in Inputs) map[string]File {
	t.Helper()
	dir := t.TempDir()
	check.OK(t, Generate(dir, in))
	return tree(t, dir)
}

func store(t testing.TB, in Inputs, c *catalogue.Catalogue) {
	t.Helper()
	check.OK(t, catalogue.Write(in.Catalogue, c))
}

func TestWithoutACatalogueOnlyARefreshIsWanted(t *testing.T) {
	in := inputs(t)
	want := map[string]File{refreshLink: {Link: "/usr/lib/systemd/system/msrpc-refresh.service"}}
	check.Same(t, want, generate(t, in))
	if _, err := os.Stat(in.LastGood); err == nil {
		t.Error("this was kept as the last good set")
	}
}

func TestGenerateWritesThePlan(t *testing.T) {
	in := inputs(t)
	c := plantest.Host(t, "4.22")
	store(t, in, c)
	got := generate(t, in)
	check.Same(t, built(t, plan.New(c, plantest.Defaults())).files, got)
	last, err := readLastGood(in.LastGood)
	check.OK(t, err)
	if d := cmp.Diff(Texts(got), Texts(last)); d != "" {
		t.Errorf("the kept set differs (-want +got)\n%s", d)
	}
}

func TestABadInputLeavesTheLastGoodUnits(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, in *Inputs)
		text  string
	}{
		"catalogue gone": {func(t *testing.T, in *Inputs) { os.Remove(in.Catalogue) }, "there is no catalogue"},
		"catalogue cut": {func(t *testing.T, in *Inputs) {
			check.OK(t, os.Truncate(in.Catalogue, 5000))
		}, "its checksum is wrong"},
		"catalogue of garbage": {func(t *testing.T, in *Inputs) {
			check.OK(t, os.WriteFile(in.Catalogue, []byte("100%\n"), 0o644))
		}, "not a catalogue of this version"},
		"smb.conf unknown": {func(t *testing.T, in *Inputs) {
			store(t, *in, &catalogue.Catalogue{})
		}, "knows nothing of smb.conf"},
		"configuration": {func(t *testing.T, in *Inputs) {
			in.Config = func() (*config.Config, error) { return nil, errors.New("rpcd.d: input/output error") }
		}, "rpcd.d: input/output error"},
	} {
		in := inputs(t)
		store(t, in, plantest.Host(t, "4.22"))
		good := generate(t, in)
		c.spoil(t, &in)
		got := generate(t, in)
		problem := string(got[ProblemService].Data)
		if !strings.Contains(problem, c.text) {
			t.Errorf("%s: %s does not say %q:\n%s", name, ProblemService, c.text, problem)
		}
		for _, extra := range []string{ProblemService, "msrpc.target.wants/" + ProblemService, refreshLink} {
			if _, ok := got[extra]; !ok {
				t.Errorf("%s: no %s", name, extra)
			}
			delete(got, extra)
		}
		if d := cmp.Diff(good, got); d != "" {
			t.Errorf("%s: other units than the last good ones (-want +got)\n%s", name, d)
		}
		if last, err := readLastGood(in.LastGood); err != nil || cmp.Diff(Texts(good), Texts(last)) != "" {
			t.Errorf("%s: the last good set was changed: %v", name, err)
		}
	}
}

func TestABadCatalogueWithoutLastGoodUnits(t *testing.T) {
	in := inputs(t)
	check.OK(t, os.WriteFile(in.Catalogue, []byte("x"), 0o644))
	got := generate(t, in)
	if len(got) != 3 || !strings.Contains(string(got[ProblemService].Data), "there are no units until msrpcctl refresh succeeds") {
		t.Errorf("%v", got)
	}
}

func TestNoRoomToKeepUnitsIsNoError(t *testing.T) {
	in := inputs(t)
	store(t, in, plantest.Host(t, "4.22"))
	in.LastGood = filepath.Join(in.Catalogue, "below-a-file")
	if got := generate(t, in); len(got) < 50 {
		t.Errorf("%d files", len(got))
	}
}

func TestProblemsReachTheReport(t *testing.T) {
	cat := plantest.Host(t, "4.22")
	p := plan.New(cat, plantest.Defaults())
	for range 25 {
		p.Problems = append(p.Problems, config.Problem{What: "50 % of\na \"text\" with \\ and $x;"})
	}
	s := built(t, p)
	var environ []string
	for _, o := range s.builders[ProblemService].options {
		if o.Name == "Environment" {
			environ = append(environ, unquote(t, o.Value))
		}
	}
	texts := problemTexts(environ)
	if len(texts) != 21 || texts[0] != `50 % of a "text" with \ and $x;` || texts[20] != "and 5 more; see msrpcctl verify" {
		t.Errorf("%d texts: %q", len(texts), texts)
	}
	if err := Report(nil); err == nil {
		t.Error("a report of nothing succeeds")
	}
	if want := "MSRPC units: 50 %% of a \"text\" with \\ and $x; (and 24 more)"; s.builders[ProblemService].options[0].Value != want {
		t.Errorf("description %q, want %q", s.builders[ProblemService].options[0].Value, want)
	}
}

// unquote undoes quote, as systemd does.
func unquote(t *testing.T, s string) string {
	t.Helper()
	if strings.HasPrefix(s, `"`) {
		s = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s[1 : len(s)-1])
	}
	return strings.ReplaceAll(s, "%%", "%")
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{nil, {""}, {"-x"}, {"a", "b"}, {"a", "b", "c", "d"}} {
		if err := Main(args, nil); err == nil {
			t.Errorf("arguments %q are accepted", args)
		}
	}
	dir := t.TempDir()
	for _, environ := range []string{"SYSTEMD_IN_INITRD=1", "SYSTEMD_SCOPE=user"} {
		if err := Main([]string{dir, dir, dir}, []string{environ}); err != nil {
			t.Error(err)
		}
		if got := tree(t, dir); len(got) != 0 {
			t.Errorf("%s: wrote %v", environ, got)
		}
	}
}

// twenty is a host with 20 rpcds.
func twenty(t testing.TB) *catalogue.Catalogue {
	c := plantest.Host(t, "4.22")
	for i := len(c.Rpcds); i < 20; i++ {
		name := "rpcd_more" + string(rune('a'+i))
		plantest.Add(t, c, name, plantest.Lists(`ncacn_np:[\pipe\`+name+`]`, "ncacn_ip_tcp:", "ncalrpc:")).Port = 49300 + i
	}
	return c
}

// memory is a directory on a tmpfs, as the generator's always are.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "unitgen-")
	check.OK(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// PID 1 waits for the generator: 20 ms with 20 rpcds. The best of several runs
// counts, since the machine has other work.
func TestGenerateIsQuick(t *testing.T) {
	in := inputs(t)
	store(t, in, twenty(t))
	best := time.Hour
	for range 40 {
		dir := memory(t)
		start := time.Now()
		check.OK(t, Generate(dir, in))
		best = min(best, time.Since(start))
	}
	t.Logf("best of 40: %v", best)
	if best > budget {
		t.Errorf("it takes %v, want at most %v", best, budget)
	}
}

func BenchmarkGenerate(b *testing.B) {
	in := inputs(b)
	store(b, in, twenty(b))
	for b.Loop() {
		check.OK(b, Generate(memory(b), in))
	}
}
