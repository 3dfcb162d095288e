// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"fmt"
	"slices"
)

// Finding is something that is not as it should be.
type Finding struct {
	Check    string   `json:"check"`              // the kind of item
	Rpcd     string   `json:"rpcd,omitempty"`     // that it concerns
	Unit     string   `json:"unit,omitempty"`     // that it concerns
	What     string   `json:"what"`               // what is so, and should not
	Remedy   string   `json:"remedy"`             // for people
	Commands []string `json:"commands,omitempty"` // that end the remedy, after an edit where it names one
	Mends    bool     `json:"mends"`              // msrpcctl refresh does it
	Cause    string   `json:"cause,omitempty"`    // What of the finding that this one follows from

	id      string   // names it for those that follow from it
	because []string // ids of what it may follow from, the likeliest first
	mend    mend
}

// Group is a cause, and what follows from it.
type Group struct {
	Finding
	Consequences []Finding `json:"consequences"`
}

// Remedies that many findings have.
const (
	refreshCommand = "msrpcctl refresh"
	runRefresh     = "run " + refreshCommand
)

// found makes a finding with a remedy that is not a command alone.
func found(check, what string, args ...any) Finding {
	return Finding{Check: check, What: fmt.Sprintf(what, args...)}
}

// of says what the finding concerns.
func (f Finding) of(rpcd, unit string) Finding {
	f.Rpcd, f.Unit = rpcd, unit
	return f
}

// named gives an id, and those of causes.
func (f Finding) named(id string, because ...string) Finding {
	f.id, f.because = id, append(f.because, because...)
	return f
}

// remedy is text, with the commands that end it.
func (f Finding) remedy(text string, commands ...string) Finding {
	f.Remedy, f.Commands = text, commands
	return f
}

// refreshed says that a refresh mends it, by m.
func (f Finding) refreshed(m mend) Finding {
	f.mend, f.Mends = m, true
	if f.Remedy == "" {
		f.Remedy = runRefresh
	}
	if len(f.Commands) == 0 {
		f.Commands = []string{refreshCommand}
	}
	return f
}

// Same reports whether another look found the same thing.
func (f Finding) Same(g Finding) bool {
	return f.Check == g.Check && f.Rpcd == g.Rpcd && f.Unit == g.Unit && (f.id != "" && f.id == g.id || f.What == g.What)
}

// GroupByCause puts each finding below the one that it follows from in the end;
// causes keep their order. It sets Cause.
func GroupByCause(findings []Finding) []Group {
	byID := map[string]int{}
	for i, f := range findings {
		if _, taken := byID[f.id]; f.id != "" && !taken {
			byID[f.id] = i
		}
	}
	place := map[int]int{} // finding -> group
	groups := []Group{}
	for i := range findings {
		if root(findings, byID, i) == i {
			place[i] = len(groups)
			groups = append(groups, Group{Finding: findings[i], Consequences: []Finding{}})
		}
	}
	for i := range findings {
		if r := root(findings, byID, i); r != i {
			findings[i].Cause = findings[r].What
			g := &groups[place[r]]
			g.Consequences = append(g.Consequences, findings[i])
		}
	}
	return groups
}

// root follows causes of finding i to the first one. Of causes that go in a
// circle it is the one that was found first.
func root(findings []Finding, byID map[string]int, i int) int {
	passed := []int{i}
	for {
		next := cause(findings, byID, i)
		if next < 0 {
			return i
		}
		if at := slices.Index(passed, next); at >= 0 {
			return slices.Min(passed[at:])
		}
		i = next
		passed = append(passed, i)
	}
}

// cause is the likeliest cause of finding i that was found, -1 for none.
func cause(findings []Finding, byID map[string]int, i int) int {
	for _, id := range findings[i].because {
		if j, ok := byID[id]; ok && j != i {
			return j
		}
	}
	return -1
}
