// SPDX-License-Identifier: Apache-2.0

// What changes between the units that systemd has from the generator and those
// that are planned. Pure.

package refresh

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"msrpcd/pkg/host/layout"
)

// changes is the difference between two sets of units.
type changes struct {
	files   []string // paths that differ, sorted; none: nothing is to be done
	removed []string // rpcds without any unit in the new set
	rpcds   []change // rpcds that stay or come, whose services or listeners differ
}

// change is what differs for one rpcd.
type change struct {
	name     string
	switched bool     // between a broker and direct activation: everything is to stop first
	service  bool     // what has the listeners, or these, differ
	worker   bool     // the workers' units differ
	gone     []string // listener sockets without a unit now
	changed  []string // listener sockets with another content, but for those that only have fewer addresses
}

// compare finds the changes from old to new.
func compare(old, new map[string]string) changes {
	var c changes
	was, is := map[string]bool{}, map[string]bool{}
	byName := map[string]*change{}
	for path := range old {
		if o := ownerOf(path); o.name != "" {
			was[o.name] = true
		}
	}
	for path := range new {
		if o := ownerOf(path); o.name != "" {
			is[o.name] = true
		}
	}
	all := map[string]string{}
	maps.Copy(all, old)
	maps.Copy(all, new)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		before, had := old[path]
		after, has := new[path]
		if had && has && before == after {
			continue
		}
		c.files = append(c.files, path)
		o := ownerOf(path)
		if o.name == "" || !is[o.name] || o.part == partOther {
			continue
		}
		r := byName[o.name]
		if r == nil {
			r = &change{name: o.name}
			byName[o.name] = r
		}
		switch {
		case o.part == partWorker:
			r.worker = true
		case o.part == partBroker:
			r.service = true
			r.switched = r.switched || was[o.name] && had != has && unitOwner(strings.TrimSuffix(filepath.Dir(path), ".d")).part == partBroker
		case had && !has:
			r.service, r.gone = true, append(r.gone, path)
		case had && onlyFewer(before, after):
			r.service = true // the reload closes what goes, and the service's restart its copy
		case had:
			r.service, r.changed = true, append(r.changed, path)
		default:
			r.service = true
		}
	}
	for name := range was {
		if !is[name] {
			c.removed = append(c.removed, name)
		}
	}
	slices.Sort(c.removed)
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		c.rpcds = append(c.rpcds, *byName[name])
	}
	return c
}

// onlyFewer reports whether a socket unit lost listeners and nothing else
// changed. systemd keeps those that stay at a reload.
func onlyFewer(before, after string) bool {
	split := func(unit string) (listeners map[string]bool, rest string) {
		listeners = map[string]bool{}
		var other []string
		for _, line := range strings.Split(unit, "\n") {
			if strings.HasPrefix(line, "ListenStream=") {
				listeners[line] = true
			} else {
				other = append(other, line)
			}
		}
		return listeners, strings.Join(other, "\n")
	}
	was, restWas := split(before)
	is, restIs := split(after)
	if restWas != restIs || len(is) == 0 || len(is) >= len(was) {
		return false
	}
	for l := range is {
		if !was[l] {
			return false
		}
	}
	return true
}

// part is what a generated file is for an rpcd.
type part int

const (
	partOther    part = iota // slices, links
	partListener             // a listener's socket unit
	partBroker               // drop-in of the broker or of a listener
	partWorker               // templates of workers and inboxes, and their dependencies
)

// owner is the rpcd that a generated file belongs to, and as what.
type owner struct {
	name string
	part part
}

// ownerOf reads it from the path below the generator's directory. A file of no
// rpcd has the name "".
func ownerOf(path string) owner {
	dir, file, nested := strings.Cut(path, "/")
	unit, dropIn := strings.CutSuffix(dir, ".d")
	if wanting, ok := strings.CutSuffix(unit, ".wants"); ok && nested {
		if o := unitOwner(wanting); o.name != "" {
			return o
		}
		return owner{unitOwner(file).name, partOther}
	}
	o := unitOwner(unit)
	if dropIn && o.part == partListener {
		o.part = partBroker
	}
	return o
}

func unitOwner(unit string) owner {
	u, _ := layout.ParseUnit(unit)
	switch u.Kind {
	case layout.KindListener:
		return owner{u.Rpcd, partListener}
	case layout.KindBroker:
		return owner{u.Rpcd, partBroker}
	case layout.KindNone, layout.KindSlice:
		return owner{u.Rpcd, partOther}
	}
	return owner{u.Rpcd, partWorker}
}
