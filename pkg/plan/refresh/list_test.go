// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/wire/listing"
	"msrpcd/tests/tools/check"
)

const goodListing = `5
60
338cd001-2244-31f1-aaaa-900038001003/0x00000001 winreg
 ncacn_np:[\pipe\winreg]
 ncacn_ip_tcp:
`

// rpcds writes programs and returns them as configuration does.
func rpcds(t *testing.T, programs ...string) []config.Rpcd {
	t.Helper()
	dir := t.TempDir()
	var list []config.Rpcd
	for i := 0; i < len(programs); i += 2 {
		path := filepath.Join(dir, "rpcd_"+programs[i])
		if programs[i+1] != "" {
			check.OK(t, os.WriteFile(path, []byte(programs[i+1]), 0o755))
		}
		list = append(list, config.Rpcd{Values: setting.Values{Name: programs[i], Exec: path}, Kind: config.KindSamba})
	}
	return list
}

// listFailures are what is said of each program of TestListAll, the beginning of it; "" for a good one.
var listFailures = map[string]string{
	"good": "", "stderr": "", "nothing": "", "config": "",
	"empty":     "--list-interfaces: ",
	"truncated": "--list-interfaces: line 3: ",
	"endless":   "--list-interfaces: its output is too long: more than 262144 bytes",
	"binary":    "--list-interfaces: line ",
	"exits":     "--list-interfaces: exit status 3: no database",
	"dotdot":    "--list-interfaces: line 4: ",
	"percent":   "--list-interfaces: line 3: ",
}

func TestListAll(t *testing.T) {
	good, err := listing.Parse([]byte(goodListing))
	check.OK(t, err)
	prints := func(text string) string { return "#!/bin/sh\ncat <<'END'\n" + text + "END\n" }
	list := rpcds(t,
		"good", prints(goodListing),
		"gone", "",
		"empty", "#!/bin/sh\n",
		"truncated", prints("5\n60\n338cd001-2244-31f1-aaaa\n"),
		"endless", "#!/bin/sh\nexec yes 5\n",
		"binary", "#!/bin/sh\nhead -c 4096 /bin/sh\n",
		"exits", "#!/bin/sh\necho no database >&2\nexit 3\n",
		"dotdot", prints(strings.Replace(goodListing, `\pipe\winreg`, `\pipe\..`, 1)),
		"percent", prints(strings.Replace(goodListing, " winreg\n", " win%reg\n", 1)),
		"nothing", prints("5\n60\n"),
		"stderr", "#!/bin/sh\necho noise >&2\n"+strings.TrimPrefix(prints(goodListing), "#!/bin/sh\n"),
		"config", "#!/bin/sh\n[ \"$*\" = '--list-interfaces --configfile=/etc/samba/my smb.conf' ] || exit 9\n"+strings.TrimPrefix(prints(goodListing), "#!/bin/sh\n"),
	)
	samba := &config.Samba{ConfigFile: "/etc/samba/my smb.conf", Version: "4.17.12"}
	old := &catalogue.Catalogue{Rpcds: []catalogue.Entry{{Name: "exits", Listing: *good, Port: 50000}}}
	got := map[string]catalogue.Entry{}
	for _, e := range listAll(context.Background(), list, samba, old, false) {
		got[e.Name] = e
	}
	for name, failure := range listFailures {
		e, ok := got[name]
		if !ok {
			t.Errorf("%s has no entry", name)
			continue
		}
		if failure == "" && e.Failure != "" || !strings.HasPrefix(e.Failure, failure) || strings.ContainsAny(e.Failure, "\n\x00") {
			t.Errorf("%s: %q", name, e.Failure)
		}
		if e.SambaVersion != "4.17.12" || e.Binary.Size == 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if _, ok := got["gone"]; ok {
		t.Error("a program that is gone has an entry")
	}
	check.Same(t, *good, got["good"].Listing)
	if d := cmp.Diff(*good, got["exits"].Listing); d != "" || got["exits"].Port != 50000 {
		t.Errorf("the last good listing is not kept: %s", d)
	}
	if got["nothing"].Listing.Workers != 5 || len(got["nothing"].Listing.Interfaces) != 0 {
		t.Errorf("an rpcd that serves nothing: %+v", got["nothing"])
	}
}

// The program of Samba that a native rpcd stands in for is asked too.
func TestTwinIsListed(t *testing.T) {
	good, err := listing.Parse([]byte(goodListing))
	check.OK(t, err)
	asked := "#!/bin/sh\n[ \"$*\" = '--list-interfaces --configfile=/etc/samba/smb.conf' ] || exit 9\n"
	programs := rpcds(t,
		"native", "#!/bin/sh\n[ \"$*\" = --list-interfaces ] || exit 9\ncat <<'END'\n"+goodListing+"END\n",
		"serves", asked+"cat <<'END'\n"+goodListing+"END\n",
		"nothing", asked+"printf '1\\n10\\n'\n",
		"fails", "#!/bin/sh\nexit 3\n",
		"gone", "")
	samba := &config.Samba{ConfigFile: "/etc/samba/smb.conf", Version: "4.17.12"}
	nothing := listing.Listing{Workers: 1, IdleSec: 10}
	for _, c := range []struct {
		name  string
		samba int // of programs
		old   *catalogue.Twin
		want  *catalogue.Twin
	}{
		{"serves", 1, nil, &catalogue.Twin{Listing: *good}},
		{"serves nothing", 2, &catalogue.Twin{Listing: *good}, &catalogue.Twin{Listing: nothing}},
		{"fails", 3, nil, &catalogue.Twin{Failure: "--list-interfaces: exit status 3"}},
		{"fails, was listed", 3, &catalogue.Twin{Listing: nothing}, &catalogue.Twin{Listing: nothing, Failure: "--list-interfaces: exit status 3"}},
		{"gone", 4, &catalogue.Twin{Listing: nothing}, nil},
	} {
		r := programs[0]
		r.Kind, r.Samba = config.KindNative, programs[c.samba].Exec
		old := &catalogue.Catalogue{Rpcds: []catalogue.Entry{{Name: "native", SambaTwin: c.old}}}
		if c.old != nil {
			c.old.Exec = r.Samba
		}
		if c.want != nil {
			c.want.Exec = r.Samba
		}
		got := listAll(context.Background(), []config.Rpcd{r}, samba, old, false)
		if len(got) != 1 || got[0].Failure != "" || got[0].SambaVersion != "" {
			t.Fatalf("%s: %+v", c.name, got)
		}
		check.SameIn(t, c.name, c.want, got[0].SambaTwin)
	}
}

func TestIdentify(t *testing.T) {
	list := rpcds(t, "a", "#!/bin/sh\n")
	path := list[0].Exec
	first, err := catalogue.Identify(path)
	check.OK(t, err)
	if again, _ := catalogue.Identify(path); again != first {
		t.Error("the same program differs")
	}
	check.OK(t, os.WriteFile(path+".new", []byte("#!/bin/bash\n"), 0o755))
	check.OK(t, os.Rename(path+".new", path))
	if other, _ := catalogue.Identify(path); other == first {
		t.Error("another program is the same")
	}
	check.OK(t, os.Chmod(path, 0o644))
	if _, err := catalogue.Identify(path); err == nil || !strings.HasSuffix(err.Error(), "is not an executable file") {
		t.Errorf("not executable: %v", err)
	}
}
