// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"io"
	"net"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

// BenchmarkCall is a warm call without arguments and results. Neither side
// allocates: what -benchmem shows is the server's.
func BenchmarkCall(b *testing.B) {
	for _, tr := range []layout.Transport{layout.TCP, layout.Ncalrpc} {
		b.Run(string(tr), func(b *testing.B) {
			c := newRig(b).start().bound(tr, 0)
			request, answer := c.request(opEcho, nil), make([]byte, 24)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(request); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, answer); err != nil || answer[2] != 2 {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBind is a connection with a bind, a call and an end.
func BenchmarkBind(b *testing.B) {
	r := newRig(b).start()
	for b.Loop() {
		c := r.bound(layout.TCP, 0)
		c.works()
		c.Close()
	}
}

// BenchmarkServe is the server's part of a warm call, and the client's system
// calls, on one thread: nothing waits for another one.
func BenchmarkServe(b *testing.B) {
	r := newRig(b)
	l := r.make()
	c := r.dial(layout.TCP)
	c.send(c.bind(0, presentTest))
	l.serveAll()
	request, answer := c.request(opEcho, nil), make([]byte, 1<<16)
	c.Read(answer)
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	must(b, err)
	b.ReportAllocs()
	raw.Control(func(fd uintptr) {
		for b.Loop() {
			sys.Send(int(fd), request)
			for n := 0; n != 24; {
				events, _ := l.Wait(0)
				for i := range events {
					l.event(l.Event(i))
				}
				l.serveQueued()
				var errno sys.Errno
				if n, errno = sys.Recv(int(fd), answer, 0); errno == 0 && n != 24 {
					b.Fatal(n)
				}
			}
		}
	})
}
