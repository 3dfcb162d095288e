// SPDX-License-Identifier: Apache-2.0

package setting

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/conn/source"
	"msrpcd/tests/tools/check"
)

func TestEveryRowReadsWhatItWritesWithinItsBounds(t *testing.T) {
	seen, fields := map[string]bool{"": true}, map[any]bool{}
	var probe Values
	for i := range Table {
		r := &Table[i]
		for _, name := range []string{r.Name, r.Variable} {
			if name != "" && seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if fields[r.field(&probe)] {
			t.Errorf("%s%s has the field of another row", r.Name, r.Variable)
		}
		fields[r.field(&probe)] = true
		if (r.Name == "") != (r.In == "") || (r.Variable == "") != (r.For == 0) || r.Needs&^r.For != 0 {
			t.Errorf("row %+v is at odds with itself", r)
		}
		v := Defaults()
		if r.Default != "" && r.Text(&v) != r.Default {
			t.Errorf("%s%s: default %q is read as %q", r.Name, r.Variable, r.Default, r.Text(&v))
		}
		if r.Unit >= Text {
			continue
		}
		for n, want := range map[int]bool{r.Low - 1: false, r.Low: true, r.High: true, r.High + 1: false} {
			text := strconv.Itoa(n)
			if err := r.Set(&v, text); (err == nil) != want || want && r.Text(&v) != text {
				t.Errorf("%s%s=%s: %v, then %s", r.Name, r.Variable, text, err, r.Text(&v))
			}
		}
	}
}

func TestOnlyAProcessThatIsToldAValueReadsIt(t *testing.T) {
	v := Defaults()
	env := map[string]string{"MSRPC_MAX_UNBOUND": "7", "MSRPC_MAX_PARKED": "8", "MSRPC_RPCD": "echo"}
	check.OK(t, v.Environ(Native, func(name string) string { return env[name] }))
	if v.Limits[source.Unbound].Total != 4096 || v.MaxParked != 8 || v.Name != "echo" {
		t.Errorf("read %+v", v)
	}
}

func TestABadVariableIsRefusedWithItsBounds(t *testing.T) {
	for _, tt := range []struct {
		kind           Process
		variable, text string
		want           string
	}{
		{Broker, "MSRPC_WORKERS", "", "from 0 to 2048"},
		{Broker, "MSRPC_BIND_TIMEOUT_SEC", "3601", "from 1 to 3600"},
		{Direct, "MSRPC_BIND_TIMEOUT_SEC", "3601", "from 1 to 3600"},
		{Broker, "MSRPC_MAX_NPA", "2M", "from 4096 to 1048576"},
		{Samba, "MSRPC_EXEC", "bin/rpcd", "an absolute path"},
		{Auth, "MSRPC_NTLM_WITHOUT_MIC", "1", "yes or no"},
		{Native, "MSRPC_RPCD", "../x", "1 to 32 of a-z, 0-9 and _"},
		{Native, "MSRPC_IDLE_SEC", "1\nx", `MSRPC_IDLE_SEC="1\nx"`},
	} {
		v := Defaults()
		err := v.Environ(tt.kind, func(name string) string {
			if name == tt.variable {
				return tt.text
			}
			return map[string]string{"MSRPC_RPCD": "x", "MSRPC_WORKER": "1", "MSRPC_WORKERS": "1", "MSRPC_NP_DIR": "/np", "MSRPC_NCALRPC_DIR": "/nc"}[name]
		})
		var bad *VariableError
		if !errors.As(err, &bad) || bad.Variable != tt.variable || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%s: %v, want one of it with %q", tt.variable, tt.text, err, tt.want)
		}
	}
}

func TestSpan(t *testing.T) {
	r := Row{Unit: Seconds, High: 86400, field: func(v *Values) any { return &v.Idle }}
	for s, want := range map[string]int{"90": 90, "90s": 90, "1min 30s": 90, "1min30s": 90, "2 h": 7200, "1d": 86400, "0": 0, "": -1, " ": -1, "5ms": -1, "-1": -1, "1 2x": -1, "min": -1, "16777216": -1} {
		var v Values
		got := -1
		if err := r.Set(&v, s); err == nil {
			got = int(v.Idle / time.Second)
		}
		check.Is(t, fmt.Sprint(s), want, got)
	}
}
