// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestEachCauseHasARemedyAndIsInTheManual(t *testing.T) {
	text, err := os.ReadFile("../../../packaging/man/msrpc-auth.8")
	if err != nil {
		t.Fatal(err)
	}
	for cause, remedy := range remedies {
		if remedy == "" || cause.Remedy() != remedy {
			t.Errorf("%s: %q", cause, remedy)
		}
		_, entry, _ := strings.Cut(strings.ReplaceAll(string(text), `\-`, "-"), "\n.B "+string(cause)+"\n")
		entry, _, _ = strings.Cut(entry, "\n.TP")
		if !strings.EqualFold(strings.TrimSuffix(entry, "."), remedy) {
			t.Errorf("%s: msrpc-auth(8) says %q, the log %q", cause, entry, remedy)
		}
	}
}

func TestAFailureKeepsItsKindAndCause(t *testing.T) {
	err := fmt.Errorf("step: %w", For(`DOM\user1`, Fail(WrongPassword, ErrDenied, "no: %w", os.ErrExist)))
	f := FailureOf(err)
	if f.Cause != WrongPassword || f.Account != `DOM\user1` || !errors.Is(f, ErrDenied) || !errors.Is(f, os.ErrExist) || f.Error() != err.Error() {
		t.Errorf("%+v", f)
	}
	if f := FailureOf(fmt.Errorf("%w: short", ErrToken)); f.Cause != BadToken {
		t.Errorf("%+v", f)
	}
	if f := FailureOf(errors.New("x")); f.Cause != Refused || For("a", nil) != nil {
		t.Errorf("%+v", f)
	}
}
