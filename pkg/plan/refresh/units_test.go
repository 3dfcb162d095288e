// SPDX-License-Identifier: Apache-2.0

package refresh

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/plan/unitgen"
	"msrpcd/tests/tools/check"
)

func TestOwnerOf(t *testing.T) {
	for path, want := range map[string]owner{
		"msrpc-np-winreg.socket":                                           {"winreg", partListener},
		"msrpc-tcp-npsd_tsvc.socket":                                       {"npsd_tsvc", partListener},
		"msrpc-ncalrpc-lsad.socket":                                        {"lsad", partListener},
		"msrpc-np-winreg.socket.d/10-x.conf":                               {"winreg", partBroker},
		"msrpc-worker-winreg@.socket":                                      {"winreg", partWorker},
		"msrpc-worker-winreg@.service":                                     {"winreg", partWorker},
		"msrpc-worker-winreg@5.service.wants/msrpc-worker-winreg@7.socket": {"winreg", partWorker},
		"msrpc-broker@winreg.service.d/10-listeners.conf":                  {"winreg", partBroker},
		"msrpc-worker-echo@0.service.d/10-listeners.conf":                  {"echo", partWorker},
		"msrpc.target.wants/msrpc-worker-echo@0.service":                   {"echo", partOther},
		"msrpc-winreg.slice":                                               {"winreg", partOther},
		"msrpc.target.wants/msrpc-np-winreg.socket":                        {"winreg", partOther},
		"sockets.target.wants/msrpc-broker@winreg.service":                 {"winreg", partOther},
		"multi-user.target.wants/msrpc-refresh.service":                    {},
		"msrpc.target.wants/msrpc-problem-1.service":                       {},
		"msrpc-problem-1.service":                                          {},
		"msrpc-np-Winreg.socket":                                           {},
		"msrpc-np-.socket.d/10-x.conf":                                     {},
		"msrpc.slice":                                                      {},
		"other.socket":                                                     {},
	} {
		check.Is(t, path, want, ownerOf(path))
	}
}

func TestCompare(t *testing.T) {
	rpcd := func(name string) map[string]string {
		return map[string]string{
			"msrpc-np-" + name + ".socket":                          "np",
			"msrpc-tcp-" + name + ".socket":                         "tcp",
			"msrpc-worker-" + name + "@.service":                    "worker",
			"msrpc-worker-" + name + "@.socket":                     "inbox",
			"msrpc-broker@" + name + ".service.d/10-listeners.conf": "broker",
			"msrpc-" + name + ".slice":                              "slice",
			"msrpc.target.wants/msrpc-np-" + name + ".socket":       "-> " + "../msrpc-np-" + name + ".socket",
		}
	}
	both := func(edit func(map[string]string)) map[string]string {
		m := rpcd("winreg")
		for k, v := range rpcd("lsad") {
			m[k] = v
		}
		if edit != nil {
			edit(m)
		}
		return m
	}
	for _, tc := range []struct {
		name     string
		old, new map[string]string
		files    int
		want     changes
	}{
		{name: "same", old: both(nil), new: both(nil)},
		{name: "first", old: nil, new: rpcd("winreg"), files: 7, want: changes{rpcds: []change{{name: "winreg", service: true, worker: true}}}},
		{name: "removed", old: both(nil), new: rpcd("winreg"), files: 7, want: changes{removed: []string{"lsad"}}},
		{name: "worker only", old: both(nil), new: both(func(m map[string]string) { m["msrpc-worker-lsad@.service"] = "other" }), files: 1,
			want: changes{rpcds: []change{{name: "lsad", worker: true}}}},
		{name: "broker", old: both(nil), new: both(func(m map[string]string) { m["msrpc-broker@lsad.service.d/10-listeners.conf"] = "other" }),
			files: 1, want: changes{rpcds: []change{{name: "lsad", service: true}}}},
		{name: "listener gone and changed", old: both(nil), new: both(func(m map[string]string) {
			delete(m, "msrpc-tcp-lsad.socket")
			m["msrpc-np-lsad.socket"] = "other"
		}), files: 2, want: changes{rpcds: []change{{name: "lsad", service: true, gone: []string{"msrpc-tcp-lsad.socket"}, changed: []string{"msrpc-np-lsad.socket"}}}}},
		{name: "listener new", old: both(func(m map[string]string) { delete(m, "msrpc-tcp-lsad.socket") }), new: both(nil),
			files: 1, want: changes{rpcds: []change{{name: "lsad", service: true}}}},
		{name: "no broker any more", old: both(nil), new: both(func(m map[string]string) {
			delete(m, "msrpc-broker@lsad.service.d/10-listeners.conf")
			delete(m, "msrpc-worker-lsad@.socket")
			m["msrpc-worker-lsad@0.service.d/10-listeners.conf"] = "direct"
		}), files: 3, want: changes{rpcds: []change{{name: "lsad", switched: true, service: true, worker: true}}}},
		{name: "no catalogue before", old: map[string]string{"multi-user.target.wants/msrpc-refresh.service": "->"}, new: nil, files: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := compare(tc.old, tc.new)
			if len(got.files) != tc.files {
				t.Errorf("files %q", got.files)
			}
			got.files = nil
			check.Same(t, tc.want, got, cmp.AllowUnexported(changes{}, change{}))
		})
	}
}

func TestReadUnits(t *testing.T) {
	dir := t.TempDir()
	for path, content := range map[string]string{
		"msrpc-np-winreg.socket":                          "unit",
		"msrpc-broker@winreg.service.d/10-listeners.conf": "drop-in",
		"other.service":                                   "not ours",
		"other.target.wants/x.service":                    "not ours",
	} {
		path = filepath.Join(dir, path)
		check.OK(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check.OK(t, os.WriteFile(path, []byte(content), 0o644))
	}
	check.OK(t, os.Symlink("../msrpc-np-winreg.socket", filepath.Join(dir, "other.target.wants/msrpc-np-winreg.socket")))
	got, err := unitgen.ReadUnits(dir)
	check.OK(t, err)
	want := map[string]string{
		"msrpc-np-winreg.socket":                          "unit",
		"msrpc-broker@winreg.service.d/10-listeners.conf": "drop-in",
		"other.target.wants/msrpc-np-winreg.socket":       "-> ../msrpc-np-winreg.socket",
	}
	check.Same(t, want, got)
	if got, err := unitgen.ReadUnits(filepath.Join(dir, "gone")); err != nil || len(got) != 0 {
		t.Errorf("no generator directory: %v, %v", got, err)
	}
}
