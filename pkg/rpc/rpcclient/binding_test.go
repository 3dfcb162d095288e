// SPDX-License-Identifier: Apache-2.0

package rpcclient

import (
	"testing"

	"msrpcd/pkg/wire/binding"

	"github.com/google/go-cmp/cmp"
)

var bindings = map[string]binding.Binding{
	"ncacn_ip_tcp:host.example[135]": {Protseq: "ncacn_ip_tcp", Host: "host.example", Endpoint: "135"},
	"ncacn_ip_tcp:host.example":      {Protseq: "ncacn_ip_tcp", Host: "host.example"},
	"ncacn_ip_tcp:host.example[]":    {Protseq: "ncacn_ip_tcp", Host: "host.example"},
	"ncacn_ip_tcp:":                  {Protseq: "ncacn_ip_tcp"},
	"ncacn_ip_tcp:[49152]":           {Protseq: "ncacn_ip_tcp", Endpoint: "49152"},
	"ncacn_ip_tcp:192.0.2.1[00135]":  {Protseq: "ncacn_ip_tcp", Host: "192.0.2.1", Endpoint: "135"},
	"ncacn_ip_tcp:::1[135]":          {Protseq: "ncacn_ip_tcp", Host: "::1", Endpoint: "135"},
	"ncacn_ip_tcp:[::1][135]":        {Protseq: "ncacn_ip_tcp", Host: "::1", Endpoint: "135"},
	"ncacn_ip_tcp:[::1]":             {Protseq: "ncacn_ip_tcp", Host: "::1"},
	"ncacn_ip_tcp:fe80::1%lan0[135]": {Protseq: "ncacn_ip_tcp", Host: "fe80::1%lan0", Endpoint: "135"},
	"ncalrpc:[winreg]":               {Protseq: "ncalrpc", Endpoint: "winreg"},
	"ncalrpc:[/run/x/winreg]":        {Protseq: "ncalrpc", Endpoint: "/run/x/winreg"},
}

var noBindings = []string{
	"", "winreg", "ncacn_ip_tcp", "ncacn_http:host[593]", `ncacn_np:[\pipe\winreg]`, "ncalrpc:", "ncalrpc:[]", "ncalrpc:host[x]",
	"ncalrpc:[a/b]", "ncalrpc:[..]", "ncacn_ip_tcp:host[0]", "ncacn_ip_tcp:host[65536]", "ncacn_ip_tcp:host[x]", "ncacn_ip_tcp:host[135",
	"ncacn_ip_tcp:host]135[", "ncacn_ip_tcp:host[135][136]", "ncacn_ip_tcp:[::1]x[135]", "ncacn_ip_tcp:[::1]x", "ncacn_ip_tcp:host[135,print]", "ncacn_ip_tcp:a b[135]",
	"ncacn_ip_tcp:h\x00[135]", "60a15ec5-4de8-11d7-a637-005056a20182@ncacn_ip_tcp:host[135]", "ncacn_ip_tcp:a/b[1]",
}

func TestParseBinding(t *testing.T) {
	for s, want := range bindings {
		got, err := ParseBinding(s)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", s, err, d)
		}
	}
	for _, s := range noBindings {
		if got, err := ParseBinding(s); err == nil {
			t.Errorf("%q: %+v", s, got)
		}
	}
}

func FuzzParseBinding(f *testing.F) {
	for s := range bindings {
		f.Add(s)
	}
	for _, s := range noBindings {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseBinding(s)
		if err != nil {
			return
		}
		again, err := ParseBinding(b.String())
		if err != nil || again != b {
			t.Errorf("%q is %+v, which is written as %s, which is %+v, %v", s, b, b, again, err)
		}
	})
}
