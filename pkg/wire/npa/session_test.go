// SPDX-License-Identifier: Apache-2.0

package npa

// The whole identity: of requests that real smbds sent, and of those that are
// made here.

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

var update = flag.Bool("update", false, "write sessions.json of the vectors")

// sessions.json has, for each captured file beside it, what it says. It is
// made for other implementations too.
const sessionsFile = "../../../tests/vectors/samba/sessions.json"

// anonymous are the clients that samba-dcerpcd handed to a worker: the same
// structure as in a request, of clients that did not authenticate.
func anonymous(t testing.TB) map[string]Session {
	m := map[string]Session{}
	for name, b := range byName(vectors.Match(t, "samba/*.new_client.bin")) {
		r := reader{walk: walk{b: b, off: 8}}
		r.blob() // first PDU
		r.text(1)
		r.align(4)
		s := r.whole(levelOf(name))
		if r.bad || r.err != nil || r.off != len(b) {
			t.Fatalf("%s: %v, %d of %d bytes", name, r.err, r.off, len(b))
		}
		s.classify()
		m[name] = s
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
			t.Errorf("%s: routing reads %+v, the server %+v", name, q, s)
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
	check.OK(t, err)
	if *update {
		check.OK(t, os.WriteFile(sessionsFile, append(text, '\n'), 0o644))
	}
	var want map[string]Session
	text, err = os.ReadFile(sessionsFile)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	check.OK(t, err)
	check.Same(t, want, got)
}

// sessions are requests that are taken. Their identity is what they were made
// from, but for what but changes.
var sessions = []struct {
	name string
	q    request
	but  func(s *Session)
}{
	{"a user", request{unix: &UnixToken{"user", 1000, 100, []uint32{100, 4294967294}}}, nil},
	{"no group", request{unix: &UnixToken{"user", 1000, 100, []uint32{}}}, nil},
	{"no unix side", request{}, nil},
	{"no name", request{account: "-", domain: "-"}, func(s *Session) { s.Account, s.Domain = "", "" }},
	{"null account", request{account: "-"}, func(s *Session) { s.Account = "" }},
	{"a session key of odd length", request{key: 13}, nil},
	{"a session key that moves the token", request{key: 20}, nil},
	{"the field that says so does not count", request{sids: []SID{SIDAnonymous, SIDEveryone}, lastByte: 1}, func(s *Session) { s.Anonymous = true }},
	{"a guest", request{sids: []SID{guestUser, SIDEveryone, SIDGuests}, lastByte: 1}, func(s *Session) { s.Guest = true }},
	{"neither user nor guest", request{sids: []SID{someUser, SIDEveryone}}, func(s *Session) { s.Anonymous = true }},
	{"the system", request{transport: TransportNcalrpc, sids: []SID{SIDSystem, allFlags}}, func(s *Session) {
		s.Transport, s.System, s.Flags = TransportNcalrpc, true, 7
	}},
	{"the system's SID among others", request{sids: []SID{someUser, SIDSystem, SIDAuthenticated}}, nil},
	{"flags twice are none", request{sids: append([]SID{allFlags, allFlags}, authorized[:4]...)}, nil},
	{"SIDs of all lengths", request{sids: []SID{someUser, mustSID("S-1-0"), mustSID("S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15"), SIDAuthenticated}}, nil},
}

func TestSessionsAreReadAtEveryLevel(t *testing.T) {
	for _, c := range sessions {
		for _, v := range []struct {
			name     string
			level    uint32
			noTicket bool
		}{{"5 of 4.16.0", Level5, true}, {"5", Level5, false}, {"7", Level7, false}, {"8", Level8, false}} {
			q := c.q
			q.level, q.noTicket = v.level, v.noTicket
			want := Session{Level: v.level, Transport: TransportNP, ClientName: "client", ClientAddr: "192.0.2.1", ClientPort: 50000,
				ServerName: "server", ServerAddr: "192.0.2.2", ServerPort: 445, Account: "user", Domain: "DOM", Unix: q.unix}
			for _, sid := range q.orDefaults().sids {
				if sid != noFlags && sid != allFlags {
					want.SIDs = append(want.SIDs, sid)
				}
			}
			if c.but != nil {
				c.but(&want)
			}
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

// What routing refuses is refused here too: see TestBadRequests.
func TestSessionsThatAreNotTaken(t *testing.T) {
	b := read(t, user7)
	many := func(n int) []SID { return slices.Repeat([]SID{SIDAuthenticated}, n) }
	groups := func(n int) *UnixToken { return &UnixToken{Groups: make([]uint32, n)} }
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"bytes behind", splice(b, len(b), 0, 0, 0, 0, 0), ErrRequest},
		{"level 7 told as 8", patch(b, 8, 8, 0, 0, 0, 8), ErrClaims},
		{"level 8 told as 7", patch(request{}.bytes(), 8, 7, 0, 0, 0, 7), ErrRequest},
		{"torture", patch(b, 0x98, 1), ErrRequest},
		{"no SID", request{sids: []SID{}}.bytes(), ErrRequest},
		{"no SID but the flags'", request{sids: []SID{noFlags}}.bytes(), ErrRequest},
		{"a client that is the system", request{sids: []SID{SIDSystem, noFlags}}.bytes(), ErrSystem},
		{"the system over TCP", request{transport: TransportTCP, sids: []SID{SIDSystem}}.bytes(), ErrSystem},
		{"claims", request{claims: 1}.bytes(), ErrClaims},
		{"as many SIDs as are taken", request{sids: many(MaxSIDs)}.bytes(), nil},
		{"a SID more", request{sids: many(MaxSIDs + 1)}.bytes(), ErrBounds},
		{"as many groups as are taken", request{unix: groups(MaxGroups)}.bytes(), nil},
		{"a group more", request{unix: groups(MaxGroups + 1)}.bytes(), ErrBounds},
		{"a long account", request{account: strings.Repeat("x", MaxText)}.bytes(), nil},
		{"a longer account", request{account: strings.Repeat("x", MaxText+1)}.bytes(), ErrBounds},
		{"a uid of none", request{unix: &UnixToken{UID: 1<<32 - 1}}.bytes(), ErrRequest},
		{"a group of none", request{unix: &UnixToken{Groups: []uint32{1<<32 - 1}}}.bytes(), ErrRequest},
	} {
		if s, err := ParseSession(c.b); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: error %v, want %v; %+v", c.name, err, c.want, s)
		}
	}
}

// A uid beyond 32 bits must not become a small one.
func TestLargeIDs(t *testing.T) {
	b := request{level: Level7, unix: &UnixToken{UID: 0x12345678}}.bytes()
	at := bytes.Index(b, []byte{0x78, 0x56, 0x34, 0x12})
	if s, err := ParseSession(b); err != nil || s.Unix.UID != 0x12345678 {
		t.Fatalf("%+v, %v", s.Unix, err)
	}
	if _, err := ParseSession(patch(b, at+4, 1)); !errors.Is(err, ErrRequest) {
		t.Errorf("error %v", err)
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
		f.Add(request{level: level, noTicket: true, unix: &UnixToken{"user", 1000, 100, []uint32{100}}}.bytes())
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
