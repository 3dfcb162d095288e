// SPDX-License-Identifier: Apache-2.0

package rpcclient

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
)

// FuzzAnswers gives a client the bytes of a server that knows the call ids.
// Bind, alter and two calls end, whatever comes, and no stub is longer than was
// allowed.
func FuzzAnswers(f *testing.F) {
	h := func(call uint32) dcerpc.Header {
		return dcerpc.Header{CallID: call, Drep: dcerpc.LittleEndian, Flags: 3}
	}
	ack := dcerpc.AppendBindAck(nil, h(1), dcerpc.Ack{MaxXmit: 4280, MaxRecv: 4280, AssocGroup: 7, SecondaryAddr: []byte("135")},
		[]dcerpc.Result{dcerpc.Accept(dcerpc.NDR)})
	altered := dcerpc.AppendAlterContextResp(nil, h(2), dcerpc.Ack{}, []dcerpc.Result{dcerpc.Refuse(dcerpc.WhyAbstract)})
	response := dcerpc.AppendFragments(nil, h(3), 0, make([]byte, 3000), 1432)
	fault := dcerpc.AppendFault(nil, h(4), dcerpc.Fault{Status: dcerpc.NcaOpRange})
	shutdown := dcerpc.AppendShutdown(nil, h(0))
	f.Add(uint8(0), bytes.Join([][]byte{ack, altered, response, fault}, nil))
	f.Add(uint8(2), bytes.Join([][]byte{ack, shutdown, altered, shutdown}, nil))
	f.Add(uint8(0), dcerpc.AppendBindNak(nil, true, 1, 2))
	f.Add(uint8(0), bytes.Join([][]byte{ack, altered, response[:1500]}, nil))
	const maxStub = 2 << 10
	f.Fuzz(func(t *testing.T, format uint8, b []byte) {
		c := New(&script{b: b}, "fuzz", Options{MaxStub: maxStub, Format: ndr.Format(format & 3)})
		ctx := context.Background()
		c.Bind(ctx, 0, echo)
		c.Alter(ctx, other)
		for range 2 {
			stub, _, err := c.CallStub(ctx, Operation{Interface: echo}, nil)
			if len(stub) > maxStub {
				t.Fatalf("a stub of %d bytes", len(stub))
			}
			if err == nil && c.unusable != nil {
				t.Fatalf("an answer on a dead connection: %v", c.unusable)
			}
			if cap(c.buf) > dcerpc.MaxPDU+dcerpc.FragSizeTCP {
				t.Fatalf("a buffer of %d bytes", cap(c.buf))
			}
		}
	})
}

// script is a connection on which b arrives.
type script struct{ b []byte }

func (s *script) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, net.ErrClosed
	}
	n := copy(p, s.b)
	s.b = s.b[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
