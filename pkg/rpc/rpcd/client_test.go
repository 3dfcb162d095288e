// SPDX-License-Identifier: Apache-2.0

package rpcd

// This file is the client of the tests: it writes PDUs and checks what comes.

import (
	"encoding/binary"
	"net"
	"os"
	"testing"

	"msrpcd/pkg/wire/dcerpc"
)

// client is the other end of a connection.
type client struct {
	net.Conn
	t      testing.TB
	np     bool   // messages around PDUs
	stream []byte // what was read and is no PDU yet
	h      dcerpc.Header
	group  uint32
	max    int // fragments
}

func (c *client) next() dcerpc.Header {
	c.h.CallID++
	return c.h
}

// bind is a bind with these contexts.
func (c *client) bind(group uint32, contexts ...dcerpc.Presentation) []byte {
	return dcerpc.AppendBind(nil, c.next(), dcerpc.Offer{MaxXmit: dcerpc.FragSizeTCP, MaxRecv: dcerpc.FragSizeTCP, AssocGroup: group}, contexts)
}

// request is a call in fragments, in context 0.
func (c *client) request(opnum uint16, stub []byte) []byte {
	return c.requestIn(0, opnum, stub)
}

func (c *client) requestIn(context, opnum uint16, stub []byte) []byte {
	h := c.next()
	h.Type, h.Flags = dcerpc.PTypeRequest, 0
	f := dcerpc.Fragmenter{Header: h, ContextID: context, Opnum: opnum, Stub: stub, MaxXmit: c.max}
	return f.Append(nil)
}

// send sends PDUs, each one a message on a named pipe.
func (c *client) send(pdus []byte) {
	c.t.Helper()
	if _, err := c.Write(c.framed(pdus, 1<<16-1)); err != nil {
		c.t.Fatal(err)
	}
}

// framed puts each of some PDUs into messages of at most size bytes, on a named
// pipe.
func (c *client) framed(pdus []byte, size int) []byte {
	if !c.np {
		return pdus
	}
	var out []byte
	for len(pdus) > 0 {
		n := len(pdus)
		if h, _, rej := dcerpc.ParseHeader(pdus, 0); rej == nil && h.FragLength > 0 {
			n = min(n, int(h.FragLength))
		}
		for pdu := pdus[:n]; len(pdu) > 0; {
			m := min(size, len(pdu))
			out = append(binary.LittleEndian.AppendUint16(out, uint16(m)), pdu[:m]...)
			pdu = pdu[m:]
		}
		pdus = pdus[n:]
	}
	return out
}

// receive reads one PDU; io.EOF when the server has closed.
func (c *client) receive() (dcerpc.PDU, error) {
	for {
		var pdu []byte
		if b := c.stream; !c.np {
			pdu = b
		} else if len(b) >= 2 && len(b) >= 2+int(binary.LittleEndian.Uint16(b)) {
			pdu = b[2 : 2+int(binary.LittleEndian.Uint16(b))]
		}
		p, need, rej := dcerpc.Parse(pdu, 0)
		switch {
		case rej != nil:
			c.t.Fatalf("the server sends %x: %v", pdu, rej)
		case need == 0:
			c.stream = c.stream[int(p.FragLength)+len(c.framed([]byte{0}, 1))-1:]
			return p, nil
		}
		buf := make([]byte, 1<<16)
		n, err := c.Read(buf)
		if err != nil {
			return p, err
		}
		c.stream = append(c.stream[:len(c.stream):len(c.stream)], buf[:n]...)
	}
}

// exchange sends PDUs and receives one.
func (c *client) exchange(pdus []byte) dcerpc.PDU {
	c.t.Helper()
	c.send(pdus)
	p, err := c.receive()
	must(c.t, err)
	return p
}

// answer receives the answer to a call, of all fragments.
func (c *client) answer() (stub []byte, status dcerpc.Status) {
	c.t.Helper()
	var r dcerpc.Reassembler
	r.MaxStub = 64 << 20
	for {
		p, err := c.receive()
		must(c.t, err)
		if int(p.FragLength) > c.max {
			c.t.Errorf("a fragment of %d bytes, %d were agreed on", p.FragLength, c.max)
		}
		if f, rej := dcerpc.ParseFault(p); rej == nil {
			return nil, f.Status
		}
		part, rej := dcerpc.ParseResponse(p)
		if rej != nil {
			c.t.Fatalf("answer of type %s", dcerpc.TypeName(p.Type))
		}
		if whole, ok, rej := r.AddResponse(p.Header, part); rej != nil {
			c.t.Fatal(rej)
		} else if ok {
			return whole.Stub, 0
		}
	}
}

// call makes a call.
func (c *client) call(opnum uint16, stub []byte) ([]byte, dcerpc.Status) {
	c.t.Helper()
	c.send(c.request(opnum, stub))
	return c.answer()
}

// works checks that the connection is served.
func (c *client) works() {
	c.t.Helper()
	if got, status := c.call(opEcho, []byte("works")); string(got) != "works" || status != 0 {
		c.t.Fatalf("echo %q, %v", got, status)
	}
}

// over checks that the server closes the connection without another word.
func (c *client) over() {
	c.t.Helper()
	if p, err := c.receive(); err == nil || os.IsTimeout(err) {
		c.t.Errorf("the connection goes on: %s, %v", dcerpc.TypeName(p.Type), err)
	}
}

// fault checks that a PDU is answered with a fault.
func (c *client) fault(pdus []byte, status dcerpc.Status) {
	c.t.Helper()
	p := c.exchange(pdus)
	if f, rej := dcerpc.ParseFault(p); rej != nil || f.Status != status {
		c.t.Errorf("answer %s with %v, want a fault with %v", dcerpc.TypeName(p.Type), f.Status, status)
	}
}

// cut checks that it is, and that the connection ends with it.
func (c *client) cut(pdus []byte, status dcerpc.Status) {
	c.t.Helper()
	c.fault(pdus, status)
	c.over()
}

// naked checks that a bind is answered with a bind_nak.
func (c *client) naked(pdu []byte, reason uint16) {
	c.t.Helper()
	p := c.exchange(pdu)
	if n, rej := dcerpc.ParseBindNak(p); rej != nil || n.Reason != reason {
		c.t.Errorf("answer %s with %s, want a bind_nak with %s", dcerpc.TypeName(p.Type), dcerpc.ReasonName(n.Reason), dcerpc.ReasonName(reason))
	}
	c.over()
}
