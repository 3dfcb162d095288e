// SPDX-License-Identifier: Apache-2.0

package pipeauth

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/npa"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

const maxRequest = 1 << 16

func request(t testing.TB) []byte {
	return vectors.Read(t, "samba/samba-4.22.npa_request.5.rpcd_winreg.bin")
}

func pair(t testing.TB) (client, server int) {
	t.Helper()
	p := check.Pair(t, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func TestTheFirstWrongByteIsRefused(t *testing.T) {
	good := request(t)
	for i := range npa.HeaderSize {
		client, server := pair(t)
		bad := bytes.Clone(good[:i+1])
		bad[i] ^= 0x55
		sys.Send(client, bad)
		want := Part
		if i == 0 || i == 1 || i >= 4 && i < 8 { // too long, or no magic; what follows is Parse's
			want = Refused
		}
		if i == 1 {
			continue // the length is not whole
		}
		if _, got, rej := Receive(server, nil, make([]byte, 4096), maxRequest); got != want || (rej != nil) != (want == Refused) {
			t.Errorf("byte %d is wrong: outcome %d, %v; want %d", i, got, rej, want)
		}
	}
}

func TestWhatFollowsTheRequestIsNotRead(t *testing.T) {
	client, server := pair(t)
	good := request(t)
	var got []byte
	buf := make([]byte, 7)
	for i := range good {
		sys.Send(client, good[i:i+1])
		if i == len(good)-1 {
			sys.Send(client, []byte("bind"))
		}
		outcome, want := Part, Part
		if i == len(good)-1 {
			want = Whole
		}
		if got, outcome, _ = Receive(server, got, buf, maxRequest); outcome != want {
			t.Fatalf("outcome %d at byte %d", outcome, i)
		}
	}
	n, _ := sys.Available(server)
	if !bytes.Equal(got, good) || n != len("bind") {
		t.Errorf("%d bytes of the request, %d are left unread", len(got), n)
	}
	if _, outcome, _ := Receive(server, append(got, 'x'), buf, maxRequest); outcome != Refused {
		t.Error("a request with a byte behind it is taken")
	}
	if _, outcome, rej := Receive(server, got, buf, len(got)-1); outcome != Refused || rej != npa.RejectLong {
		t.Errorf("a request beyond the limit: %d, %v", outcome, rej)
	}
}

func TestAnswers(t *testing.T) {
	client, server := pair(t)
	b := make([]byte, 64)
	if n := testing.AllocsPerRun(10, func() { RPC.Accept(server, npa.Level8) }); n > 0 {
		t.Errorf("%v allocations for an answer", n)
	}
	for n := 1; n > 0; n, _ = sys.Recv(client, b, 0) {
	}
	if !RPC.Accept(server, npa.Level8) {
		t.Error("the answer is not sent")
	}
	if n, _ := sys.Recv(client, b, 0); n != npa.ReplySize || b[npa.ReplySize-4] != npa.StatusOK || string(b[4:8]) != "NPAM" {
		t.Errorf("answer %x", b[:n])
	}
	Refuse(server, npa.RejectMagic)
	Refuse(server, npa.RejectLevel)
	if n, _ := sys.Recv(client, b, 0); !bytes.Equal(b[:n], npa.RejectLevel.Reply) {
		t.Errorf("answer to an unknown level %x", b[:n])
	}
	if unix.Shutdown(client, unix.SHUT_RDWR) != nil || RPC.Accept(server, npa.Level8) {
		t.Error("a client that has closed has an answer")
	}
	if _, outcome, _ := Receive(server, nil, b, maxRequest); outcome != Gone {
		t.Errorf("outcome %d of a client that has closed", outcome)
	}
}

// FuzzReceive sends data in pieces: what comes of it depends on the bytes that
// have come alone, and is known as soon as they say it.
func FuzzReceive(f *testing.F) {
	good := request(f)
	f.Add(good, []byte{1, 2, 3, 4, 5, 200})
	f.Add(append(bytes.Clone(good), "tail"...), []byte{255, 255, 255, 255})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte{1, 1})
	f.Add([]byte{0, 0, 0, 1, 'N', 'P', 'A', 'M'}, []byte{4})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		if len(data) > 1<<12 || len(cuts) > 64 {
			return
		}
		client, server := pair(t)
		var got []byte
		buf := make([]byte, 100)
		sent := 0
		for _, cut := range append(cuts, 255, 255, 255, 255, 255, 255, 255, 255) {
			piece := data[sent:min(len(data), sent+int(cut))]
			sys.Send(client, piece)
			sent += len(piece)
			var outcome Outcome
			var rej *npa.Reject
			got, outcome, rej = Receive(server, got, buf, 1<<11)
			want, total := expected(data[:sent])
			if outcome != want || (rej != nil) != (want == Refused) {
				t.Fatalf("outcome %d, %v of %x; want %d", outcome, rej, data[:sent], want)
			}
			if unread, _ := sys.Available(server); !bytes.HasPrefix(data, got) || len(got)+unread != sent || total > 0 && len(got) > total {
				t.Fatalf("%d bytes are read, %d are left of %d; the request has %d", len(got), unread, sent, total)
			}
			if outcome != Part {
				return
			}
		}
	})
}

// expected is the outcome of a stream of which this much has come, and the length
// of its request.
func expected(stream []byte) (want Outcome, total int) {
	for n := range len(stream) + 1 {
		size, rej := npa.Length(stream[:n], 1<<11)
		if rej != nil {
			return Refused, 0
		}
		if total = size; total > 0 && n == total {
			return Whole, total
		}
	}
	return Part, total
}
