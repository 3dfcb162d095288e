// SPDX-License-Identifier: Apache-2.0

package listing

// What no rpcd may list, and what the error says of it.

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	head   = "5\n60\n"
	id     = "338cd001-2244-31f1-aaaa-900038001003/0x00000001 "
	winreg = id + "winreg\n"
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

func local(i int) string { return fmt.Sprintf(" ncalrpc:[e%d]\n", i) }

func pipe(i int) string { return fmt.Sprintf("\\pipe\\p%d 65535 65535 18446744073709551615\n", i) }

var badListings = []struct {
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
	{"empty line", head + "\n", 3, "not an interface line"},
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
	{"interface without name", head + id + "\n", 3, "not an interface line"},
	{"percent in a name", head + id + "win%i\n", 3, `interface name "win%i"`},
	{"blank in a name", head + id + "win reg\n", 3, "interface name"},
	{"newline in a name", head + id + "win\nreg\n", 4, "not an interface line"},
	{"long name", head + id + strings.Repeat("x", MaxName+1) + "\n", 3, "interface name"},
	{"upper-case UUID", head + "338CD001-2244-31f1-aaaa-900038001003/0x00000001 winreg\n", 3, "not in lower case"},
	{"bad UUID", head + "338cd001-2244-31f1-aaaa-90003800100g/0x00000001 winreg\n", 3, "is not a UUID"},
	{"UUID without dashes", head + "338cd001x2244x31f1xaaaax900038001003/0x00000001 winreg\n", 3, "is not a UUID"},
	{"bad version", head + "338cd001-2244-31f1-aaaa-900038001003/0x0000000g winreg\n", 3, "version"},
	{"signed version", head + "338cd001-2244-31f1-aaaa-900038001003/0x+0000001 winreg\n", 3, "version"},
	{"short version", head + "338cd001-2244-31f1-aaaa-900038001003/0x1 winreg\n", 3, "not an interface line"},
	{"interface twice", head + winreg + onNP + winreg, 5, "listed twice"},
	{"interface without binding", head + winreg + iface(1), 4, "interface winreg has no binding"},
	{"binding first", head + onNP, 3, "before any interface"},
	{"binding twice", head + winreg + onNP + " ncacn_np:[\\PIPE\\WinReg]\n", 5, "listed twice"},
	{"binding without colon", head + winreg + " ncacn_np\n", 4, "not a binding"},
	{"binding with empty endpoint", head + winreg + " ncalrpc:[]\n", 4, "not a binding"},
	{"binding with rest", head + winreg + " ncalrpc:[x] \n", 4, "not a binding"},
	{"binding with address", head + winreg + " ncacn_ip_tcp:10.0.0.1[135]\n", 4, "not a binding"},
	{"binding with option", head + winreg + " ncacn_ip_tcp:[135,sign]\n", 4, "port"},
	{"strange protocol sequence", head + winreg + " http:[80]\n", 4, "not a protocol sequence"},
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
	{"too many bindings", head + winreg + many(MaxBindings+1, local), 4 + MaxBindings, "more than 64 bindings"},
	{"too many pipes", head + many(MaxPipes+1, pipe), 3 + MaxPipes, "more than 256 pipes"},
	{"pipe line short", head + "\\pipe\\x 1 2\n", 3, "not a pipe line"},
	{"pipe line long", head + "\\pipe\\x 1 2 3 4\n", 3, "not a pipe line"},
	{"pipe line two blanks", head + "\\pipe\\x  1 2 3\n", 3, "not a pipe line"},
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
}

func TestBadListingsAreRefusedWithLine(t *testing.T) {
	for _, tt := range badListings {
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
	if want := `line 3: "x" is not an interface line, which is uuid/0xVERSION NAME`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Parse(nil)
	if want := "the listing is empty, at least the lines num_workers and idle_seconds are needed"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
