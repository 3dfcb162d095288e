// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"msrpcd/tests/tools/check"
)

// example is a result with every kind of measurement, and with text that
// would break Markdown and XML if it were not escaped.
func example() *Result {
	r := &Result{
		Date: "2026-01-02", Machine: Machine{`CPU <1> & "co"`, 2, 4096, "6.1"}, Samba: "Samba 4.22.0", Systemd: "systemd 257", Rounds: 2, Seconds: 1.5,
		Jobs: []Job{{JobCold, "first share listing", 8, Relation{150, 100, Ratio{1.5, 1.4, 1.6}}, Relation{90, 100, Ratio{0.9, 0.8, 1}}},
			{"shares", "share listing", 8, Relation{30, 31, Ratio{0.97, 0.9, 1}}, Relation{9, 10, Ratio{0.9, 0.8, 1}}}},
		Serving:   []Serving{{ProcOurs, 10, Memory{9000, 12000}}},
		ColdStart: []ColdStart{{"rpcd_winreg", "winreg", 60, 30, Ratio{2, 1.9, 2.1}}},
		Idle:      []Process{{ProcBroker, Memory{1024, 3000}}, {ProcAdaptor, Memory{1638.4, 3000}}},
		Held: []Held{{HeldBroker, "Silent connections", "the broker", []Step{
			{0, 0, Memory{1000, 3000}, 20000, 50, 90, 200, 0}, {10000, 0, Memory{6000, 9000}, 19000, 52, 95, 4000, 0}}, "with 12000 connections: nothing was served"}},
		Generator: []Generator{{8, 100, 5, 4.5}, {20, 250, 9, 8}},
		Disturbed: []Disturbed{{"restart | of all", false, 10, 5000, 0, nil}, {"kill", true, 20, 199_998, 2, map[string]int{"read answer: EOF": 2}}},
		Problems:  []string{"a\nb"},
	}
	for _, id := range []string{IDTCP, IDNcalrpc, IDNP, IDEpmapper} {
		c := Comparison{ID: id, Title: "Bind over " + id}
		ours := []string{WhoSamba, WhoNative, WhoStock}
		switch id {
		case IDTCP:
			ours = []string{WhoSamba, WhoNative, WhoLimit, WhoStock}
		case IDEpmapper:
			ours = []string{WhoDirect, WhoLimit, WhoStock}
		}
		for _, n := range Clients {
			var all []Rounds
			for _, who := range ours {
				v := map[string]float64{WhoSamba: 1.3, WhoNative: 1.6, WhoDirect: 2.5, WhoLimit: 2, WhoStock: 1}[who]
				all = append(all, Rounds{who, []Sample{
					{Conns: 10, Rate: 1000 * v, P50: 100 / v, P99: 300, CPU: 80 / v, CPUKernel: 40, ClientCPU: 30},
					{Conns: 10, Rate: 2000 * v, P50: 200 / v, P99: 600, CPU: 80 / v, CPUKernel: 40, ClientCPU: 30, Failed: 1},
				}})
			}
			c.Rows = append(c.Rows, Rows(n, all)...)
		}
		r.Binds = append(r.Binds, c)
	}
	r.Budgets = r.Judge()
	return r
}

func TestJSONComesBack(t *testing.T) {
	r := example()
	var b bytes.Buffer
	check.OK(t, r.WriteJSON(&b))
	got, err := ReadJSON(&b)
	if err != nil || !reflect.DeepEqual(r, got) {
		t.Errorf("%v\n%+v\n%+v", err, r, got)
	}
	for _, text := range []string{"", "{", `{"unknown": 1}`, "[]"} {
		if _, err := ReadJSON(strings.NewReader(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestRatiosAreThoseWithinARound(t *testing.T) {
	// A machine that becomes twice as fast in the second round, and one round
	// that failed.
	rows := Rows(8, []Rounds{
		{WhoSamba, []Sample{{Rate: 12, P50: 5}, {Rate: 26, P50: 3}, {Failed: 3}}},
		{WhoStock, []Sample{{Rate: 10, P50: 10}, {Rate: 20, P50: 5}, {Rate: 20, P50: 5}}},
	})
	got := rows[0].Stock
	if d := got.Rate; math.Abs(d.Median-1.25) > 1e-9 || math.Abs(d.Low-1.2) > 1e-9 || math.Abs(d.High-1.3) > 1e-9 {
		t.Errorf("rate %+v", d)
	}
	if d := got.P50; math.Abs(d.Median-0.55) > 1e-9 {
		t.Errorf("p50 %+v", d)
	}
	if got.CPU != (Ratio{}) || rows[0].Limit != nil || rows[0].Failed != 3 || rows[0].Clients != 8 {
		t.Errorf("%+v", rows[0])
	}
	check.Is(t, "to itself", (Ratio{1, 1, 1}), rows[1].Stock.Rate)
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}} {
		if got := Median(tt.v); got != tt.want {
			t.Errorf("median of %v: %v", tt.v, got)
		}
	}
	v := []float64{2, 1}
	if Median(v); v[0] != 2 {
		t.Error("it sorts what it is given")
	}
}

func TestMarkdownHasEqualCellsInEachLineOfATable(t *testing.T) {
	var b bytes.Buffer
	example().Markdown(&b)
	cells, tables := 0, 0
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if cells == 0 {
			cells = n
			tables++
		}
		if n != cells {
			t.Errorf("%d cells instead of %d: %s", n-1, cells-1, line)
		}
	}
	if want := 12; tables != want {
		t.Errorf("%d tables, want %d:\n%s", tables, want, &b)
	}
	for _, want := range []string{"| 8 | msrpcd, rpcd of Samba | 1950 |", "private 0.50 KiB", "No further: with 12000", "2 × read answer: EOF", "- a b\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "NaN") {
		t.Error("it says NaN")
	}
}

func TestSummaryIsShort(t *testing.T) {
	var b bytes.Buffer
	example().Summary(&b)
	if n := strings.Count(b.String(), "\n|"); n > 15 {
		t.Errorf("%d lines:\n%s", n, &b)
	}
}

// elements reads an SVG to its end and counts elements by name and class.
func elements(t *testing.T, r *Result) map[string]int {
	t.Helper()
	var b bytes.Buffer
	check.OK(t, r.SVG(&b))
	count := map[string]int{}
	for d := xml.NewDecoder(&b); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			count[e.Name.Local]++
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "class":
					count["."+a.Value]++
				case "x", "y", "width", "height", "x1", "x2", "y1", "y2":
					if strings.Contains(a.Value, "NaN") || strings.HasPrefix(a.Value, "-") {
						t.Errorf("%s: %s=%s", e.Name.Local, a.Name.Local, a.Value)
					}
				}
			}
		}
	}
}

func TestSVGHasABarForEachRatio(t *testing.T) {
	got := elements(t, example())
	// Each of three panels has 3 numbers of clients; the legend has one more.
	for class, want := range map[string]int{".samba": 3*3*3 + 1, ".native": 3*3*4 + 1, ".limit": 3*3*2 + 1, ".one": 3 + 1, ".value": 3 * 3 * 9} {
		if got[class] != want {
			t.Errorf("%d of %s, want %d", got[class], class, want)
		}
	}
}

func TestSVGOfNothing(t *testing.T) {
	if got := elements(t, &Result{}); got["text"] == 0 || got["g"] != 0 {
		t.Errorf("%v", got)
	}
}

func TestAnAxisHasRoomAndFewTicks(t *testing.T) {
	for _, v := range []float64{0.1, 1, 1.6, 3.3, 7, 40, 550} {
		end, step := top(v)
		if end < v || end/step > 8 {
			t.Errorf("%v: axis to %v by %v", v, end, step)
		}
	}
}
