// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTally(t *testing.T) {
	for _, tc := range []struct {
		name   string
		events string
		want   counts
		shown  []string
	}{
		{name: "nothing"},
		{
			name: "subtests count, their parent does not",
			events: `{"Action":"run","Package":"p","Test":"T"}
{"Action":"run","Package":"p","Test":"T/a"}
{"Action":"run","Package":"p","Test":"T/b"}
{"Action":"pass","Package":"p","Test":"T/a"}
{"Action":"skip","Package":"p","Test":"T/b"}
{"Action":"pass","Package":"p","Test":"T"}
{"Action":"pass","Package":"p","Elapsed":1.25}
`,
			want: counts{passed: 1, skipped: 1}, shown: []string{"SKIP p T/b", "ok   p 1.2s"},
		},
		{
			name: "a failure is shown with its output and counted once",
			events: `{"Action":"run","Package":"p","Test":"T"}
{"Action":"run","Package":"p","Test":"T/a"}
{"Action":"output","Package":"p","Test":"T/a","Output":"it broke\n"}
{"Action":"fail","Package":"p","Test":"T/a"}
{"Action":"fail","Package":"p","Test":"T"}
{"Action":"fail","Package":"p"}
`,
			want: counts{failed: 1}, shown: []string{"FAIL p T/a\nit broke\n"},
		},
		{
			name: "a parent that fails by itself counts",
			events: `{"Action":"run","Package":"p","Test":"T"}
{"Action":"run","Package":"p","Test":"T/a"}
{"Action":"pass","Package":"p","Test":"T/a"}
{"Action":"fail","Package":"p","Test":"T"}
{"Action":"fail","Package":"p"}
`,
			want: counts{passed: 1, failed: 1},
		},
		{
			name: "a package that does not build is a failure",
			events: `{"ImportPath":"p","Action":"build-output","Output":"p/x.go:1: syntax error\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p"}
`,
			want: counts{failed: 1}, shown: []string{"syntax error", "[build failed]"},
		},
		{
			name: "the slowest are named, the first first",
			events: `{"Action":"pass","Package":"p","Test":"A","Elapsed":6.5}
{"Action":"pass","Package":"p","Test":"B","Elapsed":0.5}
{"Action":"pass","Package":"p","Test":"C/sub","Elapsed":60}
{"Action":"pass","Package":"p","Test":"C","Elapsed":61.25}
`,
			want: counts{passed: 4}, shown: []string{"slow p C 61.2s\nslow p A 6.5s\n"},
		},
		{
			name: "what is not JSON is passed on", events: "go: no such module\n",
			shown: []string{"go: no such module"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			got, err := tally(strings.NewReader(tc.events), &out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(counts{})); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			for _, s := range tc.shown {
				if !strings.Contains(out.String(), s) {
					t.Errorf("%q is not in the output:\n%s", s, &out)
				}
			}
		})
	}
}

func TestCountsAreAppended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counts")
	for _, c := range []counts{{1, 2, 3}, {4, 0, 0}} {
		if err := c.appendTo(path); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "1 2 3\n4 0 0\n" {
		t.Errorf("got %q, %v", got, err)
	}
}
