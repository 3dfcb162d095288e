// SPDX-License-Identifier: Apache-2.0

package abi

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"msrpcd/pkg/wire/npa"
	"msrpcd/pkg/wire/printable"
)

// Layout is what differs between releases of Samba in what an adaptor sends to
// an rpcd and gets from it.
type Layout struct {
	NPALevel   uint32 // level of the named pipe auth request, member of the client structure
	StatusSize int    // bytes of a worker status: 6, 9 or 16
	IndexBits  int    // high bits of an association group id that hold the worker's index
	TicketType bool   // auth_session_info ends in a u16 ticket type
	Claims     bool   // security_token has the counts of claims
	UserFlags  uint32 // last scalar of auth_user_info of an anonymous user; up to 4.18 a 1 here means "authenticated"
}

// layouts are in the order of the releases that they begin with. 4.16 is the
// first that has rpcd_* programs; 4.17 and 4.18 got two changes each in the
// middle.
var layouts = []struct {
	first Version
	Layout
}{
	{Version{4, 16, 0}, Layout{NPALevel: npa.Level5, StatusSize: 6, IndexBits: 8}},
	{Version{4, 16, 4}, Layout{NPALevel: npa.Level5, StatusSize: 6, IndexBits: 8, TicketType: true}},
	{Version{4, 17, 6}, Layout{NPALevel: npa.Level5, StatusSize: 9, IndexBits: 8, TicketType: true}},
	{Version{4, 17, 9}, Layout{NPALevel: npa.Level7, StatusSize: 9, IndexBits: 8, TicketType: true}},
	{Version{4, 18, 0}, Layout{NPALevel: npa.Level5, StatusSize: 9, IndexBits: 8, TicketType: true}},
	{Version{4, 18, 3}, Layout{NPALevel: npa.Level7, StatusSize: 9, IndexBits: 8, TicketType: true}},
	{Version{4, 19, 0}, Layout{NPALevel: npa.Level7, StatusSize: 9, IndexBits: 8, TicketType: true, UserFlags: 1}},
	{Version{4, 20, 0}, Layout{NPALevel: npa.Level8, StatusSize: 16, IndexBits: 16, TicketType: true, UserFlags: 1, Claims: true}},
}

// Newest is the newest minor release of 4 whose layout is known. A newer one is
// taken to be like it.
const Newest = 25

// Version is a release of Samba.
type Version struct{ Major, Minor, Patch int }

var versionRE = regexp.MustCompile(`^(?:Version )?(\d{1,5})\.(\d{1,5})(?:\.(\d{1,5}))?(?:[^\d.\s][!-~]{0,100})?$`)

// ParseVersion reads "Version 4.17.12-Debian", with or without the word. What
// follows the numbers is the vendor's; the third number may be missing
// ("4.25pre1"), then Patch is 0.
func ParseVersion(s string) (Version, error) {
	m := versionRE.FindStringSubmatch(s)
	if m == nil {
		return Version{}, fmt.Errorf("%s is not a Samba version such as 4.17.12", printable.Quote(s, 80))
	}
	var v Version
	for i, n := range []*int{&v.Major, &v.Minor, &v.Patch} {
		*n, _ = strconv.Atoi(m[i+1])
	}
	return v, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Compare is negative where v came before w.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// Known reports whether the layout of this release is known for certain.
func (v Version) Known() bool {
	return v.Compare(layouts[0].first) >= 0 && v.Compare(Version{4, Newest + 1, 0}) < 0
}

// Layout is that of a release; an error names the first release that has one.
func (v Version) Layout() (Layout, error) {
	for _, l := range slices.Backward(layouts) {
		if v.Compare(l.first) >= 0 {
			return l.Layout, nil
		}
	}
	return Layout{}, fmt.Errorf("samba %v has no rpcd programs that can be served, %v is the first", v, layouts[0].first)
}

// IndexBits is that of the layout of a release that is given as text. One that
// cannot be read counts as new, one that is too old as the first.
func IndexBits(version string) int {
	v, err := ParseVersion(version)
	if err != nil {
		return layouts[len(layouts)-1].IndexBits
	}
	l, err := v.Layout()
	if err != nil {
		return layouts[0].IndexBits
	}
	return l.IndexBits
}
