// SPDX-License-Identifier: Apache-2.0

package source

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func address(n int) Source {
	s := Source{kind: fromAddress}
	binary.LittleEndian.PutUint32(s.id[:], uint32(n))
	return s
}

// model is what a ledger should say, kept by simpler means.
type model struct {
	refs map[Source]int
	use  map[Source]*[Resources]int
}

func (m *model) check(t *testing.T, l *Ledger[int]) {
	t.Helper()
	var total [Resources]int
	sources := 0
	for s, use := range m.use {
		if m.refs[s] == 0 {
			continue
		}
		h := l.Enter(s)
		if s != (Source{}) {
			sources++
		}
		for r := range Resources {
			if total[r] += use[r]; h.Use(r) != use[r] {
				t.Fatalf("a source holds %d of resource %d, want %d", h.Use(r), r, use[r])
			}
		}
		l.Leave(h)
	}
	for r := range Resources {
		if l.Total(r) != total[r] || l.Over(r) != (total[r] > l.Limits[r].Total) {
			t.Fatalf("all hold %d of resource %d, want %d", l.Total(r), r, total[r])
		}
	}
	if l.Len() != sources || len(l.index) != sources {
		t.Fatalf("%d sources, %d in the index, want %d", l.Len(), len(l.index), sources)
	}
}

// most is the largest use of a resource by a source that can pay.
func (m *model) most(r Resource) (most int) {
	for s, use := range m.use {
		if s != (Source{}) && m.refs[s] > 0 {
			most = max(most, use[r])
		}
	}
	return most
}

func TestSumsAreThoseOfWhatIsHeld(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	l := &Ledger[int]{}
	for r := range Resources {
		l.Limits[r] = Limit{Total: 60, Address: 9, User: 5}
	}
	m := &model{map[Source]int{}, map[Source]*[Resources]int{}}
	held := map[Source]*Holder[int]{}
	for step := range 200_000 {
		s := address(random.IntN(40))
		switch random.IntN(8) {
		case 0:
			s = Source{}
		case 1:
			s = User(uint32(random.IntN(10)))
		}
		r, n := Resource(random.IntN(int(Resources))), 1+random.IntN(4)
		if m.use[s] == nil {
			m.use[s] = new([Resources]int)
		}
		switch use := m.use[s]; {
		case m.refs[s] == 0 || random.IntN(10) == 0:
			held[s] = l.Enter(s)
			m.refs[s]++
		case random.IntN(3) == 0 && use[r] >= n:
			l.Give(held[s], r, n)
			use[r] -= n
		case random.IntN(3) == 0 && (m.refs[s] > 1 || *use == [Resources]int{}):
			l.Leave(held[s])
			m.refs[s]--
		default:
			share := map[uint8]int{fromAddress: 9, fromUser: 5, 0: 1 << 30}[s.kind]
			fits := use[r]+n <= share
			if got := l.Take(held[s], r, n); got != fits {
				t.Fatalf("%d more for a source that holds %d of a share of %d: %t", n, use[r], share, got)
			}
			if fits {
				use[r] += n
			}
		}
		if step%50 == 0 {
			m.check(t, l)
			h, most := l.Largest(r), m.most(r)
			if h != nil && h.Source == (Source{}) {
				continue
			}
			if (h == nil) != (most == 0) || h != nil && h.Use(r) < most-most/8 {
				t.Fatalf("the largest holder is %+v, %d is the most", h, most)
			}
		}
	}
}

// TestLargestHolderPaysAndThenTheNext gives up one after the other.
func TestLargestHolderPaysAndThenTheNext(t *testing.T) {
	l := &Ledger[int]{}
	l.Limits[Bound] = Limit{Total: 1200}
	var many []*Holder[int]
	for i := range 500 {
		h := l.Enter(address(i))
		l.Take(h, Bound, 2)
		many = append(many, h)
	}
	system := l.Enter(Source{})
	l.Take(system, Bound, 601)
	if l.Largest(Bound) != system {
		t.Error("the system does not pay for more than half of all")
	}
	l.Give(system, Bound, 601)
	big := l.Enter(User(7))
	l.Take(big, Bound, 400)
	l.Take(system, Bound, 100)
	for l.Over(Bound) {
		l.Give(l.Largest(Bound), Bound, 1)
	}
	for i, h := range many {
		if h.Use(Bound) != 2 {
			t.Fatalf("source %d holds %d, though another one holds more than all", i, h.Use(Bound))
		}
	}
	if big.Use(Bound) != 100 || system.Use(Bound) != 100 {
		t.Errorf("the largest holds %d, the system %d, all %d", big.Use(Bound), system.Use(Bound), l.Total(Bound))
	}
	// Among equals each pays once.
	l.Give(big, Bound, 100)
	for range 500 {
		l.Give(l.Largest(Bound), Bound, 1)
	}
	for i, h := range many {
		if h.Use(Bound) != 1 {
			t.Fatalf("source %d of equal ones holds %d after each had to give one", i, h.Use(Bound))
		}
	}
}

func TestLedgerForgetsSources(t *testing.T) {
	l := &Ledger[int]{}
	for range 3 {
		var held []*Holder[int]
		for i := range 1000 {
			held = append(held, l.Enter(address(i)))
		}
		for _, h := range held {
			l.Leave(h)
		}
		if l.Len() != 0 || l.index != nil || l.all != nil || l.free != nil {
			t.Fatalf("%d sources, %d in the index, %d free are left", l.Len(), len(l.index), len(l.free))
		}
	}
	l.Leave(l.Enter(User(1)))
	if n := testing.AllocsPerRun(100, func() {
		h := l.Enter(User(1))
		l.Take(h, Partial, 5)
		l.Largest(Partial)
		l.Give(h, Partial, 5)
		l.Leave(h)
	}); n > 0 {
		t.Errorf("%v allocations for the only source", n)
	}
}

// BenchmarkLargestOfManyEqualSources is the worst case of a flood from everywhere.
func BenchmarkLargestOfManyEqualSources(b *testing.B) {
	l := &Ledger[int]{}
	for i := range 20000 {
		l.Take(l.Enter(address(i)), Bound, 1)
	}
	for i := 0; b.Loop(); i++ {
		h := l.Largest(Bound)
		l.Give(h, Bound, 1)
		l.Leave(h)
		l.Take(l.Enter(address(20000+i)), Bound, 1)
	}
}
