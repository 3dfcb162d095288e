// SPDX-License-Identifier: Apache-2.0

package rpcclient

import (
	"context"
	"net"
	"testing"
	"time"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

// A server in a goroutine, whose answers a test decides about.

var (
	echo  = dcerpc.SyntaxID{UUID: uuid.MustParse("60a15ec5-4de8-11d7-a637-005056a20182"), Version: 1}
	other = dcerpc.SyntaxID{UUID: uuid.MustParse("afa8bd80-7d8a-11c9-bef4-08002b102989"), Version: 1}
)

// connect is a client whose PDUs go to answer. What it returns is sent; nil
// closes the connection.
func connect(t *testing.T, o Options, answer func(p dcerpc.PDU) []byte) *Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		var buf []byte
		for {
			p, need, rej := dcerpc.Parse(buf, 0)
			if rej != nil {
				t.Errorf("the client sends what is refused: %v", rej)
				return
			}
			if need > 0 {
				more := make([]byte, 4096)
				n, err := theirs.Read(more)
				if err != nil {
					return
				}
				buf = append(buf, more[:n]...)
				continue
			}
			out := answer(p)
			if out == nil {
				return
			}
			if len(out) > 0 {
				if _, err := theirs.Write(out); err != nil {
					return
				}
			}
			buf = buf[p.FragLength:]
		}
	}()
	c := New(ours, "test", o)
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c
}

// bound is a client that has bound echo; its requests go to answer.
func bound(t *testing.T, o Options, answer func(p dcerpc.PDU) []byte) *Conn {
	t.Helper()
	c := connect(t, o, func(p dcerpc.PDU) []byte {
		if p.Type == dcerpc.PTypeBind {
			return ackAll(p)
		}
		return answer(p)
	})
	check.OK(t, c.Bind(context.Background(), 0, echo))
	return c
}

// ackAll accepts every context of a bind or alter_context but those for other.
func ackAll(p dcerpc.PDU) []byte {
	o, list, _ := dcerpc.ParseBind(p)
	var results []dcerpc.Result
	for ctx, ok := list.Next(); ok; ctx, ok = list.Next() {
		if ctx.Abstract == other {
			results = append(results, dcerpc.Refuse(dcerpc.WhyAbstract))
			continue
		}
		results = append(results, dcerpc.Accept(ctx.Transfers.At(0)))
	}
	a := dcerpc.Ack{MaxXmit: 1432, MaxRecv: 1432, AssocGroup: 0x00050007, SecondaryAddr: []byte("135")}
	if o.AssocGroup != 0 {
		a.AssocGroup = o.AssocGroup
	}
	if p.Type == dcerpc.PTypeAlterContext {
		return dcerpc.AppendAlterContextResp(nil, p.Reply(0), a, results)
	}
	return dcerpc.AppendBindAck(nil, p.Reply(0), a, results)
}

// echoing answers a call with its own stub, in fragments of frag bytes.
func echoing(frag int) func(p dcerpc.PDU) []byte {
	var calls dcerpc.Reassembler
	return func(p dcerpc.PDU) []byte {
		q, _ := dcerpc.ParseRequest(p)
		call, done, rej := calls.Add(p.Header, q)
		if rej != nil || !done {
			return []byte{}
		}
		return dcerpc.AppendFragments(nil, call.Header, call.ContextID, call.Stub, frag)
	}
}

// blob is an array of bytes as parameter.
type blob struct{ B ndr.Bytes }

func (b *blob) NDR(c *ndr.Codec) { c.Value(&b.B) }

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
