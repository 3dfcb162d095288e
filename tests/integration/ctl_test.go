// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/tests/tools/check"
)

// msrpcctl as a client of servers, and the endpoint mapper through it.

const winregID = "338cd001-2244-31f1-aaaa-900038001003/1.0"

// pinged is what msrpcctl ping --json prints, as far as tests look at it.
type pinged struct {
	Binding, Interface string
	Answered           int
	Tries              []struct {
		Group  uint32 `json:"association_group"`
		Worker int
		Error  string
	}
}

func (h *host) ping(args ...string) (p pinged) {
	h.t.Helper()
	check.OK(h.t, json.Unmarshal([]byte(h.run(append([]string{"msrpcctl", "ping", "--json"}, args...)...)), &p))
	return p
}

// endpoints is what msrpcctl endpoints --json prints: a line for each, sorted,
// without the host.
func (h *host) endpoints(args ...string) []string {
	h.t.Helper()
	var list []struct{ UUID, Version, Binding string }
	check.OK(h.t, json.Unmarshal([]byte(h.run(append([]string{"msrpcctl", "endpoints", "--json"}, args...)...)), &list))
	var lines []string
	for _, e := range list {
		lines = append(lines, endpointLine(e.UUID, e.Version, e.Binding))
	}
	return sorted(lines)
}

func endpointLine(uuid, version, binding string) string {
	protseq, rest, _ := strings.Cut(binding, ":")
	_, endpoint, _ := strings.Cut(rest, "[")
	return strings.ToLower(uuid + " " + version + " " + protseq + ":[" + endpoint)
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return slices.Compact(lines)
}

// planned is what msrpcctl list says is served, as endpoints has it.
func (h *host) planned() []string {
	h.t.Helper()
	var list []struct {
		Name       string
		Port       int
		Interfaces []struct {
			UUID, Version string
			Bindings      []string
		}
		Endpoints []struct{ Transport, Endpoint string }
	}
	check.OK(h.t, json.Unmarshal([]byte(h.run("msrpcctl", "list", "--json")), &list))
	var lines []string
	for _, r := range list {
		served := map[string]bool{}
		for _, e := range r.Endpoints {
			served[e.Transport] = true
		}
		for _, i := range r.Interfaces {
			for _, b := range i.Bindings {
				switch {
				case b == "ncacn_ip_tcp:":
					b = fmt.Sprintf("ncacn_ip_tcp:[%d]", r.Port)
				case b == "ncalrpc:":
					b = "ncalrpc:[rpcd_" + r.Name + "]"
				}
				protseq, _, _ := strings.Cut(b, ":")
				if served[strings.TrimPrefix(strings.Replace(protseq, "ip_tcp", "tcp", 1), "ncacn_")] {
					lines = append(lines, endpointLine(i.UUID, i.Version, b))
				}
			}
		}
	}
	return sorted(lines)
}

func TestPing(t *testing.T) {
	h := boot(t).install()
	tcp := "ncacn_ip_tcp:127.0.0.1[" + h.port("winreg") + "]"
	for _, args := range [][]string{
		{"winreg"}, {"winreg", "winreg"}, {"winreg", winregID}, {"ncalrpc:[rpcd_winreg]", "winreg"},
		{"ncalrpc:[" + winregNcalrpc + "]"}, {tcp, "winreg"}, {tcp}, {"-c", "3", "-i", "0.01", tcp, "winreg"},
	} {
		p := h.ping(args...)
		if p.Answered != len(p.Tries) || p.Answered == 0 || p.Tries[0].Group == 0 {
			t.Errorf("%v: %+v", args, p)
		}
	}
	// Clients that stay spread over the workers, and the index says which.
	held := h.dial(winregNcalrpc)
	group := bindOn(t, held)
	bits := 16
	if strings.Contains(h.property("msrpc-broker@winreg.service", "Environment"), "MSRPC_INDEX_BITS=8") {
		bits = 8
	}
	p := h.ping("winreg")
	if busy := int(group >> (32 - bits)); p.Tries[0].Worker == busy || p.Tries[0].Worker > 4 {
		t.Errorf("worker %d is busy, and %d answered", busy, p.Tries[0].Worker)
	}
	out, rc := h.try("msrpcctl", "ping", "winreg", "samr")
	h.contains(out, "interface not supported")
	if rc != 1 {
		t.Errorf("exit status %d:\n%s", rc, out)
	}
	h.contains(h.run("msrpcctl", "ping", "-c", "2", "-i", "0", tcp), "2 tried, 2 answered, 0 failed\nmin/avg/max connect ")
	h.run("msrpcctl", "transport", "off", "tcp", "winreg")
	if out, rc := h.try("msrpcctl", "ping", tcp); rc != 1 || !strings.Contains(out, "connection refused") {
		t.Errorf("exit status %d:\n%s", rc, out)
	}
}

// TestSambasMapperIsAsked is about servers that msrpcd has no part in.
func TestSambasMapperIsAsked(t *testing.T) {
	h := boot(t).smbdBehindStock()
	h.eventually(func() error {
		if out, rc := h.try("msrpcctl", "endpoints", "127.0.0.1"); rc != 0 {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	all := strings.Join(h.endpoints("127.0.0.1"), "\n")
	for _, want := range []string{
		"338cd001-2244-31f1-aaaa-900038001003 1.0 ncacn_ip_tcp:[", `338cd001-2244-31f1-aaaa-900038001003 1.0 ncacn_np:[\pipe\winreg]`,
		"12345778-1234-abcd-ef00-0123456789ac 1.0 ncacn_ip_tcp:[", "338cd001-2244-31f1-aaaa-900038001003 1.0 ncalrpc:[",
	} {
		h.contains(all, want)
	}
	h.contains(h.run("msrpcctl", "endpoints"), "winreg")
	one := h.endpoints("--interface", "winreg", "127.0.0.1")
	if len(one) != 1 || !strings.Contains(all, one[0]) {
		t.Errorf("ept_map of winreg: %q", one)
	}
	if p := h.ping("ncacn_ip_tcp:127.0.0.1", "winreg"); p.Answered != 1 || strings.HasSuffix(p.Binding, "127.0.0.1") {
		t.Errorf("%+v", p)
	}
	if out, rc := h.try("msrpcctl", "endpoints", "--interface", "drsuapi"); rc != 1 || !strings.Contains(out, "knows no TCP port of interface drsuapi") {
		t.Errorf("exit status %d:\n%s", rc, out)
	}
}

func TestEndpointsAreThoseOfTheCatalogue(t *testing.T) {
	h := boot(t).install()
	want := h.planned()
	if len(want) < 20 {
		t.Fatalf("msrpcctl list has %q", want)
	}
	for _, args := range [][]string{nil, {"localhost"}, {"127.0.0.1"}, {"::1"}, {"ncalrpc:[EPMAPPER]"}} {
		if d := cmp.Diff(want, h.endpoints(args...)); d != "" {
			t.Errorf("%v: catalogue (-), endpoints (+):\n%s", args, d)
		}
	}
	one := h.endpoints("--interface", winregID)
	if port := "ncacn_ip_tcp:[" + h.port("winreg") + "]"; len(one) != 1 || !strings.HasSuffix(one[0], port) {
		t.Errorf("ept_map of winreg: %q, want %s", one, port)
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		if p := h.ping("ncacn_ip_tcp:"+host, "winreg"); p.Answered != 1 {
			t.Errorf("%+v", p)
		}
	}
}

// TestGoMsrpcListsEveryEndpoint is about a client that shares no code with
// msrpcd.
func TestGoMsrpcListsEveryEndpoint(t *testing.T) {
	buildGoMsrpc(t)
	h := boot(t).install()
	want := h.planned()
	for _, args := range [][]string{{}, {"-max", "7"}, {"-max", "1"}, {"-ndr64"}, {"-ndr64", "-max", "7"}} {
		var got []string
		for _, line := range strings.Split(strings.TrimSpace(h.run(append(append([]string{"gomsrpc"}, args...), "ncacn_ip_tcp:127.0.0.1[135]")...)), "\n") {
			if f := strings.SplitN(line, " ", 3); len(f) == 3 {
				got = append(got, endpointLine(f[0], f[1], f[2]))
			}
		}
		if d := cmp.Diff(want, sorted(got)); d != "" {
			t.Errorf("%v: catalogue (-), go-msrpc (+):\n%s", args, d)
		}
	}
	for _, args := range [][]string{{"gomsrpc"}, {"gomsrpc", "-ndr64"}} {
		out := strings.TrimSpace(h.run(append(args, "-map", winregID, "ncacn_ip_tcp:127.0.0.1[135]")...))
		if want := "ncacn_ip_tcp:127.0.0.1[" + h.port("winreg") + "]"; out != want {
			t.Errorf("%v: ept_map of winreg: %q, want %q", args, out, want)
		}
	}
}
