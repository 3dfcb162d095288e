// SPDX-License-Identifier: Apache-2.0

package hashes

import (
	"strings"
	"testing"
)

const good = "# comment\n\nuser1:1000:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[U          ]:LCT-00000000:\n" +
	"user2:1001:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:8846F7EAEE8FB117AD06BDD830B7586C:[DU         ]:LCT-00000000:\n" +
	"user3:1002:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:[U          ]:LCT-00000000:\n"

func TestLinesOfPdbeditAreRead(t *testing.T) {
	f, err := Parse(good)
	if err != nil || len(f.accounts) != 3 || f.accounts["user1"].uid != 1000 || f.accounts["user1"].hash[0] != 0x88 || f.accounts["user1"].off {
		t.Fatalf("%+v, %v", f, err)
	}
	if !f.accounts["user2"].off || !f.accounts["user3"].off {
		t.Error("an account that is disabled or has no hash may log on")
	}
	for what, line := range map[string]string{
		"locked": "a:1:X:8846F7EAEE8FB117AD06BDD830B7586C:[UL         ]:", "of a trust": "a:1:X:8846F7EAEE8FB117AD06BDD830B7586C:[I          ]:",
		"with an empty password": "a:1:X:31D6CFE0D16AE931B73C59D7E0C089C0:[U          ]:",
	} {
		if f, err := Parse(line); err != nil || !f.accounts["a"].off {
			t.Errorf("an account %s may log on (%v)", what, err)
		}
	}
}

func TestLinesThatAreNoAccountsAreRefused(t *testing.T) {
	for _, line := range []string{"user1", "user1:1:2:3", ":1000:X:8846F7EAEE8FB117AD06BDD830B7586C:[U]:", "a:x:X:8846F7EAEE8FB117AD06BDD830B7586C:[U]:",
		"a:1:X:8846F7EAEE8FB117AD06BDD830B7586:[U]:", "a:1:X:8846F7EAEE8FB117AD06BDD830B7586CAA:[U]:", "a:1:X:zz46F7EAEE8FB117AD06BDD830B7586C:[U]:", good + strings.ToUpper(good)} {
		if _, err := Parse(line); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Fuzz(func(t *testing.T, text string) { Parse(text) })
}
