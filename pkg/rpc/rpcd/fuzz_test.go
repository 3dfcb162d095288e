// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// FuzzStream sends bytes into a connection, closes it, and looks whether the
// server answers with PDUs alone and keeps nothing of it. Goroutines make its
// coverage vary: run it with -fuzzminimizetime 10x.
func FuzzStream(f *testing.F) {
	for _, seed := range streams(f) {
		for tr := range uint8(4) {
			f.Add(tr, seed)
		}
	}
	c := &client{t: f, h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian}}
	begun := c.authBind(0, dcerpc.Auth{Type: toyService, Level: dcerpc.LevelConnect, ContextID: 1, Value: []byte("token1")})
	done := append(begun[:len(begun):len(begun)], c.auth3(toyService, "token2")...)
	f.Add(uint8(0), append(done, c.in(1, dcerpc.LevelConnect, opIdentity)...))
	f.Add(uint8(1), append(begun[:len(begun):len(begun)], c.alter(2, dcerpc.LevelPrivacy, "token1")...))
	s, hooks := newTestServer()
	s.Auth = []auth.Mechanism{toyAuth{}}
	close(hooks.wait)
	go func() {
		for {
			select {
			case <-hooks.ran:
			case <-hooks.runs:
			}
		}
	}()
	l, err := newLoop(s, setting.Defaults(), slog.New(slog.DiscardHandler))
	must(f, err)
	l.endpoints = []endpoint.Endpoint{
		{Transport: layout.TCP, Name: "49152"}, {Transport: layout.Ncalrpc, Name: "TEST"}, {Transport: layout.NP, Name: `\pipe\test`},
	}
	buf := make([]byte, 1<<20)
	f.Fuzz(func(t *testing.T, tr uint8, stream []byte) {
		p := check.Pair(t, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
		defer unix.Close(p[1])
		c := l.add(p[0], min(int(tr&3), 2))
		handshake := tr&3 == 3
		if handshake {
			c.phase = wantNPA
		}
		c.readable(l)
		answer := feed(l, p[1], stream, buf)
		for r := range source.Resources {
			if n := l.ledger.Total(r); n != 0 {
				t.Errorf("it keeps %d of %s", n, limited[r].what)
			}
		}
		if l.ledger.Len() != 0 || l.unbound.all.n != 0 || len(l.groups.byID) != 0 || len(l.out) != 0 || l.unbound.all.first != nil {
			t.Errorf("it keeps %d sources, %d silent connections, %d groups, %d unsent", l.ledger.Len(), l.unbound.all.n, len(l.groups.byID), len(l.out))
		}
		if handshake && len(answer) > 0 {
			answer = answer[min(len(answer), 36):] // of the handshake
		}
		parses(t, answer, tr&3 >= 2)
	})
}

// feed sends a stream into a connection of a loop, serves until the loop has
// no connection left, and returns what came back, 1 MiB and a bit at most.
func feed(l *loop, peer int, stream, buf []byte) (answer []byte) {
	receive := func() bool {
		n, errno := sys.Recv(peer, buf, 0)
		if errno == 0 && len(answer) < 1<<20 {
			answer = append(answer, buf[:n]...)
		}
		return errno == 0 && n > 0
	}
	for closed := false; l.open > 0 || l.running > 0; receive() {
		if n, errno := sys.Send(peer, stream); errno == 0 {
			stream = stream[n:]
		}
		if len(stream) == 0 && !closed {
			unix.Shutdown(peer, unix.SHUT_WR)
			closed = true
		}
		n, _ := l.Wait(min(l.due(), l.Now+20*time.Millisecond))
		for i := range n {
			l.event(l.Event(i))
		}
		l.serveQueued()
	}
	for receive() {
	}
	return answer
}

// parses checks that a stream is made of PDUs; the last one may be cut.
func parses(t *testing.T, stream []byte, np bool) {
	for len(stream) > 0 {
		pdu := stream
		if np {
			buf := make([]byte, 1<<16)
			n, rej := npa.Gather(buf, stream)
			if rej != nil {
				t.Fatalf("message of length 0 in %x", stream)
			}
			pdu = buf[:n]
		}
		p, need, rej := dcerpc.Parse(pdu, 0)
		if rej != nil {
			t.Fatalf("the server sends %x: %v", pdu[:min(len(pdu), 64)], rej)
		}
		if need > 0 {
			return
		}
		used := int(p.FragLength)
		if np {
			used, _ = npa.Span(stream, used)
		}
		stream = stream[used:]
	}
}

// streams are what clients that behave send.
func streams(tb testing.TB) (all [][]byte) {
	auth := vectors.Read(tb, "samba/samba-4.22.npa_request.5.rpcd_winreg.bin")
	for _, np := range []bool{false, true} {
		for _, drep := range []dcerpc.Drep{dcerpc.LittleEndian, dcerpc.BigEndian} {
			c := &client{t: nil, np: np, max: dcerpc.MustRecvFragSize, h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: drep}}
			handle := make([]byte, 20)
			pdus := bytes.Join([][]byte{
				c.bind(0, presentTest, presentOther),
				c.request(opEcho, make([]byte, 3000)),
				c.request(opOpen, number(1)), c.request(opUse, handle), c.request(opClose, handle),
				dcerpc.AppendAlterContext(nil, c.next(), dcerpc.Offer{}, []dcerpc.Presentation{{ID: 5, Abstract: testID, Transfers: []dcerpc.SyntaxID{dcerpc.NDR64}}}),
				c.requestIn(5, opArray, []byte("\x03\x00\x00\x00\x00\x00\x00\x00abc")),
				c.request(opWait, nil), c.request(opWaitOpen, number(2)), c.request(opPanic, nil),
				dcerpc.AppendCancel(nil, c.h), dcerpc.AppendOrphaned(nil, c.h),
				c.request(opBig, number(100000)), c.requestIn(9, 9, nil),
			}, nil)
			stream := c.framed(pdus, 1000)
			all = append(all, stream)
			if np {
				all = append(all, append(bytes.Clone(auth), stream...))
			}
		}
	}
	return all
}
