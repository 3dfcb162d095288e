// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"os"
	"strconv"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// systemTrailer is what Samba's programs send.
var systemTrailer = dcerpc.Auth{Type: dcerpc.AuthNcalrpcSys, Level: dcerpc.LevelConnect, ContextID: 1, Value: []byte("NCALRPC_AUTH_TOKEN")}

// authBind is a bind with an auth trailer.
func (c *client) authBind(group uint32, a dcerpc.Auth) []byte {
	pdu, _ := dcerpc.AppendAuth(c.bind(group, presentTest), 0, a, len(a.Value))
	return pdu
}

// system is a client that is authenticated as the local system.
func (r *rig) system(group uint32) *client {
	r.t.Helper()
	c := r.dial(layout.Ncalrpc)
	c.systemAnswer(c.exchange(c.authBind(group, systemTrailer)), dcerpc.PTypeBindAck)
	return c
}

func (c *client) systemAnswer(p dcerpc.PDU, ptype byte) {
	c.t.Helper()
	ack, _, rej := dcerpc.ParseBindAck(p)
	if a := p.Auth; p.Type != ptype || rej != nil || a.Type != systemTrailer.Type || a.Level != systemTrailer.Level ||
		a.ContextID != systemTrailer.ContextID || string(a.Value) != "NCALRPC_AUTH_OK" {
		c.t.Fatalf("answer %s with %+v, %v", dcerpc.TypeName(p.Type), p.Auth, rej)
	}
	c.group = ack.AssocGroup
}

func (c *client) identity(want string) {
	c.t.Helper()
	if got, status := c.call(opIdentity, nil); string(got) != want || status != 0 {
		c.t.Errorf("identity %q, %v; want %q", got, status, want)
	}
}

const systemName = `NT AUTHORITY\SYSTEM`

func TestRootOverNcalrpcIsTheSystem(t *testing.T) {
	for name, mechanisms := range map[string][]auth.Mechanism{"no other mechanism": nil, "beside the program's": {toyAuth{}}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.srv.Auth = mechanisms
			r.start()
			c := r.system(0)
			c.identity(systemName)
			pdu, _ := dcerpc.AppendAuth(c.request(opEcho, []byte("with a trailer")), 0, dcerpc.Auth{Type: systemTrailer.Type, Level: systemTrailer.Level, ContextID: 1}, 16)
			c.send(pdu) // at this level it says nothing
			if got, status := c.answer(); len(got) < 14 || status != 0 {
				t.Errorf("%q, %v", got, status)
			}
			second := r.bound(layout.Ncalrpc, c.group)
			second.identity("user " + strconv.Itoa(os.Getuid()))
			alter, _ := dcerpc.AppendAuth(dcerpc.AppendAlterContext(nil, second.next(), dcerpc.Offer{}, []dcerpc.Presentation{presentTest}), 0,
				systemTrailer, len(systemTrailer.Value))
			second.systemAnswer(second.exchange(alter), dcerpc.PTypeAlterContextResp)
			second.identity(systemName)
			second.cut(alter, dcerpc.FaultAccessDenied) // once is enough
			c.works()
		})
	}
}

// A program's own mechanism of that number goes first.
func TestTheProgramsMechanismGoesFirst(t *testing.T) {
	r := newRig(t)
	r.srv.Auth = []auth.Mechanism{toyAuth{service: dcerpc.AuthNcalrpcSys}}
	r.start()
	c := r.dial(layout.Ncalrpc)
	c.naked(c.authBind(0, systemTrailer), dcerpc.ReasonChecksum)
}

func TestNobodyElseIsTheSystem(t *testing.T) {
	other := newRig(t)
	other.root++ // the test is no root to it
	other.start()
	c := other.dial(layout.Ncalrpc)
	c.naked(c.authBind(0, systemTrailer), dcerpc.ReasonAuthType)
	c = other.bound(layout.Ncalrpc, 0)
	alter, _ := dcerpc.AppendAuth(dcerpc.AppendAlterContext(nil, c.next(), dcerpc.Offer{}, []dcerpc.Presentation{presentTest}), 0,
		systemTrailer, len(systemTrailer.Value))
	c.cut(alter, dcerpc.FaultSecurityPackage)

	r := newRig(t).start()
	for _, tr := range []layout.Transport{layout.TCP, layout.NP} {
		c := r.dial(tr)
		c.naked(c.authBind(0, systemTrailer), dcerpc.ReasonAuthType)
	}
	for level := range byte(10) {
		if a := systemTrailer; level != dcerpc.LevelConnect {
			c := r.dial(layout.Ncalrpc)
			a.Level = level
			reason := uint16(dcerpc.ReasonAuthType)
			if level < dcerpc.LevelConnect || level > dcerpc.LevelPrivacy {
				reason = dcerpc.ReasonNotSpecified
			}
			c.naked(c.authBind(0, a), reason)
		}
	}
	for _, token := range []string{"N", "NCALRPC_AUTH_OK", systemToken + "\x00"} {
		a := systemTrailer
		a.Value = []byte(token)
		c := r.dial(layout.Ncalrpc)
		c.naked(c.authBind(0, a), dcerpc.ReasonChecksum)
	}
	r.system(0).works()
}

func TestTheSystemOutlivesTheProcess(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the system is root")
	}
	for name, signal := range ends {
		t.Run(name, func(t *testing.T) {
			m := newManager(t)
			c := m.system(0)
			late := m.bound(layout.Ncalrpc, c.group)
			handle := c.counter(10)
			m.aged()
			alter, _ := dcerpc.AppendAuth(dcerpc.AppendAlterContext(nil, late.next(), dcerpc.Offer{}, []dcerpc.Presentation{presentTest}), 0,
				systemTrailer, len(systemTrailer.Value))
			late.systemAnswer(late.exchange(alter), dcerpc.PTypeAlterContextResp) // it is parked already
			for round := range uint32(3) {
				m.again(signal)
				for _, c := range []*client{c, late} {
					c.identity(systemName)
				}
				late.count(handle, 11+round)
			}
			c.cut(alter, dcerpc.FaultAccessDenied)
			late.works()
		})
	}
}

// What is written down makes nobody the system.
func TestWhoIsNotRootIsNotTakenUpAsTheSystem(t *testing.T) {
	l, c := parkedHere(t)
	l.rootUID = uint32(os.Geteuid())
	c.addSecurity(&security{Context: &systemContext{}, done: true, trailer: systemTrailer})
	c.state.signHeader = true
	if c.settle(l); c.kept == nil || !l.save(c) {
		t.Fatal("it is not kept")
	}
	_, s, err := readSaved(c.kept.fd)
	must(t, err)
	for root, want := range map[uint32]error{l.rootUID: nil, l.rootUID + 1: errSaved} {
		l.rootUID = root
		c := &conn{fd: c.fd, endpoint: c.endpoint}
		err := l.resumeState(c, &s)
		a := c.state.securities[systemTrailer.ContextID]
		if err != want || (err == nil) != (a != nil) {
			t.Errorf("%v, security %+v", err, a)
		}
		if a != nil && (!a.done || !c.state.signHeader || a.trailer.ContextID != systemTrailer.ContextID) {
			t.Errorf("security %+v", a)
		}
	}
	l.endpoints[c.endpoint].Transport = layout.TCP
	if err := l.resumeSecurities(&conn{fd: c.fd, endpoint: c.endpoint}, &s); err == nil {
		t.Error("taken up over TCP")
	}
}
