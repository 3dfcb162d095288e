// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"encoding/json"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// shape writes groups as "cause(consequence consequence)".
func shape(groups []Group) string {
	var words []string
	for _, g := range groups {
		var below []string
		for _, c := range g.Consequences {
			below = append(below, c.What)
		}
		words = append(words, g.What+"("+strings.Join(below, " ")+")")
	}
	return strings.Join(words, " ")
}

func TestGroupByCause(t *testing.T) {
	f := func(id string, because ...string) Finding { return found("check", "%s", id).named(id, because...) }
	for _, tc := range []struct {
		name string
		in   []Finding
		want string
	}{
		{"nothing", nil, ""},
		{"alone", []Finding{f("a"), f("b", "gone")}, "a() b()"},
		{"a cause that comes later", []Finding{f("a", "b"), f("b")}, "b(a)"},
		{"the first of several causes", []Finding{f("a", "gone", "c", "b"), f("b"), f("c")}, "b() c(a)"},
		{"a chain ends at its first", []Finding{f("a", "b"), f("b", "c"), f("c")}, "c(a b)"},
		{"many of one name", []Finding{f("a", "a"), f("a", "a"), f("a", "a")}, "a(a a)"},
		{"without a name", []Finding{f(""), f("", "")}, "() ()"},
	} {
		check.Is(t, tc.name, tc.want, shape(GroupByCause(tc.in)))
	}
	// A circle loses no finding.
	n := 0
	for _, g := range GroupByCause([]Finding{f("a", "b"), f("b", "a"), f("c", "a")}) {
		n += 1 + len(g.Consequences)
	}
	check.Is(t, "findings of a circle of 3", 3, n)
}

func TestJSONOfAGroup(t *testing.T) {
	fs := []Finding{
		found("sockets", "x is not there").of("winreg", "a.socket").named("l", "t").refreshed(mend{step: stepListener}),
		found("target", "down").of("", "msrpc.target").named("t").remedy("start it", "systemctl start msrpc.target"),
	}
	groups := GroupByCause(fs)
	b, err := json.Marshal(groups)
	check.OK(t, err)
	const want = `[{"check":"target","unit":"msrpc.target","what":"down","remedy":"start it","commands":["systemctl start msrpc.target"],"mends":false,` +
		`"consequences":[{"check":"sockets","rpcd":"winreg","unit":"a.socket","what":"x is not there","remedy":"run msrpcctl refresh","commands":["msrpcctl refresh"],"mends":true,"cause":"down"}]}]`
	check.Same(t, want, string(b))
	if fs[0].Cause != "down" || fs[1].Cause != "" {
		t.Errorf("causes %q, %q", fs[0].Cause, fs[1].Cause)
	}
}
