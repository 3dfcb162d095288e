// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
	"msrpcd/tests/tools/check"
)

// callAt is a call of identity at a level, in a security context of that number.
func (c *client) callAt(level byte) []byte {
	if level == dcerpc.LevelNone {
		return c.request(opIdentity, nil)
	}
	c.secured(uint32(level), level)
	return c.in(uint32(level), level, opIdentity)
}

func TestCallsNeedTheLevelOfTheirInterface(t *testing.T) {
	levels := []byte{dcerpc.LevelNone, dcerpc.LevelConnect, dcerpc.LevelPacket, dcerpc.LevelIntegrity, dcerpc.LevelPrivacy}
	for _, least := range levels {
		r := newRig(t)
		r.srv.Auth = []auth.Mechanism{toyAuth{}}
		r.srv.Interfaces[0].MinLevel = least
		r.start()
		for _, tr := range []layout.Transport{layout.TCP, layout.Ncalrpc} {
			for _, level := range levels {
				c := r.bound(tr, 0)
				p := c.exchange(c.callAt(level))
				f, rej := dcerpc.ParseFault(p)
				if denied, want := rej == nil, tr == layout.TCP && level < least; denied != want || denied && f.Status != dcerpc.FaultAccessDenied {
					t.Errorf("%s at level %d, %d is demanded: %s %v", tr, level, least, dcerpc.TypeName(p.Type), f.Status)
				}
				if rej == nil && p.Flags&dcerpc.FlagNotExecuted == 0 {
					t.Error("the fault does not say that nothing was done")
				}
			}
		}
		r.stop()
	}
}

func TestTheProtectionOfAnonymousClientsDoesNotCount(t *testing.T) {
	for _, who := range []Caller{
		{Transport: layout.TCP, Level: dcerpc.LevelPrivacy, Service: dcerpc.AuthNTLM, anonymous: true},
		{Transport: layout.NP, Level: dcerpc.LevelPrivacy, Service: dcerpc.AuthNTLM, anonymous: true, Session: &npa.Session{}},
	} {
		check.Is(t, string(who.Transport), dcerpc.LevelNone, who.strength())
	}
}

func TestCallsAreForThoseThatTheirOperationAllows(t *testing.T) {
	admins := Members(npa.SIDGuests, npa.SIDAdministrators)
	for _, tt := range []struct {
		name       string
		allow      func(*Caller) bool
		none, some bool // callers without and with a security context are served
	}{
		{"members", admins, false, true},
		{"everyone", Members(npa.SIDEveryone), true, true},
		{"authenticated", Members(npa.SIDAuthenticated), false, true},
		{"anonymous", Members(npa.SIDAnonymous), true, false},
		{"others", Members(npa.SIDGuests), false, false},
		{"account", func(c *Caller) bool { return c.Account == "somebody" && c.Level == dcerpc.LevelPrivacy }, false, true},
		{"panic", func(*Caller) bool { panic("no") }, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.srv.Auth = []auth.Mechanism{toyAuth{}}
			r.srv.Interfaces[0].Ops[opIdentity].Allow = tt.allow
			r.start()
			for level, want := range map[byte]bool{dcerpc.LevelNone: tt.none, dcerpc.LevelPrivacy: tt.some} {
				for range 2 {
					c := r.bound(layout.TCP, 0)
					p := c.exchange(c.callAt(level))
					if f, rej := dcerpc.ParseFault(p); (rej != nil) != want || rej == nil && f.Status != dcerpc.FaultAccessDenied {
						t.Errorf("level %d: %s %v", level, dcerpc.TypeName(p.Type), f.Status)
					}
					c.works()
				}
			}
		})
	}
}

func TestDenialsAreLoggedOnceAndCounted(t *testing.T) {
	l, c := parkedHere(t)
	var text bytes.Buffer
	l.log = slog.New(slog.NewTextHandler(&text, nil))
	op := &Op{Name: "Format", Allow: Members(npa.SIDAdministrators)}
	for range 10 {
		if c.allowed(l, l.srv.Interfaces[0], op) != errDenied {
			t.Error("allowed")
		}
	}
	if want := fmt.Sprintf("call of Format of test by user %d denied", os.Getuid()); strings.Count(text.String(), want) != 2 || !strings.Contains(text.String(), "10 times so far") ||
		strings.Count(text.String(), "MSRPC_CAUSE=not-allowed") != 2 {
		t.Errorf("%q is not there once, and once with a count, in %q", want, text.String())
	}
}
