// SPDX-License-Identifier: Apache-2.0

package epm

// The server as it runs, in a process of its own: this test binary again, with
// listeners as systemd passes them.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/catalogue"
	"msrpcd/pkg/config"
	"msrpcd/pkg/dcerpc"
	"msrpcd/pkg/layout"
	"msrpcd/pkg/listing"
	"msrpcd/pkg/ndr"
	"msrpcd/pkg/rpcclient"
	"msrpcd/pkg/rpcd"
	"msrpcd/pkg/status"
	"msrpcd/pkg/uuid"
)

// serveVar makes this test binary the server, with its files below a directory.
const serveVar = "EPM_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveVar); dir != "" {
		os.Exit(serve(dir))
	}
	os.Exit(m.Run())
}

func serve(dir string) int {
	os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
	layout.Runtime, layout.State = dir, dir
	s := Server()
	s.Interfaces[0].Bindings[1].Endpoint = os.Getenv("EPM_TEST_PORT")
	m := newMapper(&Source{Catalogue: layout.Catalogue(), LastGood: filepath.Join(dir, "last"), Units: filepath.Join(dir, "units"),
		Config: func() (*config.Config, error) { return samba417Config(), nil }}, statePath())
	s.Start = m.start
	s.Interfaces[0].Ops = m.ops()
	return rpcd.Main(s, nil)
}

// server is a running mapper.
type server struct {
	t   *testing.T
	dir string
	tcp string
	cmd *exec.Cmd
	fds []*os.File
}

// start serves the rpcds of Samba 4.17.
func start(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir()}
	s.write(func(*catalogue.Catalogue) {})
	if err := os.Mkdir(filepath.Join(s.dir, "epmapper"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := status.Prepare(filepath.Join(s.dir, "epmapper", "status"), 1, os.Geteuid(), os.Getegid()); err != nil {
		t.Fatal(err)
	}
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(s.dir, "EPMAPPER"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	_, s.tcp, _ = net.SplitHostPort(tcp.Addr().String())
	for _, l := range []interface{ File() (*os.File, error) }{tcp, unix} {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		s.fds = append(s.fds, f)
	}
	tcp.Close()
	unix.SetUnlinkOnClose(false)
	unix.Close()
	s.run()
	return s
}

// write writes a catalogue with a change.
func (s *server) write(change func(*catalogue.Catalogue)) {
	s.t.Helper()
	c, _ := samba417(s.t)
	change(c)
	if err := catalogue.Write(filepath.Join(s.dir, "catalogue.db"), c); err != nil {
		s.t.Fatal(err)
	}
}

// run starts the process. Clients wait in its listeners until it is ready.
func (s *server) run() {
	s.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(exe)
	s.cmd.ExtraFiles = s.fds
	s.cmd.Stderr = os.Stderr
	s.cmd.Env = append(os.Environ(), serveVar+"="+s.dir, "EPM_TEST_PORT="+s.tcp, "LISTEN_FDS=2", "LISTEN_FDNAMES=tcp:ncalrpc",
		"RUNTIME_DIRECTORY="+s.dir, "MSRPC_IDLE_SEC=0", "MSRPC_WORKER=0", "NOTIFY_SOCKET=", "JOURNAL_STREAM=", "INVOCATION_ID=")
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd := s.cmd
	s.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}

// stop ends it as systemd does.
func (s *server) stop() {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("it ended with %v", err)
	}
}

// client is a connection to a mapper.
type client struct {
	*rpcclient.Conn
	t *testing.T
}

// dial connects over TCP, or ncalrpc, into an association group.
func (s *server) dial(local bool, group uint32, format ndr.Format) *client {
	s.t.Helper()
	b := rpcclient.Binding{Protseq: listing.ProtseqTCP, Host: "127.0.0.1", Endpoint: s.tcp}
	if local {
		b = rpcclient.Binding{Protseq: listing.ProtseqNcalrpc, Endpoint: "EPMAPPER"}
	}
	c, err := rpcclient.Dial(context.Background(), b, rpcclient.Options{NcalrpcDir: s.dir, Timeout: 20 * time.Second, Format: format})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	if err := c.Bind(context.Background(), group, Interface); err != nil {
		s.t.Fatal(err)
	}
	return &client{c, s.t}
}

func (c *client) try(opnum uint16, in, out ndr.Value) error {
	return c.Call(context.Background(), rpcclient.Operation{Interface: Interface, Opnum: opnum}, in, out)
}

func (c *client) call(opnum uint16, in, out ndr.Value) {
	c.t.Helper()
	if err := c.try(opnum, in, out); err != nil {
		c.t.Fatalf("operation %d: %v", opnum, err)
	}
}

// result is the status of a call that returns nothing else.
type result struct{ Status Status }

func (r *result) NDR(c *ndr.Codec) { c.Uint32((*uint32)(&r.Status)) }

// freed are the results of ept_lookup_handle_free.
type freed struct {
	HandleFree
	result
}

func (r *freed) NDR(c *ndr.Codec) { r.HandleFree.NDR(c); r.result.NDR(c) }

// list looks all up in pages and returns what came, and the pages as text.
func (c *client) list(max uint32) (lines []string, pages string) {
	c.t.Helper()
	in := LookupRequest{Versions: VersionsAll, MaxEntries: max}
	for range 1000 {
		var out LookupResponse
		c.call(OpLookup, &in, &out)
		end := ""
		if out.Handle.IsNil() {
			end = "."
		}
		pages += fmt.Sprintf(" %d%s%s", len(out.Entries.Elem), strings.Repeat("!", int(min(out.Status, 1))), end)
		for _, e := range out.Entries.Elem {
			tower, err := ParseTower(e.Tower.Tower.Octets)
			if err != nil {
				c.t.Fatal(err)
			}
			b, _ := tower.Binding()
			lines = append(lines, string(e.Annotation)+" "+b.String())
		}
		if in.Handle = out.Handle; in.Handle.IsNil() {
			break
		}
	}
	slices.Sort(lines)
	return lines, pages
}

// plain are the lines of the whole table, for clients with an address.
func plain(t *testing.T, address string) (lines []string) {
	for _, l := range endpoints(t, table417(t).entries) {
		l = strings.TrimSuffix(l, " NDR64")
		lines = append(lines, strings.Replace(l, "ncacn_ip_tcp:[", "ncacn_ip_tcp:"+address+"[", 1))
	}
	slices.Sort(lines)
	return lines
}

// How clients find the end: pages of entries, "!" with ept_s_not_registered,
// "." with the zero handle.
func TestLookupInPages(t *testing.T) {
	s := start(t)
	c := s.dial(false, 0, 0)
	want := plain(t, "127.0.0.1")
	n := len(want)
	ones := strings.Repeat(" 1", n)
	for max, pages := range map[uint32]string{
		500:           fmt.Sprintf(" %d.", n),
		0xffffffff:    fmt.Sprintf(" %d.", n),
		1:             ones + " 0!.",                                            // rpcclient
		10:            strings.Repeat(" 10", n/10) + fmt.Sprintf(" %d!.", n%10), // smbtorture
		uint32(n):     fmt.Sprintf(" %d 0!.", n),                                // all, but it can not know
		30:            strings.Repeat(" 30", n/30) + fmt.Sprintf(" %d.", n%30),  // by the handle
		uint32(n - 1): fmt.Sprintf(" %d 1.", n-1),
	} {
		lines, got := c.list(max)
		if d := cmp.Diff(want, lines); d != "" || got != pages {
			t.Errorf("max_ents %d: pages%s, want%s; (-want +got)\n%s", max, got, pages, d)
		}
	}
	for _, format := range []ndr.Format{ndr.BigEndian, ndr.NDR64} {
		if lines, _ := s.dial(false, 0, format).list(500); cmp.Diff(want, lines) != "" {
			t.Errorf("format %d: %s", format, cmp.Diff(want, lines))
		}
	}
	if lines, _ := s.dial(true, 0, 0).list(500); cmp.Diff(plain(t, ""), lines) != "" {
		t.Errorf("ncalrpc: %s", cmp.Diff(plain(t, ""), lines))
	}
	var out LookupResponse
	c.call(OpLookup, &LookupRequest{Inquiry: MatchByObject, HasObject: true, Object: [16]byte(uuid.New()), MaxEntries: 5}, &out)
	if out.Status != NotRegistered || !out.Handle.IsNil() || len(out.Entries.Elem) > 0 {
		t.Errorf("nothing matches: %+v", out)
	}
	for want, in := range map[Status]*LookupRequest{CantPerformOp: {}, InvalidInquiryType: {Inquiry: 9, MaxEntries: 1}} {
		if c.call(OpLookup, in, &out); out.Status != want {
			t.Errorf("%+v: %s", in, out.Status)
		}
	}
}

func TestHandlesOfLookups(t *testing.T) {
	s := start(t)
	c := s.dial(false, 0, 0)
	member, stranger := s.dial(false, c.Group(), 0), s.dial(false, 0, 0)
	var out LookupResponse
	c.call(OpLookup, &LookupRequest{MaxEntries: 2}, &out)
	next := LookupRequest{MaxEntries: 2, Handle: out.Handle}
	mismatch := func(what string, err error) {
		t.Helper()
		var fault *rpcclient.Fault
		if !errors.As(err, &fault) || fault.Status != dcerpc.NcaContextMismatch {
			t.Errorf("%s: %v", what, err)
		}
	}
	mismatch("another group", stranger.try(OpLookup, &next, &out))
	mismatch("another call", c.try(OpMap, &MapRequest{Handle: next.Handle, MaxTowers: 1}, &MapResponse{}))
	if member.call(OpLookup, &next, &out); out.Handle != next.Handle || len(out.Entries.Elem) != 2 {
		t.Errorf("the group's other connection: %+v", out)
	}
	var free freed
	member.call(OpLookupHandleFree, &HandleFree{next.Handle}, &free)
	if free.Status != OK || !free.Handle.IsNil() {
		t.Errorf("%+v", free)
	}
	mismatch("freed", c.try(OpLookup, &next, &out))
	mismatch("freed twice", c.try(OpLookupHandleFree, &HandleFree{next.Handle}, &free))
	if c.call(OpLookupHandleFree, &HandleFree{}, &free); free.Status != OK {
		t.Errorf("the zero handle: %+v", free)
	}
}

// A listing goes on in what it began with; the next one is of today.
func TestRefreshDuringALookup(t *testing.T) {
	s := start(t)
	c := s.dial(false, 0, 0)
	var out LookupResponse
	c.call(OpLookup, &LookupRequest{MaxEntries: 1}, &out)
	s.write(func(c *catalogue.Catalogue) {
		c.Rpcds = slices.DeleteFunc(c.Rpcds, func(e catalogue.Entry) bool { return e.Name != "winreg" })
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		if lines, _ := c.list(500); len(lines) == 3 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("still %d endpoints", len(lines))
		}
	}
	c.call(OpLookup, &LookupRequest{MaxEntries: 500, Handle: out.Handle}, &out)
	if n := len(table417(t).entries); len(out.Entries.Elem) != n-1 || out.Status != OK {
		t.Errorf("%d entries more, %s; want %d", len(out.Entries.Elem), out.Status, n-1)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "catalogue.db"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if lines, _ := c.list(500); len(lines) != 3 {
			t.Fatalf("a damaged catalogue: %v", lines)
		}
	}
}

// ask is a request of ept_map.
func ask(t *testing.T, id dcerpc.SyntaxID, protseq string, max uint32) *MapRequest {
	t.Helper()
	tower, err := AppendTower(nil, id, dcerpc.NDR, Binding{Protseq: protseq})
	if err != nil {
		t.Fatal(err)
	}
	return &MapRequest{Tower: TowerRef{true, TowerOctets{tower}}, MaxTowers: max}
}

func leads(t *testing.T, out *MapResponse) (s []string) {
	t.Helper()
	for _, ref := range out.Towers.Elem {
		tower, err := ParseTower(ref.Tower.Octets)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := tower.Binding()
		s = append(s, b.String())
	}
	return s
}

func TestMapCall(t *testing.T) {
	s := start(t)
	c := s.dial(false, 0, 0)
	lsarpc := dcerpc.SyntaxID{UUID: uuid.MustParse("12345778-1234-abcd-ef00-0123456789ab")}
	var out MapResponse
	c.call(OpMap, ask(t, winreg, listing.ProtseqTCP, 1), &out)
	if d := cmp.Diff([]string{"ncacn_ip_tcp:127.0.0.1[49158]"}, leads(t, &out)); d != "" || out.Status != OK || !out.Handle.IsNil() {
		t.Errorf("winreg: %s, %v\n%s", out.Status, out.Handle, d)
	}
	in := ask(t, lsarpc, listing.ProtseqNP, 1)
	c.call(OpMap, in, &out)
	if d := cmp.Diff([]string{`ncacn_np:[\pipe\lsarpc]`}, leads(t, &out)); d != "" || out.Status != OK || out.Handle.IsNil() {
		t.Errorf("lsarpc: %s, %v\n%s", out.Status, out.Handle, d)
	}
	in.Handle = out.Handle
	c.call(OpMap, in, &out)
	if d := cmp.Diff([]string{`ncacn_np:[\pipe\lsass]`}, leads(t, &out)); d != "" || out.Status != OK || !out.Handle.IsNil() {
		t.Errorf("its second pipe: %s, %v\n%s", out.Status, out.Handle, d)
	}
	if err := c.try(OpMap, in, &out); err == nil {
		t.Error("a handle that came to its end was taken")
	}
	for what, tt := range map[string]struct {
		in   *MapRequest
		want Status
	}{
		"unknown":          {ask(t, dcerpc.SyntaxID{UUID: uuid.New()}, listing.ProtseqTCP, 4), NotRegistered},
		"other protocols":  {ask(t, winreg, listing.ProtseqHTTP, 4), NotRegistered},
		"no tower":         {&MapRequest{MaxTowers: 1}, CantPerformOp},
		"no room":          {ask(t, winreg, listing.ProtseqTCP, 0), CantPerformOp},
		"more than a page": {ask(t, winreg, listing.ProtseqTCP, 1<<31), OK},
		"damaged":          {&MapRequest{MaxTowers: 1, Tower: TowerRef{true, TowerOctets{[]byte{5, 0, 1}}}}, CantPerformOp},
		"an unknown object": {func() *MapRequest {
			r := ask(t, winreg, listing.ProtseqTCP, 1)
			r.HasObject, r.Object = true, [16]byte(uuid.New())
			return r
		}(), OK},
	} {
		if c.call(OpMap, tt.in, &out); out.Status != tt.want || !out.Handle.IsNil() || (len(out.Towers.Elem) > 0) != (tt.want == OK) {
			t.Errorf("%s: %s, %d towers", what, out.Status, len(out.Towers.Elem))
		}
	}
}

func TestInsertAndDelete(t *testing.T) {
	s := start(t)
	id := dcerpc.SyntaxID{UUID: uuid.New(), Version: 1}
	entry := func(protseq, endpoint string) []Entry {
		tower, err := AppendTower(nil, id, dcerpc.NDR, Binding{Protseq: protseq, Endpoint: endpoint})
		if err != nil {
			t.Fatal(err)
		}
		return []Entry{{Tower: TowerRef{true, TowerOctets{tower}}, Annotation: []byte("mine")}}
	}
	es := entry(listing.ProtseqTCP, "5000")
	status := func(c *client, opnum uint16, in ndr.Value) Status {
		t.Helper()
		var out result
		c.call(opnum, in, &out)
		return out.Status
	}
	mapped := func(want ...string) {
		t.Helper()
		var out MapResponse
		s.dial(false, 0, 0).call(OpMap, ask(t, id, listing.ProtseqTCP, 4), &out)
		if d := cmp.Diff(want, leads(t, &out)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
	mgmt := &MgmtDeleteRequest{Tower: es[0].Tower}
	remote := s.dial(false, 0, 0)
	for opnum, in := range map[uint16]ndr.Value{OpInsert: &InsertRequest{Entries{es}, 0}, OpDelete: &Entries{es}, OpMgmtDelete: mgmt} {
		if got := status(remote, opnum, in); got != CantPerformOp {
			t.Errorf("operation %d over TCP: %s", opnum, got)
		}
	}
	c := s.dial(true, 0, 0)
	if os.Geteuid() != 0 {
		if got := status(c, OpInsert, &InsertRequest{Entries{es}, 0}); got != CantPerformOp {
			t.Errorf("insert by another user: %s", got)
		}
		return
	}
	for _, step := range []struct {
		what  string
		opnum uint16
		in    ndr.Value
		want  Status
	}{
		{"delete what is not there", OpDelete, &Entries{es}, NotRegistered},
		{"insert", OpInsert, &InsertRequest{Entries{es}, 0}, OK},
		{"insert without a tower", OpInsert, &InsertRequest{Entries{[]Entry{{Annotation: []byte{}}}}, 0}, InvalidEntry},
		{"delete without a tower", OpDelete, &Entries{[]Entry{{Annotation: []byte{}}}}, InvalidEntry},
		{"insert another", OpInsert, &InsertRequest{Entries{entry(listing.ProtseqTCP, "5001")}, 0}, OK},
	} {
		if got := status(c, step.opnum, step.in); got != step.want {
			t.Errorf("%s: %s, want %s", step.what, got, step.want)
		}
	}
	mapped("ncacn_ip_tcp:127.0.0.1[5000]", "ncacn_ip_tcp:127.0.0.1[5001]")
	if got := status(c, OpInsert, &InsertRequest{Entries{entry(listing.ProtseqTCP, "5002")}, 1}); got != OK {
		t.Errorf("insert and replace: %s", got)
	}
	mapped("ncacn_ip_tcp:127.0.0.1[5002]")

	s.stop()
	s.run()
	mapped("ncacn_ip_tcp:127.0.0.1[5002]")
	c = s.dial(true, 0, 0)
	mgmt.Tower = entry(listing.ProtseqTCP, "5002")[0].Tower
	mgmt.ObjectSpecified, mgmt.HasObject, mgmt.Object = 1, true, [16]byte(uuid.New())
	if got := status(c, OpMgmtDelete, mgmt); got != NotRegistered {
		t.Errorf("mgmt_delete of another object: %s", got)
	}
	mgmt.ObjectSpecified = 0
	if got := status(c, OpMgmtDelete, mgmt); got != OK {
		t.Errorf("mgmt_delete: %s", got)
	}
	mapped()
	var out LookupResponse
	c.call(OpLookup, &LookupRequest{MaxEntries: 1}, &out)
	if got := status(c, OpDelete, &Entries{out.Entries.Elem}); got != CantPerformOp {
		t.Errorf("delete of what msrpcd serves: %s", got)
	}
}

// object is what ept_inq_object returns.
type object struct {
	ID ndr.UUID
	result
}

func (o *object) NDR(c *ndr.Codec) { o.ID.NDR(c); o.result.NDR(c) }

func TestInqObject(t *testing.T) {
	s := start(t)
	var a, b object
	c := s.dial(false, 0, 0)
	c.call(OpInqObject, &nothing{}, &a)
	s.stop()
	s.run()
	s.dial(false, 0, 0).call(OpInqObject, &nothing{}, &b)
	if a != b || a.Status != OK {
		t.Errorf("%+v, then %+v", a, b)
	}
	path := filepath.Join(t.TempDir(), "machine-id")
	if u := mapObject(path); !u.IsNil() {
		t.Errorf("%s without a machine id", u)
	}
	if err := os.WriteFile(path, []byte("0123456789abcdef0123456789abcdef\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if u := mapObject(path); u.IsNil() || strings.HasPrefix(u.String(), "01234567") {
		t.Error(u)
	}
}

type nothing struct{}

func (*nothing) NDR(*ndr.Codec) {}

// Requests that end early or claim too much fault and cost nobody anything.
func TestBadStubs(t *testing.T) {
	s := start(t)
	c := s.dial(true, 0, 0)
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for opnum := uint16(OpInsert); opnum <= OpMgmtDelete; opnum++ {
		if opnum == OpInqObject {
			continue
		}
		for _, stub := range [][]byte{nil, huge, huge[:3]} {
			_, _, err := c.CallStub(context.Background(), rpcclient.Operation{Interface: Interface, Opnum: opnum}, stub)
			var fault *rpcclient.Fault
			if !errors.As(err, &fault) || fault.Status != dcerpc.FaultBadStubData {
				t.Errorf("operation %d with %x: %v", opnum, stub, err)
			}
		}
	}
	if _, _, err := c.CallStub(context.Background(), rpcclient.Operation{Interface: Interface, Opnum: OpMgmtDelete + 1}, nil); err == nil {
		t.Error("there is an operation 7")
	}
	if lines, _ := c.list(500); len(lines) == 0 {
		t.Error("it tells nothing any more")
	}
}
