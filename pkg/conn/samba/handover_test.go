// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/host/layout"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
)

// rest asserts that the connection goes on right behind the PDU.
func (c *client) rest(want string) {
	c.f.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		c.f.t.Fatalf("after the PDU came %q, %v; want %q", got, err, want)
	}
}

// clean is an anonymous body without the GUID, the one field that is random.
func clean(t testing.TB, body []byte) []byte {
	g := anonymousGUID(t, body)
	return bytes.Replace(body, g[:], make([]byte, 16), 1)
}

func TestClientsOfPipesReachTheRpcd(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	f.run("np", func(t *testing.T) {
		c := f.connect(layout.NP, "winreg")
		io.WriteString(c, string(framed(bind(t)))+"more")
		c.give(f.pipeMessage())
		check.Same(t, AppendClient(bodyWith(bind(t)), []byte(`ncacn_np:[\pipe\winreg]`), identity(t)), c.body())
		c.rest("more")
	})
	f.run("np, bind in messages of one byte", func(t *testing.T) {
		c := f.connect(layout.NP, "winreg")
		var parts [][]byte
		for _, b := range bind(t) {
			parts = append(parts, []byte{b})
		}
		io.WriteString(c, string(framed(parts...))+"more")
		c.give(f.pipeMessage())
		if pdu, _, _ := captured(c.body()); !bytes.Equal(pdu, bind(t)) {
			t.Errorf("PDU %x", pdu)
		}
		c.rest("more")
	})
	f.run("np, large identity in a memfd", func(t *testing.T) {
		big := bytes.Repeat(identity(t), 600)
		fd, err := unix.MemfdCreate("npa", unix.MFD_CLOEXEC)
		f.must(err)
		mem := os.NewFile(uintptr(fd), "npa")
		defer mem.Close()
		_, err = mem.Write(big)
		f.must(err)
		c := f.connect(layout.NP, "winreg")
		c.Write(framed(bind(t)))
		m := f.pipeMessage()
		m.NPA, m.NPALength, m.Flags = nil, uint32(len(big)), handoff.FlagNPAInMemfd
		c.give(m, int(mem.Fd()))
		if !bytes.Equal(AppendClient(bodyWith(bind(t)), m.Binding, big), c.body()) {
			t.Error("body differs")
		}
	})
	f.run("np without DCE/RPC", func(t *testing.T) {
		c := f.connect(layout.NP, "tsvcpipe")
		io.WriteString(c, "more")
		m := f.pipeMessage()
		m.Flags, m.FragLength, m.Binding = handoff.FlagNoPDU, 0, []byte(`ncacn_np:[\pipe\tsvcpipe]`)
		c.give(m)
		check.Same(t, AppendClient(bodyWith(nil), m.Binding, m.NPA), c.body())
		c.rest("more")
	})
	f.received(4)
}

// received asserts how many clients were taken out of the inbox.
func (f *fixture) received(want uint64) {
	f.t.Helper()
	check.Is(f.t, "received", want, f.line().Received.Load())
}

func TestBytesThatWereReadAlreadyReachTheRpcd(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	f.run("np, bytes that were read already", func(t *testing.T) {
		stream := framed(bind(t)[:30], bind(t)[30:31], bind(t)[31:])
		for _, n := range []int{1, 2, 31, 32, 33, 34, 35, 36, 37, len(stream) - 1} {
			c := f.connect(layout.NP, "winreg")
			io.WriteString(c, string(stream[n:])+"more")
			m := f.pipeMessage()
			m.Head = stream[:n]
			c.give(m)
			if pdu, _, _ := captured(c.body()); !bytes.Equal(pdu, bind(t)) {
				t.Errorf("%d bytes: PDU %x", n, pdu)
			}
			c.rest("more")
		}
	})
	f.run("ncalrpc, bytes that were read already", func(t *testing.T) {
		for _, n := range []int{1, 15, len(bind(t)) - 1} {
			c := f.connect(layout.Ncalrpc, "rpcd_winreg")
			io.WriteString(c, string(bind(t)[n:])+"more")
			c.give(handoff.Message{FragLength: uint16(len(bind(t))), Binding: []byte("ncalrpc:[rpcd_winreg]"), Head: bind(t)[:n]})
			if pdu, _, _ := captured(c.body()); !bytes.Equal(pdu, bind(t)) {
				t.Errorf("%d bytes: PDU %x", n, pdu)
			}
			c.rest("more")
		}
	})
	f.received(13)
}

func TestAnonymousClientsReachTheRpcd(t *testing.T) {
	loopback.Need(t)
	f := newFixture(t)
	f.startReady()
	guest, err := lookupGuest("root")
	f.must(err)
	guest.NetbiosName = "HOST"
	anon := NewAnonymous(layoutOf(t, f.version), guest)

	f.run("tcp", func(t *testing.T) {
		c := f.connect(layout.TCP, "")
		io.WriteString(c, string(bind(t))+"more")
		binding := []byte("ncacn_ip_tcp:[" + strconv.Itoa(int(c.addr.Port())) + "]")
		c.give(handoff.Message{FragLength: uint16(len(bind(t))), Binding: binding})
		check.Same(t, anon.AppendTCP(bodyWith(bind(t)), binding, c.remote, c.addr), clean(t, c.body()))
		c.rest("more")
	})
	f.run("ncalrpc", func(t *testing.T) {
		c := f.connect(layout.Ncalrpc, "DEFAULT")
		io.WriteString(c, string(bind(t))+"more")
		binding := []byte("ncalrpc:[DEFAULT]")
		c.give(handoff.Message{FragLength: uint16(len(bind(t))), Binding: binding})
		want := anon.AppendLocal(bodyWith(bind(t)), binding, []byte(f.dir+"/ncalrpc/DEFAULT"), true)
		check.Same(t, want, clean(t, c.body()))
		c.rest("more")
	})
	f.received(2)
}

func TestRefusedHandOverCostsNoOtherClient(t *testing.T) {
	loopback.Need(t)
	f := newFixture(t)
	f.startReady()
	tcp := handoff.Message{FragLength: 72, Binding: []byte("ncacn_ip_tcp:[135]")}
	tests := []struct {
		name      string
		transport layout.Transport
		node      string
		sent      []byte
		edit      func(*handoff.Message)
		want      error
	}{
		{name: "port of another listener", transport: layout.TCP, sent: bind(t), edit: func(m *handoff.Message) { *m = tcp }, want: inbox.ErrBinding},
		{name: "pipe of another name", node: "lsarpc", sent: framed(bind(t)), want: inbox.ErrBinding},
		{name: "transport of another socket", transport: layout.Ncalrpc, node: "winreg", sent: bind(t), want: inbox.ErrBinding},
		{name: "binding without endpoint", sent: framed(bind(t)), edit: func(m *handoff.Message) { m.Binding = []byte("ncacn_np:") }, want: inbox.ErrBinding},
		{name: "identity for ncalrpc", transport: layout.Ncalrpc, node: "x", sent: bind(t), edit: func(m *handoff.Message) { m.Binding = []byte("ncalrpc:[x]") }, want: inbox.ErrIdentity},
		{name: "pipe without identity", sent: framed(bind(t)), edit: func(m *handoff.Message) { m.NPA, m.NPALevel = nil, 0 }, want: inbox.ErrNoIdentity},
		{name: "directory of another name", transport: "elsewhere", sent: framed(bind(t)), want: inbox.ErrDirectory},
		{name: "no PDU", want: errShort},
		{name: "half a PDU", sent: framed(bind(t))[:40], want: errShort},
		{name: "PDU that goes on", sent: framed(append(bind(t), 1)), want: errShort},
		{name: "empty message", sent: framed(bind(t)[:20], nil, bind(t)[20:]), want: errShort},
		{name: "no bind", sent: framed(append([]byte{5, 0, 0}, bind(t)[3:]...)), want: errPDU},
		{name: "another length", sent: framed(bind(t)), edit: func(m *handoff.Message) { m.FragLength -= 8 }, want: errShort},
		{name: "unknown flag", sent: framed(bind(t)), edit: func(m *handoff.Message) { m.Flags = 0x8000 }, want: handoff.ErrFlags},
		{name: "memfd missing", sent: framed(bind(t)), edit: func(m *handoff.Message) { m.Flags, m.NPALength = handoff.FlagNPAInMemfd, 10 }, want: inbox.ErrDescriptors},
	}
	for i, tt := range tests {
		f.run(tt.name, func(t *testing.T) {
			if tt.transport == "" {
				tt.transport = layout.NP
			}
			if tt.node == "" {
				tt.node = "winreg"
			}
			c := f.connect(tt.transport, tt.node)
			c.Write(tt.sent)
			m := f.pipeMessage()
			if tt.edit != nil {
				tt.edit(&m)
			}
			c.give(m)
			c.closed()
			next := f.pipeClient()
			next.body()
			next.Close()
			if got := f.line().Received.Load(); got != uint64(2*i+2) {
				t.Errorf("%d received, want %d", got, 2*i+2)
			}
			if !f.output.has(tt.want.Error()) {
				t.Errorf("no log of %q in\n%s", tt.want, f.output.String())
			}
		})
	}
}

func TestDatagramsThatAreNoHandOverAreClosed(t *testing.T) {
	f := newFixture(t)
	f.startReady()
	r, w, err := os.Pipe()
	f.must(err)
	defer r.Close()
	send := func(b []byte, oob []byte) {
		t.Helper()
		f.must(unix.Sendmsg(f.sender, b, oob, nil, 0))
	}
	rights := unix.UnixRights(int(w.Fd()), int(w.Fd()), int(w.Fd()))
	send([]byte("GET / HTTP/1.0"), rights)
	send([]byte{0}, rights)
	send(bytes.Repeat([]byte{1}, handoff.MaxDatagram+1), rights)
	m := f.pipeMessage()
	send(m.Append(nil), nil)
	send(m.Append(nil), unix.UnixRights(int(w.Fd())))
	w.Close()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("descriptors are kept: read %d, %v", n, err)
	}
	f.pipeClient().body()
	check.Is(t, "connections", "received 6 closed 5", f.counts())
	for _, e := range []error{handoff.ErrMagic, inbox.ErrTruncated, inbox.ErrDescriptors, inbox.ErrSocket} {
		if !f.output.has("refused: "+e.Error()) || strings.Count(f.output.String(), "refused: "+e.Error()) != 1 {
			t.Errorf("%q is not logged once:\n%s", e, f.output.String())
		}
	}
}

func FuzzBannerVersion(f *testing.F) {
	f.Add([]byte("rpcd_winreg version 4.17.12-Debian started.\nCopyright"))
	f.Add(binary.LittleEndian.AppendUint32(nil, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, ok := bannerVersion(b); ok && (v.Major < 0 || v.Major > 999999) {
			t.Error(v)
		}
	})
}
