// SPDX-License-Identifier: Apache-2.0

package listing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func files(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no file matches %s (%v)", pattern, err)
	}
	m := map[string][]byte{}
	for _, p := range paths {
		if m[p], err = os.ReadFile(p); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func mustUUID(t *testing.T, s string) UUID {
	t.Helper()
	u, err := ParseUUID(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Listings of Samba 4.17.12 and 4.22.11, among them rpcd_witness without an
// interface.
func TestRealListingsRoundTripByteForByte(t *testing.T) {
	all := files(t, "testdata/4.*/*.txt")
	if len(all) != 15 {
		t.Errorf("%d listings, want 15", len(all))
	}
	for path, text := range all {
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
	all := files(t, "testdata/*/*.txt")
	all["npsd"] = files(t, "testdata/npsd_test.txt")["testdata/npsd_test.txt"]
	for _, tt := range []struct {
		file string
		want Listing
	}{
		{"testdata/4.22/rpcd_witness.txt", Listing{Workers: 5, IdleSec: 60}},
		{"testdata/4.22/rpcd_epmapper.txt", Listing{Workers: 1, IdleSec: 10, Interfaces: []Interface{{
			UUID:    mustUUID(t, "e1af8308-5d1f-11c9-91a4-08002b14a0fa"),
			Version: 3,
			Name:    "epmapper",
			Bindings: []Binding{
				{ProtseqNP, `\pipe\epmapper`}, {ProtseqTCP, "135"}, {ProtseqHTTP, "593"}, {ProtseqNcalrpc, "EPMAPPER"},
			},
		}}}},
		{"testdata/4.17/rpcd_winreg.txt", Listing{Workers: 5, IdleSec: 60, Interfaces: []Interface{{
			UUID:     mustUUID(t, "338cd001-2244-31f1-aaaa-900038001003"),
			Version:  1,
			Name:     "winreg",
			Bindings: []Binding{{ProtseqNP, `\pipe\winreg`}, {Protseq: ProtseqTCP}, {Protseq: ProtseqNcalrpc}},
		}}}},
		{"npsd", Listing{Workers: 5, IdleSec: 60, Pipes: []Pipe{
			{Name: "tsvcpipe", FileType: 2, DeviceState: 0x5ff, Allocation: 4096},
			{Name: "msftewds", FileType: 1, DeviceState: 255, Allocation: 4096},
		}}},
	} {
		got, err := Parse(all[tt.file])
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.file, diff)
		}
	}
}

const (
	head   = "5\n60\n"
	winreg = "338cd001-2244-31f1-aaaa-900038001003/0x00000001 winreg\n"
	onNP   = " ncacn_np:[\\pipe\\winreg]\n"
)

func many(n int, f func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

func iface(i int) string {
	return fmt.Sprintf("338cd001-2244-31f1-aaaa-9000%08x/0x00000001 x\n ncalrpc:\n", i)
}

func TestBadListingsAreRefusedWithLine(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		line       int
		say        string
	}{
		{"empty", "", 0, "empty"},
		{"endless", strings.Repeat("5\n", MaxSize), 0, "longer than 262144 bytes"},
		{"binary", "\x7fELF\x02\x01\x01\x00", 1, "byte 0x7f at column 1"},
		{"binary later", head + winreg + "\x00\x00\n", 4, "byte 0x00 at column 1"},
		{"carriage return", "5\r\n60\r\n", 1, "byte 0x0d at column 2"},
		{"usage text", "Usage: rpcd_winreg [OPTION...]\n", 1, "num_workers is"},
		{"cut in line 1", "5", 1, "cut off"},
		{"cut after line 1", "5\n", 2, "idle_seconds is missing"},
		{"cut in a binding", head + winreg + " ncacn_np:[\\pipe\\win", 4, "cut off"},
		{"cut in a line that is complete by chance", head + winreg + " ncacn_ip_tcp:", 4, "cut off"},
		{"cut after an interface", head + winreg, 3, "no binding; the listing is cut off"},
		{"empty line", head + "\n", 3, "no interface line"},
		{"no workers", "0\n60\n", 1, "num_workers is 0, not 1 to 65535; correct rpcd_NAME:num_workers in smb.conf"},
		{"negative workers", "-1\n60\n", 1, "num_workers is -1"},
		{"huge workers", "1215752191\n60\n", 1, "num_workers is 1215752191"},
		{"workers beyond 64 bits", "99999999999999999999999\n60\n", 1, "not a number"},
		{"minus nothing", "-0\n60\n", 1, "not a number"},
		{"leading zero", "05\n60\n", 1, "not a number"},
		{"plus", "+5\n60\n", 1, "not a number"},
		{"blank after number", "5 \n60\n", 1, "not a number"},
		{"negative idle", "5\n-5\n", 2, "idle_seconds is -5"},
		{"huge idle", "5\n99999999999\n", 2, "idle_seconds is 99999999999"},
		{"interface without name", head + "338cd001-2244-31f1-aaaa-900038001003/0x00000001 \n", 3, "no interface line"},
		{"percent in a name", head + "338cd001-2244-31f1-aaaa-900038001003/0x00000001 win%i\n", 3, `interface name "win%i"`},
		{"blank in a name", head + "338cd001-2244-31f1-aaaa-900038001003/0x00000001 win reg\n", 3, "interface name"},
		{"newline in a name", head + "338cd001-2244-31f1-aaaa-900038001003/0x00000001 win\nreg\n", 4, "no interface line"},
		{"long name", head + "338cd001-2244-31f1-aaaa-900038001003/0x00000001 " + strings.Repeat("x", MaxName+1) + "\n", 3, "interface name"},
		{"upper-case UUID", head + "338CD001-2244-31f1-aaaa-900038001003/0x00000001 winreg\n", 3, "not in lower case"},
		{"bad UUID", head + "338cd001-2244-31f1-aaaa-90003800100g/0x00000001 winreg\n", 3, "is not a UUID"},
		{"UUID without dashes", head + "338cd001x2244x31f1xaaaax900038001003/0x00000001 winreg\n", 3, "is not a UUID"},
		{"bad version", head + "338cd001-2244-31f1-aaaa-900038001003/0x0000000g winreg\n", 3, "version"},
		{"signed version", head + "338cd001-2244-31f1-aaaa-900038001003/0x+0000001 winreg\n", 3, "version"},
		{"short version", head + "338cd001-2244-31f1-aaaa-900038001003/0x1 winreg\n", 3, "no interface line"},
		{"interface twice", head + winreg + onNP + winreg, 5, "listed twice"},
		{"interface without binding", head + winreg + iface(1), 4, "interface winreg has no binding"},
		{"binding first", head + onNP, 3, "before any interface"},
		{"binding twice", head + winreg + onNP + " ncacn_np:[\\PIPE\\WinReg]\n", 5, "listed twice"},
		{"binding without colon", head + winreg + " ncacn_np\n", 4, "no binding"},
		{"binding with empty endpoint", head + winreg + " ncalrpc:[]\n", 4, "no binding"},
		{"binding with rest", head + winreg + " ncalrpc:[x] \n", 4, "no binding"},
		{"binding with address", head + winreg + " ncacn_ip_tcp:10.0.0.1[135]\n", 4, "no binding"},
		{"binding with option", head + winreg + " ncacn_ip_tcp:[135,sign]\n", 4, "port"},
		{"strange protocol sequence", head + winreg + " http:[80]\n", 4, "no protocol sequence"},
		{"percent in another sequence", head + winreg + " ncacn_x:[%i]\n", 4, "endpoint"},
		{"pipe without name", head + winreg + " ncacn_np:\n", 4, `does not start with \pipe\`},
		{"pipe of other prefix", head + winreg + " ncacn_np:[\\mailslot\\x]\n", 4, `does not start with \pipe\`},
		{"pipe dot dot", head + winreg + " ncacn_np:[\\pipe\\..]\n", 4, `pipe name ".."`},
		{"pipe up and away", head + winreg + " ncacn_np:[\\pipe\\../../etc/passwd]\n", 4, "pipe name"},
		{"pipe with slash", head + winreg + " ncacn_np:[\\pipe\\a/b]\n", 4, "pipe name"},
		{"pipe with percent", head + winreg + " ncacn_np:[\\pipe\\%i]\n", 4, "pipe name"},
		{"pipe with blank", head + winreg + " ncacn_np:[\\pipe\\a b]\n", 4, "pipe name"},
		{"hidden pipe", head + winreg + " ncacn_np:[\\pipe\\.x]\n", 4, "pipe name"},
		{"long pipe", head + winreg + " ncacn_np:[\\pipe\\" + strings.Repeat("x", MaxEndpoint+1) + "]\n", 4, "pipe name"},
		{"port 0", head + winreg + " ncacn_ip_tcp:[0]\n", 4, "port"},
		{"port 65536", head + winreg + " ncacn_ip_tcp:[65536]\n", 4, "port"},
		{"port name", head + winreg + " ncacn_http:[http]\n", 4, "port"},
		{"huge port", head + winreg + " ncacn_ip_tcp:[99999999999999999999999]\n", 4, "port"},
		{"ncalrpc dot dot", head + winreg + " ncalrpc:[..]\n", 4, "ncalrpc endpoint"},
		{"ncalrpc slash", head + winreg + " ncalrpc:[a/b]\n", 4, "ncalrpc endpoint"},
		{"ncalrpc on the pipe directory", head + winreg + " ncalrpc:[np]\n", 4, "directory of pipes"},
		{"too many interfaces", head + many(MaxInterfaces+1, iface), 3 + 2*MaxInterfaces, "more than 256 interfaces"},
		{"too many bindings", head + winreg + many(MaxBindings+1, func(i int) string { return fmt.Sprintf(" ncalrpc:[e%d]\n", i) }),
			4 + MaxBindings, "more than 64 bindings"},
		{"too many pipes", head + many(MaxPipes+1, func(i int) string { return fmt.Sprintf("\\pipe\\p%d 1 2 3\n", i) }),
			3 + MaxPipes, "more than 256 pipes"},
		{"pipe line short", head + "\\pipe\\x 1 2\n", 3, "no pipe line"},
		{"pipe line long", head + "\\pipe\\x 1 2 3 4\n", 3, "no pipe line"},
		{"pipe line two blanks", head + "\\pipe\\x  1 2 3\n", 3, "no pipe line"},
		{"pipe line dot dot", head + "\\pipe\\.. 1 2 3\n", 3, "pipe name"},
		{"pipe line twice", head + "\\pipe\\x 1 2 3\n\\pipe\\X 1 2 3\n", 4, "pipe x is listed twice"},
		{"pipe type huge", head + "\\pipe\\x 65536 2 3\n", 3, "file type"},
		{"pipe state huge", head + "\\pipe\\x 1 0x10000 3\n", 3, "device state"},
		{"pipe allocation huge", head + "\\pipe\\x 1 2 18446744073709551616\n", 3, "allocation"},
		{"pipe octal", head + "\\pipe\\x 01 2 3\n", 3, "file type"},
		{"pipe underscore", head + "\\pipe\\x 1_0 2 3\n", 3, "file type"},
		{"pipe 0x alone", head + "\\pipe\\x 0x 2 3\n", 3, "file type"},
		{"pipe negative", head + "\\pipe\\x -1 2 3\n", 3, "file type"},
		{"pipes among interfaces", head + winreg + onNP + "\\pipe\\x 1 2 3\n", 5, "either"},
		{"interfaces among pipes", head + "\\pipe\\x 1 2 3\n" + winreg, 4, "either"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Parse([]byte(tt.text))
			var se *SyntaxError
			if !errors.As(err, &se) {
				t.Fatalf("got %+v, %v; want a SyntaxError", l, err)
			}
			if se.Line != tt.line || !strings.Contains(se.Msg, tt.say) {
				t.Errorf("got line %d %q, want line %d ...%s...", se.Line, se.Msg, tt.line, tt.say)
			}
			if len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("message is not fit for a log: %q", err)
			}
		})
	}
}

func TestTheErrorNamesTheLine(t *testing.T) {
	_, err := Parse([]byte("5\n60\nx\n"))
	if want := `line 3: "x" is no interface line, which is uuid/0xVERSION NAME`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Parse(nil)
	if want := "the listing is empty, at least the lines num_workers and idle_seconds are needed"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAListingAtItsBoundsIsAccepted(t *testing.T) {
	for name, text := range map[string]string{
		"workers, idle": "65535\n2147483647\n",
		"idle 0":        "1\n0\n",
		"interfaces":    head + many(MaxInterfaces, iface),
		"bindings":      head + winreg + many(MaxBindings, func(i int) string { return fmt.Sprintf(" ncalrpc:[e%d]\n", i) }),
		"pipes":         head + many(MaxPipes, func(i int) string { return fmt.Sprintf("\\pipe\\p%d 65535 65535 18446744073709551615\n", i) }),
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
	ok := []Binding{{Protseq: ProtseqNcalrpc}}
	for name, l := range map[string]Listing{
		"workers":      {Workers: 0, IdleSec: 1},
		"idle":         {Workers: 1, IdleSec: -1},
		"newline":      {Workers: 1, Interfaces: []Interface{{Name: "a\nb", Bindings: ok}}},
		"no binding":   {Workers: 1, Interfaces: []Interface{{Name: "a"}}},
		"pipe name":    {Workers: 1, Pipes: []Pipe{{Name: ".."}}},
		"upper case":   {Workers: 1, Pipes: []Pipe{{Name: "A"}}},
		"bad endpoint": {Workers: 1, Interfaces: []Interface{{Name: "a", Bindings: []Binding{{ProtseqNP, "x"}}}}},
		"twice":        {Workers: 1, Interfaces: []Interface{{Name: "a", Bindings: ok}, {Name: "b", Bindings: ok}}},
		"both":         {Workers: 1, Interfaces: []Interface{{Name: "a", Bindings: ok}}, Pipes: []Pipe{{Name: "a"}}},
	} {
		if b, err := l.AppendText(nil); err == nil {
			t.Errorf("%s: got %q, want an error", name, b)
		}
	}
}

func TestPipeNode(t *testing.T) {
	got, err := Binding{ProtseqNP, `\PIPE\FssagentRpc`}.PipeNode()
	if err != nil || got != "fssagentrpc" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := (Binding{ProtseqNcalrpc, `\pipe\x`}).PipeNode(); err == nil {
		t.Errorf("ncalrpc: got %q, want an error", got)
	}
}

func TestUUIDText(t *testing.T) {
	const s = "12345778-1234-abcd-ef00-0123456789ac"
	u := mustUUID(t, strings.ToUpper(s))
	if u.String() != s || u[0] != 0x12 || u[15] != 0xac {
		t.Errorf("got %s % x", u, u[:])
	}
	var back UUID
	b, _ := u.MarshalText()
	if err := back.UnmarshalText(b); err != nil || back != u {
		t.Errorf("got %s, %v", back, err)
	}
	for _, bad := range []string{"", s[1:], s + "0", strings.ReplaceAll(s, "-", "_"), "g" + s[1:]} {
		if u, err := ParseUUID(bad); err == nil || u != (UUID{}) {
			t.Errorf("%q: got %s, want an error", bad, u)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range files(f, "testdata/*/*.txt") {
		f.Add(text)
	}
	for _, text := range files(f, "testdata/npsd_test.txt") {
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
