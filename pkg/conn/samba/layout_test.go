// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLayoutOfEachRelease(t *testing.T) {
	tests := map[string]Layout{
		"4.16.0":         {NPALevel: 5, StatusSize: 6, IndexBits: 8},
		"4.16.3":         {NPALevel: 5, StatusSize: 6, IndexBits: 8},
		"4.16.4":         {NPALevel: 5, StatusSize: 6, IndexBits: 8, TicketType: true},
		"4.16.11":        {NPALevel: 5, StatusSize: 6, IndexBits: 8, TicketType: true},
		"4.17.0":         {NPALevel: 5, StatusSize: 6, IndexBits: 8, TicketType: true},
		"4.17.5":         {NPALevel: 5, StatusSize: 6, IndexBits: 8, TicketType: true},
		"4.17.6":         {NPALevel: 5, StatusSize: 9, IndexBits: 8, TicketType: true},
		"4.17.8":         {NPALevel: 5, StatusSize: 9, IndexBits: 8, TicketType: true},
		"4.17.9":         {NPALevel: 7, StatusSize: 9, IndexBits: 8, TicketType: true},
		"4.17.12-Debian": {NPALevel: 7, StatusSize: 9, IndexBits: 8, TicketType: true},
		"4.18.0":         {NPALevel: 5, StatusSize: 9, IndexBits: 8, TicketType: true},
		"4.18.2":         {NPALevel: 5, StatusSize: 9, IndexBits: 8, TicketType: true},
		"4.18.3":         {NPALevel: 7, StatusSize: 9, IndexBits: 8, TicketType: true},
		"4.19.0":         {NPALevel: 7, StatusSize: 9, IndexBits: 8, TicketType: true, UserFlags: 1},
		"4.20.0rc1":      {NPALevel: 8, StatusSize: 16, IndexBits: 16, TicketType: true, UserFlags: 1, Claims: true},
		"4.22.11":        {NPALevel: 8, StatusSize: 16, IndexBits: 16, TicketType: true, UserFlags: 1, Claims: true},
		"4.25.1":         {NPALevel: 8, StatusSize: 16, IndexBits: 16, TicketType: true, UserFlags: 1, Claims: true},
		"4.31.0":         {NPALevel: 8, StatusSize: 16, IndexBits: 16, TicketType: true, UserFlags: 1, Claims: true},
		"5.0.0":          {NPALevel: 8, StatusSize: 16, IndexBits: 16, TicketType: true, UserFlags: 1, Claims: true},
	}
	for version, want := range tests {
		if d := cmp.Diff(want, layoutOf(t, version)); d != "" {
			t.Errorf("%s (-want +got):\n%s", version, d)
		}
	}
}

func TestVersionsThatCanNotBeServed(t *testing.T) {
	for _, s := range []string{"", "4", "4.17", "4.x.1", ".4.1", "v4.17.1", "4.17.", "44444444.1.1"} {
		if v, err := ParseVersion(s); err == nil {
			t.Errorf("ParseVersion(%q) = %v, want an error", s, v)
		}
	}
	for _, v := range []Version{{4, 15, 9}, {3, 6, 25}} {
		if _, err := LayoutOf(v); err == nil || !strings.Contains(err.Error(), "4.16.0") {
			t.Errorf("LayoutOf(%v): %v", v, err)
		}
	}
	for v, want := range map[Version]bool{{4, 16, 0}: true, {4, 25, 9}: true, {4, 26, 0}: false, {4, 15, 0}: false, {5, 17, 0}: false} {
		if v.Known() != want {
			t.Errorf("%v.Known() = %v", v, v.Known())
		}
	}
}
