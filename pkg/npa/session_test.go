// SPDX-License-Identifier: Apache-2.0

package npa

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/sessions.json")

// sessions.json has, for each captured file of testdata, what it says. It is
// made for other implementations too.
const vectors = "testdata/sessions.json"

// anonymous are the clients that samba-dcerpcd told a worker of: the same
// structure as in a request, of clients that nobody authenticated.
func anonymous(t testing.TB) map[string]Session {
	files, err := filepath.Glob("testdata/*.new_client.bin")
	if err != nil || len(files) != 3 {
		t.Fatalf("%d captured clients, %v", len(files), err)
	}
	m := map[string]Session{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		level := uint32(Level8)
		if strings.Contains(f, "samba-4.17") {
			level = Level7
		}
		r := reader{walk: walk{b: b, off: 8}}
		r.blob() // first PDU
		r.text(1)
		r.align(4)
		s := r.whole(level)
		if r.bad || r.err != nil || r.off != len(b) {
			t.Fatalf("%s: %v, %d of %d bytes", f, r.err, r.off, len(b))
		}
		s.classify()
		m[filepath.Base(f)] = s
	}
	return m
}

func TestSessionsOfRealSamba(t *testing.T) {
	got := anonymous(t)
	for name, b := range captured(t) {
		s, err := ParseSession(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got[name] = s
		q, _ := Parse(b)
		if q.Level != s.Level || q.Flags != s.Flags || q.Transport != s.Transport || string(q.ClientAddr) != s.ClientAddr {
			t.Errorf("%s: routing was told %+v, the server %+v", name, q, s)
		}
		for i := range b {
			if _, err := ParseSession(b[:i]); err == nil {
				t.Fatalf("%s: %d of %d bytes are taken", name, i, len(b))
			}
			// The same with a right length: cut in the middle of the identity.
			if i >= HeaderSize {
				if _, err := ParseSessionInfo(s.Level, b[HeaderSize:i]); !errors.Is(err, ErrRequest) {
					t.Fatalf("%s: %d of %d bytes without the header: %v", name, i, len(b), err)
				}
			}
		}
	}
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectors, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var want map[string]Session
	text, err = os.ReadFile(vectors)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// request makes the bytes of a request, as Samba does. Strings that are "-"
// are null pointers.
type request struct {
	level     uint32
	transport uint8
	sids      []SID
	noTicket  bool // Samba 4.16.0 to 4.16.3
	claims    uint32
	unix      *UnixToken
	account   string
	domain    string
	lastByte  byte // "authenticated", or the first byte of the user flags
	key       int  // bytes of the session key
	ref       uint32
}

func (q *request) bytes() []byte {
	b := append([]byte("\x00\x00\x00\x00NPAM"), make([]byte, 8)...)
	binary.LittleEndian.PutUint32(b[8:], q.level)
	binary.LittleEndian.PutUint32(b[12:], q.level)
	align := func(n int) {
		for len(b)%n != 0 {
			b = append(b, 0)
		}
	}
	u32 := func(vs ...uint32) {
		align(4)
		for _, v := range vs {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	u64 := func(v uint64) {
		align(8)
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	refs := func(texts ...string) {
		for _, s := range texts {
			if s == "-" {
				u32(0)
			} else {
				q.ref += 4
				u32(q.ref)
			}
		}
	}
	text := func(texts ...string) {
		for _, s := range texts {
			if s != "-" {
				u32(uint32(len(s)+1), 0, uint32(len(s)+1))
				b = append(append(b, s...), 0)
			}
		}
	}
	b = append(b, q.transport)
	refs("client", "192.0.2.1")
	u32(50000)
	refs("server", "192.0.2.2")
	u32(445)
	refs("")
	if q.level == Level5 {
		b = append(b, 1)
	}
	text("client", "192.0.2.1", "server", "192.0.2.2")
	refs("")
	u32(0)
	refs("")
	unix := "-"
	if q.unix != nil {
		unix = ""
	}
	info := ""
	if q.account == "-" && q.domain == "-" {
		info = "-"
	}
	refs(unix, info, unix)
	u32(0, uint32(q.key))
	b = append(b, bytes.Repeat([]byte{7}, q.key)...)
	u32(0)
	b = append(b, "0123456789abcdef"...)
	if !q.noTicket {
		b = append(b, 2, 0)
	}
	align(8)
	u32(uint32(len(q.sids)), uint32(len(q.sids)))
	for _, s := range q.sids {
		b = append(b, s...)
	}
	u64(0)
	u32(0)
	if q.level == Level8 {
		u32(0, q.claims, 0, 0, 0, q.claims, 0, 0)
		b = append(b, 0, 0)
	}
	if u := q.unix; u != nil {
		u32(uint32(len(u.Groups)))
		u64(uint64(u.UID))
		u64(uint64(u.GID))
		u32(uint32(len(u.Groups)))
		for _, g := range u.Groups {
			u64(uint64(g))
		}
		align(8)
	}
	if info == "" {
		names := []string{q.account, "-", q.domain, "-", "", "-", "", "-", "", "-"}
		refs(names[0], names[1])
		b = append(b, 0)
		refs(names[2:]...)
		u32(make([]uint32, 12)...)
		u32(0, 0x10)
		if b = append(b, q.lastByte); q.level == Level8 {
			b = append(b, 0, 0, 0)
		}
		text(names...)
	}
	if q.unix != nil {
		refs(q.unix.Name, "")
		text(q.unix.Name, "")
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

var (
	someUser   = mustSID("S-1-5-21-1-2-3-1000")
	someGroup  = mustSID("S-1-5-21-1-2-3-513")
	guestUser  = mustSID("S-1-5-21-1-2-3-501")
	noFlags    = mustSID("S-1-22-2041152804-0")
	allFlags   = mustSID("S-1-22-2041152804-7")
	authorized = []SID{someUser, someGroup, SIDEveryone, SIDAuthenticated, noFlags}
)

func TestSessions(t *testing.T) {
	tcp := Session{Transport: TransportNP, ClientName: "client", ClientAddr: "192.0.2.1", ClientPort: 50000,
		ServerName: "server", ServerAddr: "192.0.2.2", ServerPort: 445, Account: "user", Domain: "DOM"}
	for _, c := range []struct {
		name string
		q    request
		want func(s *Session)
	}{
		{"a user", request{sids: authorized, account: "user", domain: "DOM", unix: &UnixToken{"user", 1000, 100, []uint32{100, 4294967294}}}, func(s *Session) {
			s.SIDs, s.Unix = authorized[:4], &UnixToken{"user", 1000, 100, []uint32{100, 4294967294}}
		}},
		{"no group", request{sids: authorized, account: "user", domain: "DOM", unix: &UnixToken{"user", 1000, 100, nil}}, func(s *Session) {
			s.SIDs, s.Unix = authorized[:4], &UnixToken{"user", 1000, 100, []uint32{}}
		}},
		{"no unix side", request{sids: authorized, account: "user", domain: "DOM"}, func(s *Session) { s.SIDs = authorized[:4] }},
		{"no name", request{sids: authorized, account: "-", domain: "-"}, func(s *Session) { s.SIDs, s.Account, s.Domain = authorized[:4], "", "" }},
		{"null account", request{sids: authorized, account: "-", domain: "DOM"}, func(s *Session) { s.SIDs, s.Account = authorized[:4], "" }},
		{"a session key of odd length", request{sids: authorized, account: "user", domain: "DOM", key: 13}, func(s *Session) { s.SIDs = authorized[:4] }},
		{"a session key that moves the token", request{sids: authorized, account: "user", domain: "DOM", key: 20}, func(s *Session) { s.SIDs = authorized[:4] }},
		{"the field that says so does not count", request{sids: []SID{SIDAnonymous, SIDEveryone}, account: "user", domain: "DOM", lastByte: 1}, func(s *Session) {
			s.SIDs, s.Anonymous = []SID{SIDAnonymous, SIDEveryone}, true
		}},
		{"a guest", request{sids: []SID{guestUser, SIDEveryone, SIDGuests}, account: "user", domain: "DOM", lastByte: 1}, func(s *Session) {
			s.SIDs, s.Guest = []SID{guestUser, SIDEveryone, SIDGuests}, true
		}},
		{"neither user nor guest", request{sids: []SID{someUser, SIDEveryone}, account: "user", domain: "DOM"}, func(s *Session) {
			s.SIDs, s.Anonymous = []SID{someUser, SIDEveryone}, true
		}},
		{"the system", request{transport: TransportNcalrpc, sids: []SID{SIDSystem, allFlags}, account: "user", domain: "DOM"}, func(s *Session) {
			s.Transport, s.SIDs, s.System, s.Flags = TransportNcalrpc, []SID{SIDSystem}, true, 7
		}},
		{"the system's SID among others", request{sids: []SID{someUser, SIDSystem, SIDAuthenticated}, account: "user", domain: "DOM"}, func(s *Session) {
			s.SIDs = []SID{someUser, SIDSystem, SIDAuthenticated}
		}},
		{"flags twice are none", request{sids: append([]SID{allFlags, allFlags}, authorized[:4]...), account: "user", domain: "DOM"}, func(s *Session) { s.SIDs = authorized[:4] }},
		{"SIDs of all lengths", request{sids: []SID{someUser, mustSID("S-1-0"), mustSID("S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15"), SIDAuthenticated}, account: "user", domain: "DOM"}, func(s *Session) {
			s.SIDs = []SID{someUser, mustSID("S-1-0"), mustSID("S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15"), SIDAuthenticated}
		}},
	} {
		for _, v := range []struct {
			name     string
			level    uint32
			noTicket bool
		}{{"5 of 4.16.0", Level5, true}, {"5", Level5, false}, {"7", Level7, false}, {"8", Level8, false}} {
			q := c.q
			if q.level, q.noTicket = v.level, v.noTicket; q.transport == 0 {
				q.transport = TransportNP
			}
			want := tcp
			want.Level = v.level
			c.want(&want)
			if v.level == Level5 {
				want.Flags = NeedIdle // its byte, not the SID
			}
			b := q.bytes()
			got, err := ParseSession(b)
			if err != nil {
				t.Errorf("%s, level %s: %v", c.name, v.name, err)
				continue
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, level %s: (-want +got)\n%s", c.name, v.name, d)
			}
			if got.Authenticated() == (got.Anonymous || got.Guest) || got.User() != got.SIDs[0] || !got.Has(got.SIDs[0]) || got.Has(mustSID("S-1-5-7-1")) {
				t.Errorf("%s, level %s: %+v", c.name, v.name, got)
			}
			if _, rej := Parse(b); rej != nil {
				t.Errorf("%s, level %s: routing says %s", c.name, v.name, rej.Cause)
			}
		}
	}
}

func TestSessionsThatAreNotTaken(t *testing.T) {
	b := read(t, user7)
	good := request{level: Level8, transport: TransportNP, sids: authorized, account: "user", domain: "DOM"}
	change := func(f func(q *request)) []byte {
		q := good
		f(&q)
		return q.bytes()
	}
	many := func(n int) (sids []SID) {
		for range n {
			sids = append(sids, SIDAuthenticated)
		}
		return sids
	}
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, ErrRequest},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), ErrRequest},
		{"only a header", []byte("\x00\x00\x00\x0cNPAM\x07\x00\x00\x00\x07\x00\x00\x00"), ErrRequest},
		{"level 6", patch(b, 8, 6, 0, 0, 0, 6), ErrLevel},
		{"tag is another level", patch(b, 12, 8), ErrRequest},
		{"bytes behind", splice(b, len(b), 0, 0, 0, 0, 0), ErrRequest},
		{"level 7 told as 8", patch(b, 8, 8, 0, 0, 0, 8), ErrClaims},
		{"level 8 told as 7", patch(good.bytes(), 8, 7, 0, 0, 0, 7), ErrRequest},
		{"torture", patch(b, 0x98, 1), ErrRequest},
		{"no SID", change(func(q *request) { q.sids = nil }), ErrRequest},
		{"no SID but the flags'", change(func(q *request) { q.sids = []SID{noFlags} }), ErrRequest},
		{"a client that is the system", change(func(q *request) { q.sids = []SID{SIDSystem, noFlags} }), ErrSystem},
		{"the system over TCP", change(func(q *request) { q.transport, q.sids = TransportTCP, []SID{SIDSystem} }), ErrSystem},
		{"claims", change(func(q *request) { q.claims = 1 }), ErrClaims},
		{"as many SIDs as are taken", change(func(q *request) { q.sids = many(MaxSIDs) }), nil},
		{"a SID more", change(func(q *request) { q.sids = many(MaxSIDs + 1) }), ErrBounds},
		{"as many groups as are taken", change(func(q *request) { q.unix = &UnixToken{Groups: make([]uint32, MaxGroups)} }), nil},
		{"a group more", change(func(q *request) { q.unix = &UnixToken{Groups: make([]uint32, MaxGroups+1)} }), ErrBounds},
		{"a long account", change(func(q *request) { q.account = strings.Repeat("x", MaxText) }), nil},
		{"a longer account", change(func(q *request) { q.account = strings.Repeat("x", MaxText+1) }), ErrBounds},
		{"a uid of none", change(func(q *request) { q.unix = &UnixToken{UID: 1<<32 - 1} }), ErrRequest},
		{"a group of none", change(func(q *request) { q.unix = &UnixToken{Groups: []uint32{1<<32 - 1}} }), ErrRequest},
		{"4 G SIDs", patch(b, 0xc8, 255, 255, 255, 255, 255, 255, 255, 255), ErrRequest},
		{"number of SIDs not that of the array", patch(b, 0xcc, 9), ErrRequest},
		{"SID of revision 2", patch(b, 0xd0, 2), ErrRequest},
		{"SID of 16 numbers", patch(b, 0xd1, 16), ErrRequest},
	} {
		if s, err := ParseSession(c.b); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: error %v, want %v; %+v", c.name, err, c.want, s)
		}
	}
}

// A uid beyond 32 bits must not become a small one.
func TestLargeIDs(t *testing.T) {
	q := request{level: Level7, transport: TransportNP, sids: authorized, account: "u", domain: "D", unix: &UnixToken{UID: 0x12345678}}
	b := q.bytes()
	at := bytes.Index(b, []byte{0x78, 0x56, 0x34, 0x12})
	if s, err := ParseSession(b); err != nil || s.Unix.UID != 0x12345678 {
		t.Fatalf("%+v, %v", s.Unix, err)
	}
	if _, err := ParseSession(patch(b, at+4, 1)); !errors.Is(err, ErrRequest) {
		t.Errorf("error %v", err)
	}
}

func TestSIDs(t *testing.T) {
	for text, bytes := range map[string]string{
		"S-1-0":                     "\x01\x00\x00\x00\x00\x00\x00\x00",
		"S-1-5-7":                   "\x01\x01\x00\x00\x00\x00\x00\x05\x07\x00\x00\x00",
		"S-1-5-32-544":              "\x01\x02\x00\x00\x00\x00\x00\x05\x20\x00\x00\x00\x20\x02\x00\x00",
		"S-1-22-2041152804-7":       "\x01\x02\x00\x00\x00\x00\x00\x16\x24\x85\xa9\x79\x07\x00\x00\x00",
		"S-1-4294967295-4294967295": "\x01\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
		"S-1-0x000100000000-1":      "\x01\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00",
		"S-1-0xFFFFFFFFFFFF":        "\x01\x00\xff\xff\xff\xff\xff\xff",
		"":                          "",
	} {
		if got := SID(bytes).String(); got != text {
			t.Errorf("%q is %q, want %q", bytes, got, text)
		}
		var back SID
		if err := back.UnmarshalText([]byte(text)); err != nil || string(back) != bytes {
			t.Errorf("%q is %q, %v, want %q", text, string(back), err, bytes)
		}
	}
	for _, text := range []string{"S", "S-1", "S-1-", "S-2-5", "s-1-5", "S-1-5-", "S-1-5-x", "S-1-5--1", "S-1-5-4294967296", "S-1-281474976710656",
		"S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16", "S-1-0x", " S-1-5", "S-1-+5"} {
		if s, err := ParseSID(text); err == nil {
			t.Errorf("%q is taken for %q", text, string(s))
		}
	}
}

// FuzzParseSession checks that a session that is taken keeps its promises, that
// routing takes the request too, and that nothing grows beyond its bounds.
func FuzzParseSession(f *testing.F) {
	for _, b := range captured(f) {
		f.Add(b)
	}
	f.Add(level5(read(f, user7), 1))
	for _, level := range []uint32{Level5, Level7, Level8} {
		f.Add((&request{level: level, transport: TransportNP, sids: authorized, account: "user", domain: "DOM",
			noTicket: true, unix: &UnixToken{"user", 1000, 100, []uint32{100}}}).bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSession(b[:len(b):len(b)])
		if err != nil {
			if cmp.Diff(Session{}, s) != "" {
				t.Fatalf("%v, and a session: %+v", err, s)
			}
			return
		}
		q, rej := Parse(b)
		if rej != nil || q.Flags != s.Flags || q.Transport != s.Transport {
			t.Fatalf("%+v is taken, routing says %+v, %+v", s, q, rej)
		}
		if s.System && s.Transport != TransportNcalrpc || s.Authenticated() && !s.System && !s.Has(SIDAuthenticated) {
			t.Fatalf("%+v", s)
		}
		if len(s.SIDs) == 0 || len(s.SIDs) > MaxSIDs || s.Unix != nil && len(s.Unix.Groups) > MaxGroups || len(s.Account) > MaxText {
			t.Fatalf("bounds: %d SIDs, %+v", len(s.SIDs), s.Unix)
		}
		for _, sid := range s.SIDs {
			if again, err := ParseSID(sid.String()); err != nil || again != sid {
				t.Fatalf("%q is %s: %q, %v", string(sid), sid, string(again), err)
			}
		}
	})
}

func BenchmarkParseSession(b *testing.B) {
	q := read(b, user7)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseSession(q); err != nil {
			b.Fatal(err)
		}
	}
}
