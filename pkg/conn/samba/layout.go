// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"strconv"
	"strings"
)

// Layout is what differs between Samba versions in what an adaptor sends to an
// rpcd and gets from it.
type Layout struct {
	NPALevel   uint32 // level of the named pipe auth request, member of the client structure
	StatusSize int    // bytes of a worker status: 6, 9 or 16
	IndexBits  int    // high bits of an association group id that hold the worker's index
	TicketType bool   // auth_session_info ends in a u16 ticket type
	Claims     bool   // security_token has the counts of claims
	UserFlags  uint32 // last scalar of auth_user_info of an anonymous user
}

// Oldest and newest Samba release whose layouts are known, as minor versions
// of 4. A newer one is taken to be like the newest.
const (
	oldestMinor = 16
	newestMinor = 25
)

// Version is a Samba release.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads the numbers at the start of "4.17.12-Debian" or "4.25.0rc1".
func ParseVersion(s string) (Version, error) {
	var n [3]int
	rest := s
	for i := range n {
		end := 0
		for end < len(rest) && end < 6 && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		v, err := strconv.Atoi(rest[:end])
		if err != nil {
			return Version{}, fmt.Errorf("%q is no Samba version such as 4.17.12", s)
		}
		n[i], rest = v, rest[end:]
		if i < 2 {
			var dot bool
			if rest, dot = strings.CutPrefix(rest, "."); !dot {
				return Version{}, fmt.Errorf("%q is no Samba version such as 4.17.12", s)
			}
		}
	}
	return Version{n[0], n[1], n[2]}, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Known reports whether the layouts of this release are known for certain.
func (v Version) Known() bool {
	return v.Major == 4 && v.Minor >= oldestMinor && v.Minor <= newestMinor
}

// LayoutOf selects the layout of a release: 4.16 is the first that has
// rpcd_* programs, releases after 4.25 are taken to be like 4.25.
func LayoutOf(v Version) (Layout, error) {
	if v.Major < 4 || v.Major == 4 && v.Minor < oldestMinor {
		return Layout{}, fmt.Errorf("samba %v has no rpcd programs that can be served, 4.16.0 is the first", v)
	}
	atLeast := func(minor, patch int) bool {
		return v.Major > 4 || v.Minor > minor || v.Minor == minor && v.Patch >= patch
	}
	// since is for changes that went to two branches: the first patch release
	// of 4.17 and of 4.18 that has it.
	since := func(patch17, patch18 int) bool {
		switch {
		case v.Major == 4 && v.Minor == 17:
			return v.Patch >= patch17
		case v.Major == 4 && v.Minor == 18:
			return v.Patch >= patch18
		}
		return atLeast(19, 0)
	}
	l := Layout{NPALevel: 5, StatusSize: 6, IndexBits: 8, TicketType: atLeast(16, 4)}
	if since(6, 0) {
		l.StatusSize = 9
	}
	if since(9, 3) {
		l.NPALevel = 7
	}
	if atLeast(19, 0) {
		l.UserFlags = 1 // NETLOGON_GUEST; up to 4.18 a 1 here would mean "authenticated"
	}
	if atLeast(20, 0) {
		l.NPALevel, l.StatusSize, l.IndexBits, l.Claims = 8, 16, 16, true
	}
	return l, nil
}
