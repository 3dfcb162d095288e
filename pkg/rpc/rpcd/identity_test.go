// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"testing"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// One who authenticates with its bind may join the group of the same user, wherever
// that one is.
func TestAUserJoinsItsGroupFromElsewhere(t *testing.T) {
	r := newRig(t)
	r.srv.Auth = []auth.Mechanism{toyAuth{}, toyAuth{service: toyService + 1, account: "mallory"}}
	r.start()
	enter := func(service byte, group uint32) *client {
		c := r.dialFrom("127.0.0.3")
		p := c.exchange(c.authBind(group, dcerpc.Auth{Type: service, Level: dcerpc.LevelConnect, ContextID: 1, Value: []byte("token1")}))
		if ack, _, rej := dcerpc.ParseBindAck(p); rej != nil || ack.AssocGroup != group {
			t.Fatalf("answer %s, group %x", dcerpc.TypeName(p.Type), ack.AssocGroup)
		}
		c.send(c.auth3(service, "token2"))
		return c
	}
	first := r.boundFrom("127.0.0.2", 0)
	c := r.dialFrom("127.0.0.3") // nothing vouches for the first one
	c.naked(c.authBind(first.group, dcerpc.Auth{Type: toyService, Level: dcerpc.LevelConnect, ContextID: 1, Value: []byte("token1")}), dcerpc.ReasonNotSpecified)
	first.secured(1, dcerpc.LevelConnect)
	handle := first.counter(10)
	second := enter(toyService, first.group)
	second.count(handle, 11)
	first.count(handle, 12)
	c = r.dialFrom("127.0.0.3")
	c.naked(c.bind(first.group, presentTest), dcerpc.ReasonNotSpecified)

	other := enter(toyService+1, first.group)
	other.fault(other.request(opIdentity, nil), dcerpc.FaultAccessDenied)

	early := r.dialFrom("127.0.0.3") // calls before it is authenticated
	early.exchange(early.authBind(first.group, dcerpc.Auth{Type: toyService, Level: dcerpc.LevelConnect, ContextID: 1, Value: []byte("token1")}))
	early.fault(early.request(opIdentity, nil), dcerpc.NcaProtoError)

	gone := first.group // while a client authenticates itself
	late := r.dialFrom("127.0.0.3")
	late.exchange(late.authBind(gone, dcerpc.Auth{Type: toyService, Level: dcerpc.LevelConnect, ContextID: 1, Value: []byte("token1")}))
	first.Close()
	second.Close()
	for p := (dcerpc.PDU{}); p.Type != dcerpc.PTypeBindNak; {
		c := r.dialFrom("127.0.0.2")
		p = c.exchange(c.bind(gone, presentTest))
		c.Close()
	}
	late.send(late.auth3(toyService, "token2"))
	late.fault(late.request(opIdentity, nil), dcerpc.FaultAccessDenied)
}
