// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/wire/dcerpc"
)

// noise is n bytes that do not repeat.
func noise(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{1})
	src.Read(b)
	return b
}

func TestFragmentsInAndOut(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.bound(tr, 0)
		for _, n := range []int{0, 1, 1431, 1432, 4280 - 24, 5840 - 24, 5840 - 23, 100000, 1 << 20} {
			stub := noise(n)
			if got, status := c.call(opEcho, stub); status != 0 || !bytes.Equal(got, stub) {
				t.Errorf("%d bytes: %d came back, %v", n, len(got), status)
			}
		}
	})
}

// A PDU may come in many messages and in many pieces.
func TestPDUsInPieces(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		for _, size := range []int{1, 7, 100, 4280} {
			c := r.dial(tr)
			stream := c.framed(c.bind(0, presentTest), size)
			want := noise(9000)
			stream = append(stream, c.framed(c.request(opEcho, want), size)...)
			for len(stream) > 0 {
				n := min(size+1, len(stream))
				if _, err := c.Write(stream[:n]); err != nil {
					t.Fatal(err)
				}
				stream = stream[n:]
			}
			if p, err := c.receive(); err != nil || p.Type != dcerpc.PTypeBindAck {
				t.Fatalf("%+v, %v", p, err)
			}
			if got, status := c.answer(); status != 0 || !bytes.Equal(got, want) {
				t.Errorf("pieces of %d bytes: %d bytes, %v", size, len(got), status)
			}
		}
	})
}

func TestPipelinedCallsAreAnsweredInOrder(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.bound(tr, 0)
		const n = 5000
		var calls []byte
		for i := range n {
			calls = append(calls, c.request(opEcho, number(uint32(i)))...)
		}
		go c.Write(c.framed(calls, 1<<16-1))
		for i := range n {
			if got, status := c.answer(); status != 0 || !bytes.Equal(got, number(uint32(i))) {
				t.Fatalf("call %d: %x, %v", i, got, status)
			}
		}
	})
}

func TestFaultsThatLeaveTheConnection(t *testing.T) {
	r := newRig(t).start()
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.bound(tr, 0)
		huge := binary.LittleEndian.AppendUint32(nil, 0xfffffff0)
		foreign := c.request(opEcho, nil)
		foreign[4] |= 1 // EBCDIC
		for _, tt := range []struct {
			name   string
			pdu    []byte
			status dcerpc.Status
		}{
			{"no such operation", c.request(100, nil), dcerpc.NcaOpRange},
			{"no such context", c.requestIn(77, opEcho, nil), dcerpc.NcaUnknownIf},
			{"huge conformant count", c.request(opArray, append(huge, "abc"...)), dcerpc.FaultBadStubData},
			{"count without its bytes", c.request(opArray, number(4)), dcerpc.FaultBadStubData},
			{"arguments missing", c.request(opUse, nil), dcerpc.NcaContextMismatch},
			{"panic", c.request(opPanic, nil), dcerpc.NcaUnspec},
			{"characters are EBCDIC", foreign, dcerpc.NcaUnsupportedType},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c.fault(tt.pdu, tt.status)
				c.works()
			})
		}
	})
}

func TestFaultsThatEndTheConnection(t *testing.T) {
	r := newRig(t)
	r.srv.Limits.Stub = 1 << 16
	r.start()
	other := r.bound(layout.TCP, 0)
	fragment := func(h dcerpc.Header, flags byte, stub []byte) []byte {
		h.Flags = flags
		return dcerpc.AppendRequest(nil, h, dcerpc.Request{Stub: stub})
	}
	for _, tt := range []struct {
		name   string
		pdu    func(c *client) []byte
		status dcerpc.Status
	}{
		{"a last fragment without a first", func(c *client) []byte { return fragment(c.next(), dcerpc.FlagLast, nil) }, dcerpc.NcaProtoError},
		{"two first fragments", func(c *client) []byte {
			return append(fragment(c.next(), dcerpc.FlagFirst, []byte("12345678")), fragment(c.h, dcerpc.FlagFirst, nil)...)
		}, dcerpc.NcaProtoError},
		{"a fragment of another call", func(c *client) []byte {
			return append(fragment(c.next(), dcerpc.FlagFirst, []byte("12345678")), fragment(c.next(), dcerpc.FlagLast, nil)...)
		}, dcerpc.NcaProtoError},
		{"an alter_context between fragments", func(c *client) []byte {
			return append(fragment(c.next(), dcerpc.FlagFirst, []byte("12345678")),
				dcerpc.AppendAlterContext(nil, c.next(), dcerpc.Offer{}, []dcerpc.Presentation{presentTest})...)
		}, dcerpc.NcaProtoError},
		{"an over-long stub", func(c *client) []byte { return c.request(opEcho, make([]byte, 1<<16+1)) }, dcerpc.FaultAccessDenied},
		{"an over-long fragment", func(c *client) []byte { return fragment(c.next(), 3, make([]byte, 6000)) }, dcerpc.NcaProtoError},
		{"a signature", func(c *client) []byte {
			b, _ := dcerpc.AppendAuth(c.request(opEcho, nil), 0, dcerpc.Auth{Type: dcerpc.AuthNTLM, Level: dcerpc.LevelIntegrity}, 16)
			return b
		}, dcerpc.FaultAccessDenied},
		{"an auth3", func(c *client) []byte {
			b, _ := dcerpc.AppendAuth(dcerpc.AppendAuth3(nil, c.next()), 0, dcerpc.Auth{Type: dcerpc.AuthNTLM, Level: dcerpc.LevelPrivacy}, 16)
			return b
		}, dcerpc.NcaProtoError},
		{"a PDU that servers send", func(c *client) []byte { return dcerpc.AppendResponse(nil, c.next(), dcerpc.Response{}) }, dcerpc.NcaProtoError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, tr layout.Transport) {
				c := r.bound(tr, 0)
				c.cut(tt.pdu(c), tt.status)
				other.works()
			})
		})
	}
}

func TestCancelAndOrphanedHaveNoAnswer(t *testing.T) {
	r := newRig(t).start()
	c := r.bound(layout.TCP, 0)
	c.send(dcerpc.AppendCancel(nil, c.h))
	c.send(dcerpc.AppendOrphaned(nil, c.h))
	c.works()
}

// Whoever calls with maybe semantics waits for no answer.
func TestMaybeCallHasNoAnswer(t *testing.T) {
	r := newRig(t).start()
	c := r.bound(layout.TCP, 0)
	for _, opnum := range []uint16{opEcho, opPanic} {
		h := c.next()
		h.Flags |= dcerpc.FlagMaybe
		c.send(dcerpc.AppendRequest(nil, h, dcerpc.Request{Opnum: opnum, Stub: []byte("maybe")}))
		c.works()
	}
}

// Three clients stall at different places; another is served meanwhile, and
// they too once they go on.
func TestStallingClientsHoldUpNobody(t *testing.T) {
	r := newRig(t).start()
	other := r.bound(layout.TCP, 0)
	stub := noise(20000)
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		var clients []*client
		var rest [][]byte
		for _, at := range []int{1, 15, 16, 30, 3000, 5840, 10000, 15000} {
			c := r.bound(tr, 0)
			stream := c.framed(c.request(opEcho, stub), 1<<16-1)
			_, err := c.Write(stream[:at])
			must(t, err)
			clients, rest = append(clients, c), append(rest, stream[at:])
		}
		for range 100 {
			other.works()
		}
		for i, c := range clients {
			_, err := c.Write(rest[i])
			must(t, err)
			if got, status := c.answer(); status != 0 || !bytes.Equal(got, stub) {
				t.Errorf("client %d: %d bytes, %v", i, len(got), status)
			}
		}
	})
}

// A client that does not read its answers is not read either, and nobody else
// waits for it.
func TestClientThatDoesNotReadItsAnswers(t *testing.T) {
	r := newRig(t).start()
	other := r.bound(layout.TCP, 0)
	eachTransport(t, func(t *testing.T, tr layout.Transport) {
		c := r.bound(tr, 0)
		const n, size = 64, 1 << 20
		for range n {
			c.send(c.request(opBig, number(size)))
		}
		for range 100 {
			other.works()
		}
		for i := range n {
			if got, status := c.answer(); status != 0 || len(got) != size {
				t.Fatalf("answer %d: %d bytes, %v", i, len(got), status)
			}
		}
		c.works()
	})
}

// Unfinished calls of all clients together have a bound.
func TestPartialCallsHaveABound(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Partial].Address = 100000
	r.start()
	other := r.bound(layout.TCP, 0)
	// split makes a call of which the last fragment is kept back.
	split := func(c *client, n int) (begin, end []byte) {
		pdus := c.request(opEcho, noise(n))
		for len(pdus) > 0 {
			h, _, _ := dcerpc.ParseHeader(pdus, 0)
			if h.Flags&dcerpc.FlagLast != 0 {
				break
			}
			begin, pdus = append(begin, pdus[:h.FragLength]...), pdus[h.FragLength:]
		}
		return begin, pdus
	}
	first, second := r.bound(layout.TCP, 0), r.bound(layout.TCP, 0)
	begin, _ := split(first, 60000)
	first.send(begin)
	for r.loop.ledger.Total(source.Partial) < 60000-dcerpc.FragSizeTCP {
		time.Sleep(time.Millisecond)
	}
	begin, end := split(second, 50000)
	second.send(begin)
	first.over() // it had more, whatever part of the other's has been taken apart
	second.send(end)
	if got, status := second.answer(); len(got) != 50000 || status != 0 {
		t.Errorf("%d bytes, %v", len(got), status)
	}
	if got, status := other.call(opEcho, noise(60000)); len(got) != 60000 || status != 0 {
		t.Errorf("after it: %d bytes, %v", len(got), status)
	}
	begin, _ = split(second, 120000)
	second.cut(begin, dcerpc.NcaServerTooBusy)
}

// So have answers that are not taken.
func TestUnsentAnswersHaveABound(t *testing.T) {
	r := newRig(t)
	r.env.Limits[source.Unsent].Address = 1 << 20
	r.start()
	other := r.bound(layout.TCP, 0)
	c := r.bound(layout.TCP, 0)
	c.send(c.request(opBig, number(16<<20)))
	for p, err := c.receive(); err == nil; p, err = c.receive() {
		if p.Flags&dcerpc.FlagLast != 0 {
			t.Fatal("the whole answer came")
		}
	}
	other.works()
}
