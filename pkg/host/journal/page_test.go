// SPDX-License-Identifier: Apache-2.0

package journal

// This file holds msrpcd(7), which lists fields and message ids, against the
// code.

import (
	"regexp"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

func TestPageListsFieldsAndMessageIDs(t *testing.T) {
	text := check.File(t, "../../../packaging/man/msrpcd.7")
	page := strings.ReplaceAll(string(text), `\-`, "-")
	letter := map[string]bool{}
	for _, field := range []string{Rpcd, Worker, Transport, Client, AssocGroup, Binding, Error, Cause, Account, Repeats} {
		m := regexp.MustCompile(`(?m)^\.BR? ` + field + `(?: " \(" (\w) \))?$`).FindStringSubmatch(page)
		if m == nil {
			t.Errorf("field %s is not in msrpcd(7)", field)
			continue
		}
		letter[m[1]] = true
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([0-9a-f]{32})  ([a-z ]{6})  \S`).FindAllStringSubmatch(page, -1) {
		if rows[m[1]] {
			t.Errorf("%s is there twice", m[1])
		}
		rows[m[1]] = true
		for _, l := range strings.Split(strings.TrimSpace(m[2]), "") {
			if !letter[l] {
				t.Errorf("%s: %q stands for no field", m[1], l)
			}
		}
	}
	for name, id := range constants(t) {
		if !rows[id] {
			t.Errorf("%s (%s) is not in msrpcd(7)", name, id)
		}
		delete(rows, id)
	}
	for id := range rows {
		t.Errorf("msrpcd(7) has %s, which is no constant of messageid.go", id)
	}
}
