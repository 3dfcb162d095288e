// SPDX-License-Identifier: Apache-2.0

package abi

import (
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
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
		v, err := ParseVersion(version)
		check.OK(t, err)
		got, err := v.Layout()
		check.OK(t, err)
		check.SameIn(t, version, want, got)
	}
}

func TestVersionsThatCannotBeServed(t *testing.T) {
	for _, v := range []Version{{4, 15, 9}, {3, 6, 25}} {
		if _, err := v.Layout(); err == nil || !strings.Contains(err.Error(), "4.16.0") {
			t.Errorf("%v: %v", v, err)
		}
	}
	for v, want := range map[Version]bool{{4, 16, 0}: true, {4, 25, 9}: true, {4, 26, 0}: false, {4, 15, 0}: false, {5, 17, 0}: false} {
		if v.Known() != want {
			t.Errorf("%v.Known() = %v", v, v.Known())
		}
	}
}

func TestVersions(t *testing.T) {
	for s, want := range map[string]Version{
		"Version 4.17.12-Debian": {4, 17, 12}, "4.22.11-Debian-4.22.11+dfsg-0+deb13u1": {4, 22, 11}, "4.20.0rc1": {4, 20, 0},
		"4.25": {4, 25, 0}, "4.25pre1": {4, 25, 0}, "4.17.4+git.300.305b22bfce-SUSE-oS15.0-x86_64": {4, 17, 4}, "3.6.25": {3, 6, 25},
	} {
		v, err := ParseVersion(s)
		if err != nil || v != want {
			t.Errorf("%s: got %v, %v", s, v, err)
		}
	}
	for _, s := range []string{"", "Version", "4", "4.", "x4.1.2", "4.17.12 x", "4.17.12\n", "999999.1.1", "-4.1", "4.1.2.3"} {
		if v, err := ParseVersion(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, v)
		}
	}
	for v, want := range map[string]int{"4.16.4": 8, "4.17.12-Debian": 8, "4.19.9": 8, "4.20.0rc1": 16, "4.25": 16, "5.0.0": 16, "": 16, "?": 16} {
		if got := IndexBits(v); got != want {
			t.Errorf("%s: %d bits, want %d", v, got, want)
		}
	}
}
