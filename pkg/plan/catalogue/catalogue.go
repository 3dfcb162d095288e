// SPDX-License-Identifier: Apache-2.0

package catalogue

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/wire/listing"
)

// Errors of Read that callers distinguish.
var (
	// ErrNone says that there is no catalogue: nothing was refreshed yet, or
	// its file system is not mounted.
	ErrNone = errors.New("there is no catalogue")
	// ErrFormat says that a file is not a whole catalogue of this version.
	ErrFormat = errors.New("not a catalogue of this version")
)

// Bounds of a catalogue.
const (
	MaxSize      = 64 << 20 // bytes of the file
	MaxRpcds     = config.MaxRpcds
	MaxAddresses = 256  // that TCP listeners are bound to
	MaxProblems  = 1024 // SetProblems counts the rest
)

// Catalogue is what refresh found out.
type Catalogue struct {
	Samba        *config.Samba    // nil when smb.conf could not be read
	MessagingDir string           // directory that has msg.sock and msg.lock
	Addresses    []string         // numeric addresses for TCP listeners, nil = all
	Sets         []int            // of Addresses, or nil: all are of set 0; see AddressSet
	Rpcds        []Entry          // in priority order
	Problems     []config.Problem // what refresh could not do
}

// Entry is one rpcd.
type Entry struct {
	Name         string      // layout.ValidName holds
	Exec         string      // absolute path of the program
	Kind         config.Kind // contract of the program
	Binary       Binary      // the program that was asked
	SambaVersion string      // of the program, such as "4.17.12-Debian"; "" for native ones
	Listing      listing.Listing
	Port         int    // TCP port of bindings without one; 0 = none allocated
	Failure      string // why the last listing failed ("" = it did not); Listing is the last good one
	SambaTwin    *Twin  // the program of Samba that a native one stands in for; nil = there is none
}

// Twin is a program of Samba that would be an rpcd of the same name if no
// native one had taken its place. It is never run as one. What it lists shows
// whether Samba wants this service from an rpcd in the host's role at all: on a
// domain controller, samba(8) serves much itself.
type Twin struct {
	Exec    string          // absolute path of the program
	Listing listing.Listing // the last good one; Workers is 0 when it was never listed
	Failure string          // why the last listing failed, "" = it did not
}

// KeepsOut reports that Samba serves this itself on this host: the native rpcd
// stands in for a program of Samba which is installed and lists nothing.
func (e *Entry) KeepsOut() bool {
	t := e.SambaTwin
	return e.Kind == config.KindNative && t != nil && t.Listing.Workers != 0 &&
		len(t.Listing.Interfaces) == 0 && len(t.Listing.Pipes) == 0
}

// Binary distinguishes one version of a program from the next.
type Binary struct {
	Size    int64  // bytes
	MTimeNS int64  // nanoseconds since 1970
	Inode   uint64 // inode number
}

// AddressSet is the set of Addresses[i]. Each set is one socket unit of an rpcd.
// Addresses that come while others are served make a new set, since a socket
// unit can be given no more addresses without closing those that it has.
func (c *Catalogue) AddressSet(i int) int {
	if i < len(c.Sets) {
		return c.Sets[i]
	}
	return 0
}

// Pending are the names of the rpcds whose programs are there and could not be
// listed, at the last refresh.
func (c *Catalogue) Pending() []string {
	var names []string
	for _, e := range c.Rpcds {
		if e.Failure != "" || e.SambaTwin != nil && e.SambaTwin.Failure != "" {
			names = append(names, e.Name)
		}
	}
	return names
}

// FollowsNetwork holds when changes of the network have to be looked at:
// listeners are bound to addresses, or something failed that may depend on it.
func (c *Catalogue) FollowsNetwork() bool {
	return c.Addresses != nil || len(c.Pending()) > 0
}

// Entry returns the rpcd of that name, or nil.
func (c *Catalogue) Entry(name string) *Entry {
	for i := range c.Rpcds {
		if c.Rpcds[i].Name == name {
			return &c.Rpcds[i]
		}
	}
	return nil
}

// SetProblems sets the problems; when they are too many, the last one counts
// those that are left out.
func (c *Catalogue) SetProblems(list []config.Problem) {
	if n := len(list) - MaxProblems; n > 0 {
		list = append(list[:MaxProblems-1:MaxProblems-1], config.Problem{What: fmt.Sprintf("and %d more problems", n+1)})
	}
	c.Problems = list
}

// Validate checks everything that a path, a unit or a number is made of. Read
// and Write call it; the error of Read wraps ErrFormat too.
func (c *Catalogue) Validate() error {
	if len(c.Rpcds) > MaxRpcds || len(c.Addresses) > MaxAddresses || len(c.Problems) > MaxProblems {
		return fmt.Errorf("%d rpcds, %d addresses, %d problems are more than a catalogue holds",
			len(c.Rpcds), len(c.Addresses), len(c.Problems))
	}
	if c.MessagingDir != "" && !validPath(c.MessagingDir) {
		return fmt.Errorf("messaging directory %q is not a clean absolute path", c.MessagingDir)
	}
	for _, a := range c.Addresses {
		if ip, err := netip.ParseAddr(a); err != nil || ip.Zone() != "" {
			return fmt.Errorf("%q is not a numeric address", a)
		}
	}
	if c.Sets != nil && len(c.Sets) != len(c.Addresses) {
		return fmt.Errorf("%d sets for %d addresses", len(c.Sets), len(c.Addresses))
	}
	for _, n := range c.Sets {
		if n < 0 || n > MaxAddresses {
			return fmt.Errorf("set %d of addresses is out of range", n)
		}
	}
	if s := c.Samba; s != nil {
		for _, p := range append([]string{s.ConfigFile, s.NcalrpcDir, s.NPDir, s.LockDir, s.PrivateDir, s.LogDir}, s.Includes...) {
			if p != "" && !validPath(p) {
				return fmt.Errorf("%q of smb.conf is not a clean absolute path", p)
			}
		}
	}
	seen := map[string]bool{}
	for i := range c.Rpcds {
		e := &c.Rpcds[i]
		if err := e.validate(); err != nil {
			return err
		}
		if seen[e.Name] {
			return fmt.Errorf("rpcd %s is there twice", e.Name)
		}
		seen[e.Name] = true
	}
	return nil
}

func (e *Entry) validate() error {
	switch {
	case !layout.ValidName(e.Name):
		return fmt.Errorf("%q cannot be the name of an rpcd", e.Name)
	case !validPath(e.Exec):
		return fmt.Errorf("rpcd %s: program %q is not a clean absolute path", e.Name, e.Exec)
	case e.Kind != config.KindSamba && e.Kind != config.KindNative:
		return fmt.Errorf("rpcd %s: unknown kind %q", e.Name, e.Kind)
	case e.Port < 0 || e.Port > 65535:
		return fmt.Errorf("rpcd %s: port %d is out of range", e.Name, e.Port)
	case e.SambaTwin != nil && !validPath(e.SambaTwin.Exec):
		return fmt.Errorf("rpcd %s: Samba's program %q is not a clean absolute path", e.Name, e.SambaTwin.Exec)
	}
	return nil
}

// validPath holds for absolute, clean paths of printable text.
func validPath(p string) bool {
	return filepath.IsAbs(p) && filepath.Clean(p) == p && len(p) < 4096 && utf8.ValidString(p) &&
		!strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f })
}
