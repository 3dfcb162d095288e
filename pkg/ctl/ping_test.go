// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"msrpcd/pkg/servers/epm"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/tests/tools/check"
)

func TestPing(t *testing.T) {
	s := &server{group: 0x00051234}
	binding := "ncacn_ip_tcp:127.0.0.1[" + s.start(t) + "]"
	out, err, status := run(t, "ping", "-c", "2", "-i", "0.001", binding, "winreg")
	want := regexp.MustCompile(`^ping winreg 338cd001-2244-31f1-aaaa-900038001003/1\.0 at ncacn_ip_tcp:127\.0\.0\.1\[\d+\]
1: group 0x00051235, worker 5, connect \d+\.\d{3} ms, bind \d+\.\d{3} ms
2: group 0x00051236, worker 5, connect \d+\.\d{3} ms, bind \d+\.\d{3} ms
2 tried, 2 answered, 0 failed
min/avg/max connect \d+\.\d{3}/\d+\.\d{3}/\d+\.\d{3} ms, bind \d+\.\d{3}/\d+\.\d{3}/\d+\.\d{3} ms
$`)
	if !want.MatchString(out) || err != "" || status != 0 {
		t.Errorf("exit status %d\n%s%s", status, err, out)
	}
	s.group = 0x03001234
	out, _, _ = run(t, "ping", "--index-bits", "8", binding)
	if !strings.Contains(out, "group 0x03001235, worker 3,") || !strings.HasPrefix(out, "ping mgmt afa8bd80-") {
		t.Error(out)
	}
}

func TestPingInJSON(t *testing.T) {
	s := &server{group: 0x00010000}
	out, _, status := run(t, "ping", "--json", "-c", "3", "-i", "0", "ncacn_ip_tcp:127.0.0.1["+s.start(t)+"]")
	var r pinged
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err, out)
	}
	if r.Answered != 3 || len(r.Tries) != 3 || r.Tries[2].Worker != 1 || r.Tries[2].Number != 3 || status != 0 {
		t.Errorf("%+v", r)
	}
	var least, most, sum float64 = 1e9, 0, 0
	for _, tr := range r.Tries {
		least, most, sum = min(least, tr.Bind), max(most, tr.Bind), sum+tr.Bind
	}
	if b := r.Bind; b.Min != least || b.Max != most || b.Avg < sum/3-1e-9 || b.Avg > sum/3+1e-9 || least <= 0 {
		t.Errorf("%+v of %+v", b, r.Tries)
	}
}

// Without a count it goes on until it is interrupted; the try that this cuts
// off does not count.
func TestPingIsInterrupted(t *testing.T) {
	s := &server{group: 1}
	tg, err := findTarget("ncacn_ip_tcp:127.0.0.1["+s.start(t)+"]", nil, nil)
	check.OK(t, err)
	p := &pinger{timeout: 10, indexBits: 16, target: tg, iface: epm.Interface}
	ctx, cancel := context.WithCancel(context.Background())
	var r pinged
	p.run(ctx, &r, func(tr *try) {
		if tr.Number == 3 {
			cancel()
		}
	})
	if r.Answered != 3 || len(r.Tries) != 3 {
		t.Errorf("%+v", r)
	}
	p.run(ctx, &r, func(tr *try) { t.Errorf("one more: %+v", tr) })
}

// What is refused is no answer, and the server's reason is told.
func TestPingIsRefused(t *testing.T) {
	iface, _ := parseSyntax(winregIface)
	for want, s := range map[string]*server{
		"bind: the server refuses the bind: temporary congestion":                    {},
		"interface " + winregIface + " is refused by the server: interface not supp": {group: 1, refused: iface},
	} {
		out, _, status := run(t, "ping", "ncacn_ip_tcp:127.0.0.1["+s.start(t)+"]", "winreg")
		if !strings.Contains(out, "1: failed: ncacn_ip_tcp:") || !strings.Contains(out, want) ||
			!strings.HasSuffix(out, "1 tried, 0 answered, 1 failed\n") || status != 1 {
			t.Errorf("exit status %d\n%s", status, out)
		}
	}
}

// The port is the mapper's to tell; its host is the one that was asked.
func TestPingAsksTheMapper(t *testing.T) {
	s := &server{group: 1}
	port := s.start(t)
	e := entry(t, winregIface, dcerpc.NDR, binding.Binding{Protseq: "ncacn_ip_tcp", Host: "192.0.2.1", Endpoint: port}, "")
	m := maps(t, 0, e)
	tg, err := findTarget("ncacn_ip_tcp:127.0.0.1["+m.start(t)+"]", nil, nil)
	check.OK(t, err)
	p := &pinger{timeout: 10, target: tg}
	p.iface, _ = parseSyntax(winregIface)
	check.OK(t, p.ask(context.Background(), wellKnown))
	if got := p.target.binding; got.Host != "127.0.0.1" || got.Endpoint != port {
		t.Errorf("%+v", got)
	}
}
