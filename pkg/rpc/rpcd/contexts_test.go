// SPDX-License-Identifier: Apache-2.0

package rpcd

// Several security contexts of one connection, and handshakes that wait.

import (
	"os"
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// alter is an alter_context with a token.
func (c *client) alter(id uint32, level byte, token string) []byte {
	pdu, _ := dcerpc.AppendAuth(dcerpc.AppendAlterContext(nil, c.next(), dcerpc.Offer{}, []dcerpc.Presentation{presentTest}), 0,
		dcerpc.Auth{Type: toyService, Level: level, ContextID: id, Value: []byte(token)}, len(token))
	return pdu
}

// auth3 is the last token of a handshake that a bind began.
func (c *client) auth3(service byte, token string) []byte {
	pdu, _ := dcerpc.AppendAuth(dcerpc.AppendAuth3(nil, c.next()), 0,
		dcerpc.Auth{Type: service, Level: dcerpc.LevelConnect, ContextID: 1, Value: []byte(token)}, len(token))
	return pdu
}

// secured begins and ends the handshake of a security context.
func (c *client) secured(id uint32, level byte) {
	c.t.Helper()
	for i, want := range []string{"answer", ""} {
		p := c.exchange(c.alter(id, level, []string{"token1", "token2"}[i]))
		if p.Type != dcerpc.PTypeAlterContextResp || string(p.Auth.Value) != want {
			c.t.Fatalf("answer %s with %q", dcerpc.TypeName(p.Type), p.Auth.Value)
		}
		if want == "" && (p.AuthLength != 0 || len(p.Raw)%4 != 0 || len(p.Raw) < 8 || p.Raw[len(p.Raw)-8] != toyService) {
			c.t.Errorf("no trailer with an empty token: %x", p.Raw)
		}
	}
}

// in is a call in a security context.
func (c *client) in(id uint32, level byte, opnum uint16) []byte {
	s := &toyContext{level: level}
	pdu, _ := dcerpc.AppendAuth(dcerpc.AppendRequest(nil, c.next(), dcerpc.Request{Opnum: opnum}), 0, dcerpc.Auth{Type: toyService, Level: level, ContextID: id}, 16)
	s.Protect(auth.Fragment{PDU: pdu, From: dcerpc.StubOffset(dcerpc.PTypeRequest, 0), To: len(pdu) - 16 - auth.TrailerSize})
	return pdu
}

// names checks who calls, without a trailer or in a security context.
func (c *client) names(pdu []byte, want string) {
	c.t.Helper()
	p := c.exchange(pdu)
	if p.AuthLength > 0 {
		(&toyContext{level: p.Auth.Level}).xor(p.Body[8:])
	}
	if r, rej := dcerpc.ParseResponse(p); rej != nil || string(r.Stub) != want {
		c.t.Errorf("%s: %q, %v; want %q", dcerpc.TypeName(p.Type), r.Stub, rej, want)
	}
}

func TestCallsAreThoseOfTheirSecurityContext(t *testing.T) {
	r := newRig(t)
	r.srv.Auth = []auth.Mechanism{toyAuth{}}
	r.start()
	c := r.bound(layout.TCP, 0)
	none := func() []byte { return c.request(opIdentity, nil) }
	c.names(none(), "anonymous")
	c.secured(1, dcerpc.LevelPrivacy)
	c.names(none(), "anonymous")
	c.names(c.in(1, dcerpc.LevelPrivacy, opIdentity), `TOY\somebody`)
	c.secured(2, dcerpc.LevelIntegrity)
	c.names(c.in(2, dcerpc.LevelIntegrity, opIdentity), `TOY\somebody`)
	c.names(c.in(1, dcerpc.LevelPrivacy, opIdentity), `TOY\somebody`)
	c.secured(3, dcerpc.LevelConnect)
	c.names(none(), "anonymous") // it has named contexts before
	c.cut(c.in(2, dcerpc.LevelPrivacy, opIdentity), dcerpc.FaultAccessDenied)

	c = r.bound(layout.TCP, 0)
	c.secured(1, dcerpc.LevelConnect)
	c.names(none(), `TOY\somebody`) // the only one there is
	c.names(c.in(1, dcerpc.LevelConnect, opIdentity), `TOY\somebody`)
	c.names(none(), "anonymous")
	for name, pdu := range map[string][]byte{
		"done already": c.alter(1, dcerpc.LevelConnect, "token1"), "another level": c.alter(1, dcerpc.LevelPrivacy, "token1"),
		"no such level": c.alter(2, 9, "token1"),
	} {
		t.Run(name, func(t *testing.T) {
			d := r.bound(layout.TCP, 0)
			d.t = t
			d.secured(1, dcerpc.LevelConnect)
			d.cut(pdu, dcerpc.FaultAccessDenied)
		})
	}
}

// A client whose last token is wrong, and that waits for no answer, is not
// served as somebody else.
func TestCallsAreDeniedAfterAWrongAuth3(t *testing.T) {
	c := serveToy(t, toyAuth{})
	exchange(t, c, toyBind(dcerpc.LevelConnect, 0, "token1"))
	h := dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian, CallID: 1}
	auth3, _ := dcerpc.AppendAuth(dcerpc.AppendAuth3(nil, h), 0, dcerpc.Auth{Type: toyService, Level: dcerpc.LevelConnect, ContextID: 3, Value: []byte("wrong")}, 5)
	p := exchange(t, c, append(auth3, toyRequest(nil, nil, false)...))
	if f, rej := dcerpc.ParseFault(p); rej != nil || f.Status != dcerpc.FaultAccessDenied || p.Flags&dcerpc.FlagNotExecuted != 0 {
		t.Errorf("%s %v", dcerpc.TypeName(p.Type), f.Status)
	}
}

// Nobody waits for the handshakes of others, and a client that has not
// finished its own counts as unbound.
func TestHandshakesThatWaitHoldUpNoOtherClient(t *testing.T) {
	wait := make(chan struct{})
	r := newRig(t)
	r.srv.Auth = []auth.Mechanism{toyAuth{wait: wait}}
	r.env.BindTimeout = 300 * time.Millisecond
	const most = 100
	r.env.Limits[source.Blocking], r.env.Limits[source.Handshakes] = source.Limit{Address: most}, source.Limit{}
	r.start()
	waiting := make([]*client, most+1)
	for i := range waiting {
		waiting[i] = r.dial(layout.TCP)
		waiting[i].send(waiting[i].authBind(0, dcerpc.Auth{Type: toyService, Level: dcerpc.LevelConnect, Value: []byte("token1")}))
	}
	r.bound(layout.TCP, 0).works()
	refused := 0
	for _, c := range waiting {
		p, err := c.receive() // the bind timeout ends them, and their steps
		if n, _ := dcerpc.ParseBindNak(p); err == nil && n.Reason == dcerpc.ReasonCongestion {
			refused++
		} else if err == nil || os.IsTimeout(err) {
			t.Errorf("%s, %v", dcerpc.TypeName(p.Type), err)
		}
	}
	if refused != 1 {
		t.Errorf("%d of %d are refused, %d may wait", refused, most+1, most)
	}
	late := r.bound(layout.TCP, 0)
	late.send(late.alter(1, dcerpc.LevelConnect, "token1"))
	close(wait)
	if p, err := late.receive(); err != nil || string(p.Auth.Value) != "answer" {
		t.Errorf("%v, %v", p, err)
	}
}

func TestTooManySecurityContextsAreRefused(t *testing.T) {
	r := newRig(t)
	r.srv.Auth = []auth.Mechanism{toyAuth{}}
	r.env.Limits[source.Handshakes] = source.Limit{}
	r.start()
	c := r.bound(layout.TCP, 0)
	for id := range uint32(maxSecurities) {
		c.exchange(c.alter(id, dcerpc.LevelConnect, "token1"))
	}
	c.cut(c.alter(maxSecurities, dcerpc.LevelConnect, "token1"), dcerpc.NcaProtoError)
	r.bound(layout.TCP, 0).works()
	r.stop()
}

func TestVerificationTrailersAreCheckedAndCutOff(t *testing.T) {
	trailer := "\x8a\xe3\x13\x71\x02\xf4\x36\x71\x01\x40\x04\x00\x01\x00\x00\x00"
	for flags, want := range map[byte]string{dcerpc.FlagSignHeader: `argument from TOY\somebody`, 0: ""} {
		c := serveToy(t, toyAuth{})
		authenticate(t, c, dcerpc.LevelIntegrity, flags)
		p := exchange(t, c, toyRequest(&toyContext{level: dcerpc.LevelIntegrity}, []byte("argument"+trailer), flags != 0))
		f, _ := dcerpc.ParseFault(p)
		if r, rej := dcerpc.ParseResponse(p); (rej == nil) != (want != "") || !strings.HasPrefix(string(r.Stub), want) || want == "" && f.Status != dcerpc.FaultAccessDenied {
			t.Errorf("header signing %d: %q, %v", flags, r.Stub, f.Status)
		}
	}
}
