// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/wire/dcerpc"
)

// serve handles one PDU.
func (c *conn) serve(l *loop, p dcerpc.PDU) {
	l.stats[2]++
	var rej *dcerpc.Reject
	switch {
	case p.Type == dcerpc.PTypeBind:
		rej = c.bind(l, p)
	case !c.state.bound:
		rej = dcerpc.ErrUnexpected
	case p.Type == dcerpc.PTypeAlterContext:
		rej = c.alter(l, p)
	case p.Type == dcerpc.PTypeAuth3:
		rej = c.auth3(l, &p)
	case p.Type == dcerpc.PTypeRequest:
		c.request(l, p)
	case p.Type == dcerpc.PTypeOrphaned && c.state.keepOrphan:
		if call, ok := c.calls.Collecting(); ok && call.CallID == p.CallID {
			c.release(l)
		}
	case p.Type == dcerpc.PTypeCancel, p.Type == dcerpc.PTypeOrphaned:
		// Calls run to their end, as in Windows and Samba.
	default:
		rej = dcerpc.ErrUnexpected
	}
	if rej != nil {
		c.reject(l, rej, p.Header, 0)
	}
}

// bind answers the first PDU of a connection (C706 12.6.4.3, MS-RPCE 3.3.1.5.3).
func (c *conn) bind(l *loop, p dcerpc.PDU) *dcerpc.Reject {
	if c.state.bound {
		return dcerpc.ErrSecondBind
	}
	offer, list, rej := dcerpc.ParseBind(p)
	if rej == nil {
		rej = checkAuth(&p)
	}
	if rej != nil {
		return rej
	}
	e := &l.endpoints[c.endpoint]
	if rej := l.join(c, offer.AssocGroup, p.AuthLength > 0); rej != nil {
		return rej
	}
	c.state.maxFrag = dcerpc.ServerFragSize(e.Transport.FragSize(), offer)
	results, rej := c.negotiate(l, list)
	if rej != nil {
		return rej
	}
	c.calls.Multiplex = p.Flags&dcerpc.FlagMultiplex != 0
	c.signHeaders(p)
	ack := dcerpc.Ack{MaxXmit: c.state.maxFrag, MaxRecv: c.state.maxFrag, AssocGroup: c.state.groupID, SecondaryAddr: []byte(e.Secondary())}
	return c.acknowledge(l, &p, dcerpc.AppendBindAck(nil, ackHeader(p, dcerpc.FlagMultiplex), ack, results))
}

// acknowledge answers a bind or alter_context, once its token was looked at if it
// has one.
func (c *conn) acknowledge(l *loop, p *dcerpc.PDU, ack []byte) *dcerpc.Reject {
	if p.AuthLength > 0 {
		s, rej := c.secure(l, &p.Auth)
		if rej != nil {
			return rej
		}
		c.state.bound, c.changed = true, true
		return c.handshake(l, p, s, ack)
	}
	if !c.state.bound {
		c.state.bound, c.changed = true, true
		c.admit(l)
	}
	start := len(l.out)
	l.out = append(l.out, ack...)
	c.frame(l, start)
	return nil
}

// alter adds presentation contexts.
func (c *conn) alter(l *loop, p dcerpc.PDU) *dcerpc.Reject {
	if call, rej := c.calls.Alter(p.Header); rej != nil {
		c.reject(l, rej, call.Header, call.ContextID)
		return nil
	}
	_, list, rej := dcerpc.ParseBind(p)
	if rej == nil {
		rej = checkAuth(&p)
	}
	if rej != nil {
		return rej
	}
	results, rej := c.negotiate(l, list)
	if rej != nil {
		return rej
	}
	c.signHeaders(p)
	ack := dcerpc.Ack{MaxXmit: c.state.maxFrag, MaxRecv: c.state.maxFrag, AssocGroup: c.state.groupID}
	return c.acknowledge(l, &p, dcerpc.AppendAlterContextResp(nil, ackHeader(p, 0), ack, results))
}

// ackHeader is the header of an answer to a bind or alter_context, which repeats
// that header signing was asked for, and the flags also.
func ackHeader(p dcerpc.PDU, also byte) dcerpc.Header {
	return p.Reply(dcerpc.FlagFirst | dcerpc.FlagLast | p.Flags&(dcerpc.FlagSignHeader|also))
}

// signHeaders notes that the client wants header signing: from now on, in all
// security contexts of the connection.
func (c *conn) signHeaders(p dcerpc.PDU) {
	if p.Flags&dcerpc.FlagSignHeader != 0 && !c.state.signHeader {
		c.state.signHeader, c.changed = true, true
	}
}

var (
	errGroups  = &dcerpc.Reject{Cause: "too many association groups", Nak: true, Reason: dcerpc.ReasonLocalLimit}
	errNoGroup = &dcerpc.Reject{Cause: "no such association group", Nak: true, Reason: dcerpc.ReasonNotSpecified, Fault: dcerpc.FaultAccessDenied, Flags: dcerpc.FlagNotExecuted}
)

// negotiate decides about presentation contexts. Of those of one PDU that have
// the same interface and transfer syntax it accepts the first.
func (c *conn) negotiate(l *loop, list dcerpc.ContextList) ([]dcerpc.Result, *dcerpc.Reject) {
	results := make([]dcerpc.Result, 0, list.Len())
	featured := false
	var seen []presentation
	for ctx, ok := list.Next(); ok; ctx, ok = list.Next() {
		if ctx.Transfers.Len() == 0 {
			return nil, dcerpc.ErrNoTransfer
		}
		if features, ok := ctx.Transfers.At(0).Features(); ok {
			if featured {
				return nil, dcerpc.ErrFeatureTwice
			}
			featured = true
			features &= dcerpc.FeatureSecurityMultiplexing | dcerpc.FeatureKeepOnOrphan
			c.state.keepOrphan = c.state.keepOrphan || features&dcerpc.FeatureKeepOnOrphan != 0
			c.changed = true
			results = append(results, dcerpc.FeatureResult(features))
			continue
		}
		result, accepted, rej := c.offer(l, ctx, seen)
		if rej != nil {
			return nil, rej
		}
		if result.Result == dcerpc.ResultAcceptance {
			seen = append(seen, accepted)
		}
		results = append(results, result)
	}
	return results, nil
}

// offer accepts or refuses one presentation context, after those of the same PDU
// that were accepted.
func (c *conn) offer(l *loop, ctx dcerpc.Context, seen []presentation) (dcerpc.Result, presentation, *dcerpc.Reject) {
	n := presentation{id: ctx.ID, iface: l.find(ctx.Abstract, &l.endpoints[c.endpoint])}
	if n.iface == nil {
		return dcerpc.Refuse(dcerpc.WhyAbstract), n, nil
	}
	transfer := dcerpc.NDR
	ndr64 := ctx.Transfers.Contains(dcerpc.NDR64)
	switch {
	case ctx.Transfers.Contains(dcerpc.NDR):
		n.both = ndr64
	case ndr64:
		n.ndr64, transfer = true, dcerpc.NDR64
	default:
		return dcerpc.Refuse(dcerpc.WhyTransfer), n, nil
	}
	for i := range seen {
		if seen[i].iface == n.iface && seen[i].ndr64 == n.ndr64 {
			return dcerpc.Refuse(dcerpc.WhyTransfer), n, nil
		}
	}
	if old := c.context(ctx.ID); old != nil {
		if *old != n {
			return dcerpc.Result{}, n, dcerpc.ErrContextReused
		}
		return dcerpc.Accept(transfer), n, nil
	}
	if len(c.state.contexts) >= l.srv.Limits.Contexts {
		return dcerpc.Refuse(dcerpc.WhyLimit), n, nil
	}
	c.state.contexts, c.changed = append(c.state.contexts, n), true
	return dcerpc.Accept(transfer), n, nil
}

// find looks for an interface of that id where the client came in: equal major
// version, and no older minor version than it asks for (C706 12.6.3.1).
func (l *loop) find(id dcerpc.SyntaxID, e *endpoint.Endpoint) *Interface {
	for _, i := range l.srv.Interfaces {
		if i.UUID == id.UUID && i.Major == id.Major() && i.Minor >= id.Minor() && l.offered(i, e) {
			return i
		}
	}
	if m := l.mgmt; m.UUID == id.UUID && m.Major == id.Major() && m.Minor >= id.Minor() {
		return m
	}
	return nil
}
