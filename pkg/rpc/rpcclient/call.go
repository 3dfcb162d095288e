// SPDX-License-Identifier: Apache-2.0

package rpcclient

import (
	"bytes"
	"context"
	"fmt"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
)

// This file owns calls: request fragments out, response fragments or a fault in.

// Operation is what a call asks for.
type Operation struct {
	Interface dcerpc.SyntaxID
	Opnum     uint16
	Object    uuid.UUID // the object that it is for; zero for none
}

// Call makes a call. in and out name parameters, as ndr.Encoder.Params and
// ndr.Decoder.Params want it; nil for none. What out points to is its own,
// later calls do not change it. A stub that goes on after out is not an error:
// servers pad.
func (c *Conn) Call(ctx context.Context, op Operation, in, out ndr.Value) error {
	e := ndr.NewEncoder(nil, c.opts.Format)
	if in != nil {
		e.Params(in)
	}
	if err := e.Err(); err != nil {
		return fmt.Errorf("%s: operation %d of %s: arguments: %w", c.name, op.Opnum, interfaceText(op.Interface), err)
	}
	stub, format, err := c.CallStub(ctx, op, e.Bytes())
	if err != nil || out == nil {
		return err
	}
	d := ndr.NewDecoder(stub, format)
	if d.Params(out); d.Err() != nil {
		return fmt.Errorf("%s: operation %d of %s: results: %w", c.name, op.Opnum, interfaceText(op.Interface), d.Err())
	}
	return nil
}

// CallStub makes a call with an encoded stub, in the format of Options. It
// returns the stub of the answer, which is the caller's, and its format.
func (c *Conn) CallStub(ctx context.Context, op Operation, stub []byte) ([]byte, ndr.Format, error) {
	end, err := c.begin(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer end()
	stub, format, err := c.exchange(op, stub)
	if err != nil {
		return nil, 0, c.fail(fmt.Sprintf("operation %d of %s", op.Opnum, interfaceText(op.Interface)), err)
	}
	return stub, format, nil
}

func (c *Conn) exchange(op Operation, stub []byte) ([]byte, ndr.Format, error) {
	id, ok := c.context(op.Interface)
	switch {
	case !ok:
		return nil, 0, ErrUnbound
	case c.shutdown:
		return nil, 0, ErrShutdown
	}
	f := dcerpc.Fragmenter{
		Header: c.header(), ContextID: id, Opnum: op.Opnum, Object: op.Object, Stub: stub, MaxXmit: c.xmit,
	}
	f.Header.Type = dcerpc.PTypeRequest
	if !op.Object.IsNil() {
		f.Header.Flags |= dcerpc.FlagObject
	}
	c.out = c.out[:0]
	if err := c.appendCall(&f); err != nil {
		return nil, 0, err
	}
	if err := c.write(c.out); err != nil {
		return nil, 0, err
	}
	return c.answer()
}

// answer collects the fragments of a response.
func (c *Conn) answer() ([]byte, ndr.Format, error) {
	c.answers.Drop()
	for {
		p, err := c.read()
		if err != nil {
			return nil, 0, err
		}
		if p.Type == dcerpc.PTypeFault {
			return nil, 0, c.firstFault(readFault(p))
		}
		if p.Type != dcerpc.PTypeResponse {
			return nil, 0, broken("the answer is a " + dcerpc.TypeName(p.Type))
		}
		if err := c.unprotect(&p); err != nil {
			return nil, 0, err
		}
		r, rej := dcerpc.ParseResponse(p)
		if rej != nil {
			return nil, 0, broken(rej.Cause)
		}
		whole, ok, rej := c.answers.AddResponse(p.Header, r)
		switch {
		case rej != nil:
			return nil, 0, broken(rej.Cause)
		case !ok:
			continue
		}
		if p.Whole() {
			whole.Stub = bytes.Clone(whole.Stub) // it points into c.buf
		}
		format, err := ndr.FormatOf(p.Drep, c.opts.Format&ndr.NDR64 != 0)
		return whole.Stub, format, err
	}
}

// readFault reads a fault.
func readFault(p dcerpc.PDU) error {
	f, rej := dcerpc.ParseFault(p)
	if rej != nil {
		return broken(rej.Cause)
	}
	return &Fault{Status: f.Status, NotExecuted: p.Flags&dcerpc.FlagNotExecuted != 0, Stub: bytes.Clone(f.Stub)}
}
