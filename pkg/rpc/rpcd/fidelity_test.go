// SPDX-License-Identifier: Apache-2.0

package rpcd

// What Windows does where the specifications leave it open.

import (
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
)

// A client that has agreed on it may give a call up and goes on; others' orphaned
// PDUs are ignored, as in Windows.
func TestAnOrphanedCallIsForgottenWhereThatWasAgreedOn(t *testing.T) {
	r := newRig(t).start()
	for _, keep := range []bool{true, false} {
		c := r.dial(layout.TCP)
		contexts := []dcerpc.Presentation{presentTest}
		if keep {
			contexts = append(contexts, dcerpc.Presentation{ID: 1, Transfers: []dcerpc.SyntaxID{dcerpc.FeatureSyntax(dcerpc.FeatureKeepOnOrphan)}})
		}
		c.exchange(c.bind(0, contexts...))
		h := c.next()
		h.Flags = dcerpc.FlagFirst
		c.send(dcerpc.AppendRequest(nil, h, dcerpc.Request{Opnum: opEcho, Stub: []byte("given up")}))
		c.send(dcerpc.AppendOrphaned(nil, h))
		if keep {
			c.works()
		} else {
			c.cut(c.request(opEcho, []byte("another")), dcerpc.NcaProtoError)
		}
	}
}

// Of a response's p_cont_id only the low byte is sent.
func TestContextIDOfAnswers(t *testing.T) {
	r := newRig(t).start()
	c := r.dial(layout.TCP)
	high := presentTest
	high.ID = 0x1234
	c.exchange(c.bind(0, high))
	if a, rej := dcerpc.ParseResponse(c.exchange(c.requestIn(high.ID, opEcho, []byte("x")))); rej != nil || a.ContextID != 0x34 {
		t.Errorf("response in context 0x%x, %v", a.ContextID, rej)
	}
	for id, want := range map[uint16]uint16{high.ID: high.ID, 0x34: 0} {
		if f, rej := dcerpc.ParseFault(c.exchange(c.requestIn(id, 999, nil))); rej != nil || f.ContextID != want {
			t.Errorf("fault of a call in context 0x%x in 0x%x, %v", id, f.ContextID, rej)
		}
	}
}

func TestHeaderSigningIsAgreedOnWithoutAuthenticationToo(t *testing.T) {
	r := newRig(t).start()
	c := r.dial(layout.TCP)
	c.h.Flags |= dcerpc.FlagMultiplex
	if p := c.exchange(c.bind(0, presentTest)); p.Flags != c.h.Flags {
		t.Errorf("bind_ack with flags 0x%x", p.Flags)
	}
	c.h.Flags |= dcerpc.FlagSignHeader
	want := byte(dcerpc.FlagFirst | dcerpc.FlagLast | dcerpc.FlagSignHeader)
	if p := c.exchange(dcerpc.AppendAlterContext(nil, c.next(), dcerpc.Offer{}, []dcerpc.Presentation{presentTest})); p.Flags != want {
		t.Errorf("alter_context_resp with flags 0x%x", p.Flags)
	}
}

func TestConcurrentMultiplexingIsAgreedOn(t *testing.T) {
	r := newRig(t).start()
	for _, flags := range []byte{0, dcerpc.FlagMultiplex} {
		c := r.dial(layout.TCP)
		c.h.Flags |= flags
		if p := c.exchange(c.bind(0, presentTest)); p.Flags&dcerpc.FlagMultiplex != flags {
			t.Errorf("flags 0x%x answered with 0x%x", c.h.Flags, p.Flags)
		}
	}
}
