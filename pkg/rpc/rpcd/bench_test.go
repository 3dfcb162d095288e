// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"io"
	"testing"

	"msrpcd/pkg/host/layout"
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
