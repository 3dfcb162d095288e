// SPDX-License-Identifier: Apache-2.0

package dcerpc

import (
	"testing"

	"msrpcd/tests/tools/check"
)

// TestACallAllocatesNothing plays a connection from bind to fault as a server
// does, with buffers that are there already.
func TestACallAllocatesNothing(t *testing.T) {
	bind, request := read(t, "bind_ack.features.sent"), read(t, "response.object.sent")
	sealed := read(t, "seal.request.sent")
	stub, out := make([]byte, 10000), make([]byte, 0, 20000)
	var results [8]Result
	addr := []byte("135")
	re := Reassembler{Multiplex: true}
	n := testing.AllocsPerRun(100, func() {
		p, _, rej := Parse(bind, FragSizeTCP)
		o, l, rej2 := ParseBind(p)
		if rej != nil || rej2 != nil {
			t.Fatal(rej, rej2)
		}
		n := 0
		for c, ok := l.Next(); ok; c, ok = l.Next() {
			results[n] = Refuse(WhyTransfer)
			if f, ok := c.Transfers.At(0).Features(); ok {
				results[n] = FeatureResult(f)
			} else if c.Transfers.Contains(NDR) {
				results[n] = Accept(NDR)
			}
			n++
		}
		size := ServerFragSize(FragSizeTCP, o)
		out = AppendBindAck(out[:0], p.Reply(FlagMultiplex), Ack{size, size, 1, addr}, results[:n])
		out, _ = AppendAuth(out, 0, Auth{Type: AuthNTLM, Level: LevelPrivacy}, 100)
		for _, b := range [...][]byte{request, sealed} {
			p, _, rej := Parse(b, FragSizeTCP)
			q, rej2 := ParseRequest(p)
			call, done, rej3 := re.Add(p.Header, q)
			if rej != nil || rej2 != nil || rej3 != nil || !done {
				t.Fatal(rej, rej2, rej3)
			}
			out = AppendFragments(out[:0], call.Header, call.ContextID, stub, int(size))
			out = AppendFault(out, call.Reply(0), Fault{Status: NcaOpRange})
			out = ErrOpnum.AppendAnswer(out, call.Header, call.ContextID)
		}
	})
	check.Is(t, "allocations", 0, n)
}

func BenchmarkCall(b *testing.B) {
	request, stub, out := read(b, "response.object.sent"), make([]byte, 64), make([]byte, 0, 200)
	var re Reassembler
	b.ReportAllocs()
	for b.Loop() {
		p, _, _ := Parse(request, FragSizeTCP)
		q, _ := ParseRequest(p)
		call, done, _ := re.Add(p.Header, q)
		if !done {
			b.Fatal("not done")
		}
		out = AppendFragments(out[:0], call.Header, call.ContextID, stub, FragSizeTCP)
	}
}
