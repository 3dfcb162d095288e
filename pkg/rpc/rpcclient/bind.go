// SPDX-License-Identifier: Apache-2.0

package rpcclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
)

// This file owns bind and alter_context: which presentation contexts there are.
// The number of a context is its place in c.contexts.

// maxContexts is what fits into a fragment that every server takes (C706
// 12.6.3.1), with room to spare.
const maxContexts = 24

// Bind binds interfaces with one transfer syntax, that of Options.Format. group
// is the id of the association group to join, as Group returned it on another
// connection to the server; 0 asks for a new one. Several interfaces can be
// refused at once; then the error holds a Refused for each.
func (c *Conn) Bind(ctx context.Context, group uint32, interfaces ...dcerpc.SyntaxID) error {
	if c.xmit != 0 {
		return fmt.Errorf("%s: bind: the connection is bound; use Alter", c.name)
	}
	o := dcerpc.Offer{MaxXmit: dcerpc.FragSizeTCP, MaxRecv: dcerpc.FragSizeTCP, AssocGroup: group}
	return c.present(ctx, "bind", dcerpc.PTypeBindAck, o, interfaces)
}

// Alter binds further interfaces on a bound connection.
func (c *Conn) Alter(ctx context.Context, interfaces ...dcerpc.SyntaxID) error {
	if c.xmit == 0 {
		return fmt.Errorf("%s: alter context: the connection is not bound; use Bind", c.name)
	}
	o := dcerpc.Offer{MaxXmit: dcerpc.FragSizeTCP, MaxRecv: dcerpc.FragSizeTCP, AssocGroup: c.ack.AssocGroup}
	return c.present(ctx, "alter context", dcerpc.PTypeAlterContextResp, o, interfaces)
}

// Group is the id of the association group, 0 before Bind.
func (c *Conn) Group() uint32 { return c.ack.AssocGroup }

// Endpoint is the secondary address of the bind_ack: the endpoint as the server
// calls it.
func (c *Conn) Endpoint() string { return string(c.ack.SecondaryAddr) }

func (c *Conn) present(ctx context.Context, what string, answer byte, o dcerpc.Offer, interfaces []dcerpc.SyntaxID) error {
	if n := len(interfaces); n == 0 || n > maxContexts {
		return fmt.Errorf("%s: %s: %d interfaces; from 1 to %d are taken at once", c.name, what, n, maxContexts)
	}
	end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if c.shutdown {
		return c.fail(what, ErrShutdown)
	}
	if answer == dcerpc.PTypeBindAck {
		err = c.bind(ctx, o, interfaces)
	} else {
		c.out = dcerpc.AppendAlterContext(c.out[:0], c.header(), o, c.proposed(interfaces))
		_, err = c.offer(answer, o, interfaces)
	}
	if err != nil {
		return c.fail(what, err)
	}
	return nil
}

// bind sends the bind, and authenticates the client.
func (c *Conn) bind(ctx context.Context, o dcerpc.Offer, interfaces []dcerpc.SyntaxID) error {
	proposed, h := c.proposed(interfaces), c.header()
	if c.opts.Auth == nil {
		c.out = dcerpc.AppendBind(c.out[:0], h, o, proposed)
		_, err := c.offer(dcerpc.PTypeBindAck, o, interfaces)
		return err
	}
	token, err := c.secure(ctx)
	if err != nil {
		return err
	}
	h.Flags |= dcerpc.FlagSignHeader
	c.out = dcerpc.AppendBind(c.out[:0], h, o, proposed)
	c.appendToken(token)
	p, err := c.offer(dcerpc.PTypeBindAck, o, interfaces)
	if refused := new(Refused); err != nil && !errors.As(err, &refused) {
		return refusedLogon(err)
	}
	if later := c.handshake(ctx, p, o, proposed); later != nil {
		return later
	}
	return err
}

// offer sends what is in c.out and takes the answer in.
func (c *Conn) offer(answer byte, o dcerpc.Offer, interfaces []dcerpc.SyntaxID) (dcerpc.PDU, error) {
	if err := c.write(c.out); err != nil {
		return dcerpc.PDU{}, err
	}
	p, err := c.read()
	if err != nil {
		return p, err
	}
	return p, c.presented(p, answer, o, interfaces)
}

func (c *Conn) proposed(interfaces []dcerpc.SyntaxID) []dcerpc.Presentation {
	var list []dcerpc.Presentation
	for i, abstract := range interfaces {
		list = append(list, dcerpc.Presentation{
			ID: uint16(len(c.contexts) + i), Abstract: abstract, Transfers: []dcerpc.SyntaxID{c.transfer()},
		})
	}
	return list
}

func (c *Conn) transfer() dcerpc.SyntaxID {
	if c.opts.Format&ndr.NDR64 != 0 {
		return dcerpc.NDR64
	}
	return dcerpc.NDR
}

// presented takes the answer in.
func (c *Conn) presented(p dcerpc.PDU, answer byte, o dcerpc.Offer, interfaces []dcerpc.SyntaxID) error {
	if p.Type != answer {
		return refusal(p)
	}
	ack, results, rej := dcerpc.ParseBindAck(p)
	if rej != nil {
		return broken(rej.Cause)
	}
	if results.Len() != len(interfaces) || !p.Whole() {
		return broken("not one result for each interface")
	}
	if answer == dcerpc.PTypeBindAck {
		ack.SecondaryAddr = bytes.Clone(ack.SecondaryAddr)
		xmit, _ := dcerpc.ClientFragSizes(o, ack)
		c.ack, c.xmit = ack, int(xmit)
	}
	var refused []error
	for _, abstract := range interfaces {
		r, _ := results.Next()
		c.contexts = append(c.contexts, abstract)
		c.refused = append(c.refused, r.Result != dcerpc.ResultAcceptance)
		switch {
		case r.Result != dcerpc.ResultAcceptance:
			refused = append(refused, &Refused{abstract, r})
		case r.Transfer != c.transfer():
			return broken("it accepts a transfer syntax that was not offered")
		}
	}
	return errors.Join(refused...)
}

// refusal is an answer that is not the one to a bind or alter_context.
func refusal(p dcerpc.PDU) error {
	switch p.Type {
	case dcerpc.PTypeFault:
		return readFault(p)
	case dcerpc.PTypeBindNak:
		n, rej := dcerpc.ParseBindNak(p)
		if rej != nil {
			return broken(rej.Cause)
		}
		return &Nak{Reason: n.Reason, Versions: bytes.Clone(n.Versions)}
	}
	return broken("the answer is a " + dcerpc.TypeName(p.Type))
}

// context finds the presentation context of an interface.
func (c *Conn) context(abstract dcerpc.SyntaxID) (uint16, bool) {
	for i, s := range c.contexts {
		if s == abstract && !c.refused[i] {
			return uint16(i), true
		}
	}
	return 0, false
}
