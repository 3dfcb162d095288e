// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

func TestBindIsAnswered(t *testing.T) {
	r := newRig(t).start()
	_, port, _ := strings.Cut(r.tcp.Addr().String(), ":")
	endpoints := map[layout.Transport]string{layout.TCP: port, layout.NP: `\PIPE\test`, layout.Ncalrpc: "TEST"}
	sizes := map[layout.Transport]uint16{layout.TCP: 5840, layout.NP: 4280, layout.Ncalrpc: 5840}
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.dial(tr)
		p := c.exchange(c.bind(0, presentTest))
		ack, results, rej := dcerpc.ParseBindAck(p)
		if rej != nil {
			t.Fatalf("answer %+v", p)
		}
		if string(ack.SecondaryAddr) != endpoints[tr] || ack.MaxXmit != sizes[tr] || ack.MaxRecv != sizes[tr] || ack.AssocGroup>>16 != 3 {
			t.Errorf("%+v", ack)
		}
		if result, _ := results.Next(); result != dcerpc.Accept(dcerpc.NDR) {
			t.Error(result)
		}
		c.works()
	})
}

func TestEachContextHasItsAnswer(t *testing.T) {
	features := dcerpc.SyntaxID{UUID: uuid.MustParse("6cb71c2c-9812-4540-0300-000000000000"), Version: 1}
	unknown := dcerpc.SyntaxID{UUID: uuid.MustParse("f2c1f1f0-7d2a-4a5e-9a0c-0b7a0c5dffff"), Version: 1}
	newer, older := testID, testID
	newer.Version, older.Version = 3<<16|1, 0<<16|1
	r := newRig(t).start()
	c := r.dial(layout.TCP)
	mgmt := dcerpc.SyntaxID{UUID: uuid.MustParse("afa8bd80-7d8a-11c9-bef4-08002b102989"), Version: 1}
	p := c.exchange(c.bind(0,
		presentTest,
		dcerpc.Presentation{ID: 1, Abstract: otherID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR64, dcerpc.NDR}},
		dcerpc.Presentation{ID: 2, Abstract: otherID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR64}},
		dcerpc.Presentation{ID: 3, Abstract: unknown, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}},
		dcerpc.Presentation{ID: 4, Abstract: testID, Transfers: []dcerpc.SyntaxID{unknown}},
		dcerpc.Presentation{ID: 5, Abstract: testID, Transfers: []dcerpc.SyntaxID{features}},
		dcerpc.Presentation{ID: 6, Abstract: newer, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}},
		dcerpc.Presentation{ID: 7, Abstract: older, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}},
		dcerpc.Presentation{ID: 8, Abstract: mgmt, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}},
		dcerpc.Presentation{ID: 9, Abstract: testID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}},
	))
	want := []dcerpc.Result{
		dcerpc.Accept(dcerpc.NDR), dcerpc.Accept(dcerpc.NDR), dcerpc.Accept(dcerpc.NDR64),
		dcerpc.Refuse(dcerpc.WhyAbstract), dcerpc.Refuse(dcerpc.WhyTransfer), dcerpc.FeatureResult(3),
		dcerpc.Refuse(dcerpc.WhyAbstract), dcerpc.Refuse(dcerpc.WhyTransfer), dcerpc.Accept(dcerpc.NDR),
		dcerpc.Refuse(dcerpc.WhyTransfer),
	}
	check.Same(t, want, results(t, p))
	c.works()
}

// results are the answers of a bind_ack or alter_context_resp.
func results(t *testing.T, p dcerpc.PDU) (all []dcerpc.Result) {
	t.Helper()
	_, l, rej := dcerpc.ParseBindAck(p)
	if rej != nil {
		t.Fatalf("answer %s", dcerpc.TypeName(p.Type))
	}
	for one, ok := l.Next(); ok; one, ok = l.Next() {
		all = append(all, one)
	}
	return all
}

// An interface is served where it is listed, and nowhere else.
func TestInterfaceOfAnotherEndpointIsNotServed(t *testing.T) {
	r := newRig(t).start()
	for tr, want := range map[layout.Transport]dcerpc.Result{
		layout.TCP: dcerpc.Accept(dcerpc.NDR), layout.NP: dcerpc.Refuse(dcerpc.WhyAbstract), layout.Ncalrpc: dcerpc.Refuse(dcerpc.WhyAbstract),
	} {
		c := r.dial(tr)
		if got := results(t, c.exchange(c.bind(0, presentOther))); got[0] != want {
			t.Errorf("%s: %v, want %v", tr, got[0], want)
		}
		c.fault(c.requestIn(9, 0, nil), dcerpc.NcaUnknownIf)
	}
}

func TestAlterContextAdds(t *testing.T) {
	r := newRig(t).start()
	c := r.bound(layout.TCP, 0)
	alter := func(contexts ...dcerpc.Presentation) []dcerpc.Result {
		p := c.exchange(dcerpc.AppendAlterContext(nil, c.next(), dcerpc.Offer{MaxXmit: 100, MaxRecv: 100}, contexts))
		if ack, _, _ := dcerpc.ParseBindAck(p); p.Type != dcerpc.PTypeAlterContextResp || len(ack.SecondaryAddr) > 0 || ack.AssocGroup != c.group {
			t.Errorf("answer %+v, %+v", p, ack)
		}
		return results(t, p)
	}
	if got := alter(presentOther); got[0] != dcerpc.Accept(dcerpc.NDR) {
		t.Error(got)
	}
	c.works()
	// It has one operation only.
	c.fault(c.requestIn(1, 1, nil), dcerpc.NcaOpRange)
	c.works()
	both := dcerpc.Presentation{ID: 7, Abstract: otherID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR, dcerpc.NDR64}}
	if got := append(alter(both), alter(both)...); got[0] != dcerpc.Accept(dcerpc.NDR) || got[1] != got[0] {
		t.Errorf("the same offer twice: %v", got)
	}
	c.works()
	for _, changed := range []dcerpc.Presentation{
		{ID: 0, Abstract: otherID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}},
		{ID: 0, Abstract: testID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR64}},
		{ID: 0, Abstract: testID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR, dcerpc.NDR64}},
	} {
		c := r.bound(layout.TCP, 0)
		c.cut(dcerpc.AppendAlterContext(nil, c.next(), dcerpc.Offer{}, []dcerpc.Presentation{changed}), dcerpc.NcaProtoError)
	}
}

func TestBindIsRefused(t *testing.T) {
	r := newRig(t).start()
	tcp, pipe := r.bound(layout.TCP, 0), r.bound(layout.NP, 0)
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.dial(tr)
		c.naked(c.bind(0x00030000|(tcp.group^0x8000)&0xffff, presentTest), dcerpc.ReasonNotSpecified)
		c = r.dial(tr)
		elsewhere := tcp.group
		if tr.IP() {
			elsewhere = pipe.group
		}
		c.naked(c.bind(elsewhere, presentTest), dcerpc.ReasonNotSpecified)
		c = r.dial(tr)
		c.naked(c.bind(0, dcerpc.Presentation{Abstract: testID}), dcerpc.ReasonNotSpecified)
		c = r.dial(tr)
		bind, _ := dcerpc.AppendAuth(c.bind(0, presentTest), 0, dcerpc.Auth{Type: dcerpc.AuthNTLM, Level: dcerpc.LevelPrivacy, Value: []byte("NTLMSSP\x00")}, 8)
		c.naked(bind, dcerpc.ReasonAuthType)
		c = r.bound(tr, 0)
		c.naked(c.bind(0, presentTest), dcerpc.ReasonNotSpecified)
		c = r.dial(tr)
		bind = c.bind(0, presentTest)
		bind[0] = 4
		c.naked(bind, dcerpc.ReasonProtocolError)
	})
	tcp.works()
	pipe.works()
}

func TestFirstPDUThatIsNoBindGetsABindNak(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		for ptype := range byte(21) {
			if ptype != dcerpc.PTypeBind {
				c := r.dial(tr)
				pdu := c.request(opEcho, []byte("x"))
				pdu[2] = ptype
				c.naked(pdu, dcerpc.ReasonProtocolError)
			}
		}
	})
}

func TestPDUOfAnotherVersionEndsABoundConnection(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		for _, version := range []byte{0, 4, 6, 255} {
			c := r.bound(tr, 0)
			pdu := c.request(opEcho, []byte("x"))
			pdu[0] = version
			c.cut(pdu, dcerpc.NcaProtoError)
		}
	})
}

func TestAThousandContexts(t *testing.T) {
	r := newRig(t).start()
	other := r.bound(layout.TCP, 0)
	c := r.bound(layout.TCP, 0)
	accepted := 1
	for i := 1; i < 1000; i++ {
		p := c.exchange(dcerpc.AppendAlterContext(nil, c.next(), dcerpc.Offer{},
			[]dcerpc.Presentation{{ID: uint16(i), Abstract: testID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}}}))
		switch got := results(t, p)[0]; {
		case got == dcerpc.Accept(dcerpc.NDR):
			accepted++
		case got != dcerpc.Refuse(dcerpc.WhyLimit):
			t.Fatalf("context %d: %v", i, got)
		}
	}
	if limit := r.srv.Limits.Contexts; accepted != limit {
		t.Errorf("%d contexts accepted, the limit is %d", accepted, limit)
	}
	c.works()
	other.works()
}

func TestTenThousandBindsOnOneConnection(t *testing.T) {
	r := newRig(t).start()
	other := r.bound(layout.TCP, 0)
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.dial(tr)
		var binds []byte
		for range 10000 {
			binds = append(binds, c.bind(0, presentTest)...)
		}
		go c.Write(c.framed(binds, 1<<16-1)) // the server closes meanwhile
		var types []string
		for p, err := c.receive(); err == nil; p, err = c.receive() {
			types = append(types, dcerpc.TypeName(p.Type))
		}
		check.Same(t, []string{"bind_ack", "bind_nak"}, types)
		other.works()
	})
}

// A big-endian client is answered in its byte order, its stubs are read so.
func TestBigEndianClient(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.dial(tr)
		c.h.Drep = dcerpc.BigEndian
		p := c.exchange(c.bind(0, presentTest))
		ack, _, rej := dcerpc.ParseBindAck(p)
		if rej != nil || p.Drep != dcerpc.BigEndian || ack.AssocGroup>>16 != 3 {
			t.Fatalf("%+v, %+v", p, ack)
		}
		second := r.bound(tr, ack.AssocGroup) // the same number in the other order
		check.Is(t, "group", ack.AssocGroup, second.group)
		got, status := c.call(opArray, []byte("\x00\x00\x00\x03abc"))
		if string(got) != "\x00\x00\x00\x03" || status != 0 {
			t.Errorf("%x, %v", got, status)
		}
		handle, _ := c.call(opOpen, []byte("\x00\x00\x00\x07"))
		if got, status := c.call(opUse, handle); string(got) != "\x00\x00\x00\x07" || status != 0 {
			t.Errorf("%x, %v", got, status)
		}
	})
}

// The mgmt interface is served wherever the server listens.
func TestMgmtTellsTheInterfacesOfTheEndpoint(t *testing.T) {
	r := newRig(t).start()
	for tr, want := range map[layout.Transport]int{layout.TCP: 3, layout.NP: 2, layout.Ncalrpc: 2} {
		c := r.dial(tr)
		c.exchange(c.bind(0, dcerpc.Presentation{Abstract: dcerpc.SyntaxID{UUID: r.loop.mgmt.UUID, Version: 1}, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}}))
		got, status := c.call(0, nil)
		if status != 0 || len(got) < 12 || got[4] != byte(want) {
			t.Errorf("%s: %x, %v; want %d interfaces", tr, got, status, want)
		}
		c.fault(c.request(5, nil), dcerpc.NcaOpRange)
	}
}

func TestObjectAndCallerAreTold(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.bound(tr, 0)
		h := c.next()
		h.Flags |= dcerpc.FlagObject
		object := testID.UUID
		p := c.exchange(dcerpc.AppendRequest(nil, h, dcerpc.Request{Opnum: opObject, Object: object}))
		if q, rej := dcerpc.ParseResponse(p); rej != nil || string(q.Stub) != string(object.AppendWire(nil, false)) {
			t.Errorf("object %x", q.Stub)
		}
		got, _ := c.call(opCaller, nil)
		port := 0
		if tr.IP() {
			_, text, _ := strings.Cut(c.LocalAddr().String(), ":")
			port, _ = strconv.Atoi(text)
		}
		told := int(got[4]) | int(got[5])<<8
		if !tr.Relayed() && told != port || (got[6] == 1) != tr.Relayed() || (got[7] == 1) != tr.IP() {
			t.Errorf("caller %x, port %d", got, port)
		}
		if uid := fmt.Sprint(r.loop.rootUID); tr.Local() && fmt.Sprint(got[0]) != uid {
			t.Errorf("uid %d, want %s", got[0], uid)
		}
	})
}
