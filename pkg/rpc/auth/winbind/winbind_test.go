// SPDX-License-Identifier: Apache-2.0

package winbind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/rpc/auth"
)

// fake answers requests of one size as answer says; nil ends the connection.
func fake(t *testing.T, size int, answer func(request []byte) []byte) *Accounts {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, size)
				if _, err := io.ReadFull(c, b[:4]); err != nil || int(order.Uint32(b)) != size {
					return
				}
				if _, err := io.ReadFull(c, b[4:]); err != nil {
					return
				}
				extra := make([]byte, order.Uint32(b[size-8:]))
				if _, err := io.ReadFull(c, extra); err != nil {
					return
				}
				c.Write(answer(append(b, extra...)))
			}()
		}
	}()
	return New(path)
}

// ok is an answer to a request, with texts at places.
func ok(version uint32, texts map[int]string) []byte {
	b := make([]byte, responseSize)
	order.PutUint32(b, responseSize)
	order.PutUint32(b[atResult:], resultOK)
	order.PutUint32(b[atVersion:], version)
	for at, s := range texts {
		copy(b[at:at+textSize], append([]byte(s), 0))
	}
	return b
}

// host is a winbindd that knows its names, and answers logons as crap says.
func host(version uint32, crap func(domain string) []byte) func([]byte) []byte {
	a := abis[version]
	return func(q []byte) []byte {
		switch cmd := order.Uint32(q[4:]); cmd {
		case cmdVersion:
			return ok(version, nil)
		case a.netbios:
			return ok(0, map[int]string{atText: "HOST"})
		case cmdDomainName:
			return ok(0, map[int]string{atText: "DOM"})
		case cmdDomainInfo:
			return ok(0, map[int]string{atText: "DOM", atAltName: "dom.test"})
		case a.aliases:
			b := ok(0, nil)
			if strings.HasPrefix(string(q[a.data:]), "S-1-5-32\x00") && strings.HasSuffix(string(q), "\nS-1-18-1\n\x00") {
				b = append(b, "S-1-5-32-544\nS-1-5-32-545\n\x00"...)
			}
			order.PutUint32(b, uint32(len(b)))
			return b
		case cmdAuthCRAP:
			domain, _, _ := strings.Cut(string(q[a.data+argDomain:]), "\x00")
			return crap(domain)
		}
		return nil
	}
}

func logon(domain string) *auth.Logon {
	return &auth.Logon{Account: "user1", Domain: domain, NTResponse: make([]byte, 100)}
}

// user1 is the answer to a good logon.
func user1() []byte {
	b := ok(0, map[int]string{atDomainSID: "S-1-5-21-1-2-3", atUserName: "user1", atLogonDom: "DOM"})
	order.PutUint32(b[atStatus:], 0)
	order.PutUint32(b[atUserRID:], 1000)
	order.PutUint32(b[atGroupRID:], 513)
	copy(b[atSessionKey:], "0123456789abcdef")
	b = append(b, "0x00000201:0x00000007\n0x00000458:0x00000007\nS-1-18-1:0x00000007\n\x00"...)
	order.PutUint32(b, uint32(len(b)))
	return b
}

func denied(status uint32) []byte {
	b := ok(0, map[int]string{atStatusText: "NT_STATUS_OF_A_TEST"})
	order.PutUint32(b[atStatus:], status)
	order.PutUint32(b[atResult:], 0)
	return b
}

func TestEachKnownVersionIsSpoken(t *testing.T) {
	for version, a := range abis {
		w := fake(t, a.size, host(version, func(string) []byte { return user1() }))
		names, err := w.Names(context.Background())
		if err != nil || names != (auth.Names{Computer: "HOST", Domain: "DOM", DNSComputer: "host.dom.test", DNSDomain: "dom.test"}) {
			t.Errorf("version %d: %+v, %v", version, names, err)
		}
		who, err := w.Logon(context.Background(), logon("DOM"))
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if got, want := fmt.Sprint(who.Name, who.Domain, who.SIDs, string(who.SessionKey[:])),
			"user1DOM[S-1-5-21-1-2-3-1000 S-1-5-21-1-2-3-513 S-1-5-21-1-2-3-1112 S-1-18-1 S-1-5-32-544 S-1-5-32-545]0123456789abcdef"; got != want {
			t.Errorf("version %d: %s, want %s", version, got, want)
		}
	}
}

func TestAnUnknownDomainIsTriedAsThisHost(t *testing.T) {
	var asked []string
	w := fake(t, abis[32].size, host(32, func(domain string) []byte {
		asked = append(asked, domain)
		if domain == "HOST" {
			return user1()
		}
		return denied(noSuchUser)
	}))
	for domain, want := range map[string]string{"WORKGROUP": "[WORKGROUP HOST]", "": "[DOM HOST]", "HOST": "[HOST]"} {
		asked = nil
		if _, err := w.Logon(context.Background(), logon(domain)); err != nil || fmt.Sprint(asked) != want {
			t.Errorf("client's domain %q: asked for %v: %v", domain, asked, err)
		}
	}
	w = fake(t, abis[32].size, host(32, func(string) []byte { return denied(0xc000006a) }))
	if _, err := w.Logon(context.Background(), logon("DOM")); !errors.Is(err, auth.ErrDenied) || !strings.Contains(err.Error(), "NT_STATUS_OF_A_TEST (0xc000006a)") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestATicketWithoutAPACIsGoodOutsideOfDomainsOnly(t *testing.T) {
	standalone := func(q []byte) []byte {
		if order.Uint32(q[4:]) == cmdDomainInfo {
			return denied(noSuchDomain)
		}
		return host(32, nil)(q)
	}
	garbage := func(q []byte) []byte { return make([]byte, 100) }
	for what, c := range map[string]struct {
		w   *Accounts
		err error
	}{
		"a domain's host":    {fake(t, 2136, host(32, nil)), auth.ErrDenied},
		"a standalone host":  {fake(t, 2136, standalone), nil},
		"no winbindd":        {New(filepath.Join(t.TempDir(), "none")), nil},
		"a winbindd in need": {fake(t, 2136, garbage), auth.ErrUnavailable},
	} {
		if who, err := c.w.PAC(context.Background(), nil); !errors.Is(err, c.err) || err == nil && (who.Name != "" || who.SIDs != nil) {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
	}
}

func TestAWinbinddThatCannotBeUsedIsAnErrorInTime(t *testing.T) {
	short := func([]byte) []byte { return make([]byte, 100) }
	huge := func(q []byte) []byte {
		b := ok(32, nil)
		order.PutUint32(b, 1<<31)
		return b
	}
	badSID := user1()
	copy(badSID[atDomainSID:], "S-1-x\x00")
	guest := user1()
	order.PutUint32(guest[atUserFlags:], guestLogon)
	for what, c := range map[string]struct {
		w     *Accounts
		text  string
		err   error
		cause auth.Cause
	}{
		"absent":          {New(filepath.Join(t.TempDir(), "none")), "no such file", auth.ErrUnavailable, auth.WinbindAbsent},
		"another version": {fake(t, 2136, func([]byte) []byte { return ok(34, nil) }), "version 34 of its interface", auth.ErrUnavailable, auth.WinbindVersion},
		"another size":    {fake(t, 3000, func([]byte) []byte { return nil }), "winbindd", auth.ErrUnavailable, auth.WinbindFailed},
		"too short":       {fake(t, 2136, short), "winbindd", auth.ErrUnavailable, auth.WinbindFailed},
		"too long":        {fake(t, 2136, huge), "2147483648 bytes", auth.ErrUnavailable, auth.WinbindFailed},
		"garbage SID":     {fake(t, 2136, host(32, func(string) []byte { return badSID })), "not understood", auth.ErrUnavailable, auth.WinbindFailed},
		"a guest":         {fake(t, 2136, host(32, func(string) []byte { return guest })), "guest", auth.ErrDenied, auth.Refused},
		"says nothing":    {fake(t, 2136, func([]byte) []byte { select {} }), "timeout", auth.ErrUnavailable, auth.WinbindSlow},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		start := time.Now()
		if _, err := c.w.Logon(ctx, logon("DOM")); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) || auth.FailureOf(err).Cause != c.cause {
			t.Errorf("%s: %v", what, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %v", what, d)
		}
		cancel()
	}
}

func TestTextsThatAreTooLongAreRefused(t *testing.T) {
	w := fake(t, 2136, host(32, func(string) []byte { return user1() }))
	for _, l := range []*auth.Logon{
		{Account: strings.Repeat("a", 256)}, {Account: "a\x00b"}, {Domain: strings.Repeat("d", 300)}, {LMResponse: make([]byte, 300)}, {NTResponse: make([]byte, 1<<18)},
	} {
		if _, err := w.Logon(context.Background(), l); !errors.Is(err, auth.ErrDenied) {
			t.Errorf("%.40q: %v", l.Account, err)
		}
	}
}

func FuzzAccount(f *testing.F) {
	f.Add(user1())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= responseSize {
			r := response(b)
			r.status()
			r.account()
			addSIDs(&auth.Account{}, r.aliases())
		}
	})
}
