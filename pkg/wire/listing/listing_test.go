// SPDX-License-Identifier: Apache-2.0

package listing

// Listings of real rpcds and those at the bounds, read and written.

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// Listings of Samba 4.17.12 and 4.22.11, among them rpcd_witness without an
// interface.
func TestRealListingsRoundTripByteForByte(t *testing.T) {
	for path, text := range vectors.Match(t, "listings/4.*/*.txt") {
		l, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got, err := l.AppendText([]byte("x"))
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if diff := cmp.Diff("x"+string(text), string(got)); diff != "" {
			t.Errorf("%s: round trip (-want +got):\n%s", path, diff)
		}
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		file string
		want Listing
	}{
		{"listings/4.22/rpcd_witness.txt", Listing{Workers: 5, IdleSec: 60}},
		{"listings/4.22/rpcd_epmapper.txt", Listing{Workers: 1, IdleSec: 10, Interfaces: []Interface{{
			UUID:    uuid.MustParse("e1af8308-5d1f-11c9-91a4-08002b14a0fa"),
			Version: 3,
			Name:    "epmapper",
			Bindings: []binding.Binding{
				{Protseq: binding.NP, Endpoint: `\pipe\epmapper`}, {Protseq: binding.TCP, Endpoint: "135"}, {Protseq: binding.HTTP, Endpoint: "593"}, {Protseq: binding.Ncalrpc, Endpoint: "EPMAPPER"},
			},
		}}}},
		{"listings/4.17/rpcd_winreg.txt", Listing{Workers: 5, IdleSec: 60, Interfaces: []Interface{{
			UUID:     uuid.MustParse("338cd001-2244-31f1-aaaa-900038001003"),
			Version:  1,
			Name:     "winreg",
			Bindings: []binding.Binding{{Protseq: binding.NP, Endpoint: `\pipe\winreg`}, {Protseq: binding.TCP}, {Protseq: binding.Ncalrpc}},
		}}}},
		{"listings/npsd_test.txt", Listing{Workers: 5, IdleSec: 60, Pipes: []Pipe{
			{Name: "tsvcpipe", FileType: 2, DeviceState: 0x5ff, Allocation: 4096},
			{Name: "msftewds", FileType: 1, DeviceState: 255, Allocation: 4096},
		}}},
	} {
		got, err := Parse(vectors.Read(t, tt.file))
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		check.SameIn(t, tt.file, tt.want, *got)
	}
}

func TestAListingAtItsBoundsIsAccepted(t *testing.T) {
	for name, text := range map[string]string{
		"workers, idle": "65535\n2147483647\n",
		"idle 0":        "1\n0\n",
		"interfaces":    head + many(MaxInterfaces, iface),
		"bindings":      head + winreg + many(MaxBindings, local),
		"pipes":         head + many(MaxPipes, pipe),
		"unknown nca":   head + winreg + " ncacn_unix_stream:[/run/x]\n ncadg_ip_udp:\n",
	} {
		l, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := l.AppendText(nil); err != nil || string(got) != text {
			t.Errorf("%s: round trip: %v", name, err)
		}
	}
}

func TestAppendTextRefusesWhatParseWould(t *testing.T) {
	ok := []binding.Binding{{Protseq: binding.Ncalrpc}}
	for name, l := range map[string]Listing{
		"workers":      {Workers: 0, IdleSec: 1},
		"idle":         {Workers: 1, IdleSec: -1},
		"newline":      {Workers: 1, Interfaces: []Interface{{Name: "a\nb", Bindings: ok}}},
		"no binding":   {Workers: 1, Interfaces: []Interface{{Name: "a"}}},
		"pipe name":    {Workers: 1, Pipes: []Pipe{{Name: ".."}}},
		"upper case":   {Workers: 1, Pipes: []Pipe{{Name: "A"}}},
		"bad endpoint": {Workers: 1, Interfaces: []Interface{{Name: "a", Bindings: []binding.Binding{{Protseq: binding.NP, Endpoint: "x"}}}}},
		"a host":       {Workers: 1, Interfaces: []Interface{{Name: "a", Bindings: []binding.Binding{{Protseq: binding.TCP, Host: "h"}}}}},
		"twice":        {Workers: 1, Interfaces: []Interface{{Name: "a", Bindings: ok}, {Name: "b", Bindings: ok}}},
		"both":         {Workers: 1, Interfaces: []Interface{{Name: "a", Bindings: ok}}, Pipes: []Pipe{{Name: "a"}}},
	} {
		if b, err := l.AppendText(nil); err == nil {
			t.Errorf("%s: got %q, want an error", name, b)
		}
	}
}

func TestPipeNode(t *testing.T) {
	got, err := PipeNode(binding.Binding{Protseq: binding.NP, Endpoint: `\PIPE\FssagentRpc`})
	if err != nil || got != "fssagentrpc" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := PipeNode(binding.Binding{Protseq: binding.Ncalrpc, Endpoint: `\pipe\x`}); err == nil {
		t.Errorf("ncalrpc: got %q, want an error", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range vectors.Match(f, "listings/*/*.txt") {
		f.Add(text)
	}
	f.Add([]byte(head + winreg + " ncacn_np:[\\pipe\\..]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := Parse(text)
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || len(se.Msg) > 400 {
				t.Fatalf("%v", err)
			}
			return
		}
		out, err := l.AppendText(nil)
		if err != nil {
			t.Fatalf("accepted but not written: %v", err)
		}
		if len(l.Pipes) == 0 && string(out) != string(text) {
			t.Fatalf("round trip: %q became %q", text, out)
		}
		again, err := Parse(out)
		if err != nil {
			t.Fatalf("own output refused: %v", err)
		}
		if diff := cmp.Diff(l, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
