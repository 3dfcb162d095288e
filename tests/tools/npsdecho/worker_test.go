// SPDX-License-Identifier: Apache-2.0

package main

// The test plays the parent: it starts this program as an adaptor does, and
// talks to it over Samba's messaging.

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/samba"
	"msrpcd/pkg/wire/listing"
	"msrpcd/pkg/wire/npa"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

// child makes the test binary the program itself.
const child = "NPSDECHO_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), child+"=1")
	return cmd
}

type parent struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	bus   *samba.MessagingSocket
	in    *net.UnixConn
	parts samba.Reassembler
}

func start(t *testing.T) *parent {
	dir := t.TempDir()
	conf := filepath.Join(dir, "smb.conf")
	check.OK(t, os.WriteFile(conf, []byte("[global]\n\tLock  Directory = "+dir+"\n[x]\n lock dir = /no\n"), 0o600))
	p := &parent{t: t, cmd: program("--configfile="+conf, "--worker-group=0", "--worker-index=3", "--debuglevel=1", "--debug-stdout")}
	var err error
	if p.bus, err = samba.OpenMessagingSocket(dir, dir); err != nil {
		t.Fatal(err)
	}
	if p.in, err = connOf(p.bus.FD); err != nil {
		t.Fatal(err)
	}
	p.in.SetDeadline(time.Now().Add(20 * time.Second))
	if p.stdin, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	check.OK(t, err)
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		p.in.Close()
	})
	if s := p.status(); s != (samba.WorkerStatus{Index: 3, HasGroups: true}) {
		t.Fatalf("first status %+v", s)
	}
	return p
}

func (p *parent) receive(typ uint32) samba.Message {
	p.t.Helper()
	b := make([]byte, samba.DatagramSize)
	for {
		n, err := p.in.Read(b)
		check.OK(p.t, err)
		if m, ok := p.parts.Add(b[:n]); ok {
			if m.Type != typ || m.Src.PID != uint64(p.cmd.Process.Pid) {
				p.t.Fatalf("%+v instead of a message of type %d", m, typ)
			}
			return m
		}
	}
}

func (p *parent) status() samba.WorkerStatus {
	p.t.Helper()
	s, ok := samba.ParseWorkerStatus(p.receive(samba.MsgWorkerStatus).Body)
	if !ok {
		p.t.Fatal("malformed status")
	}
	return s
}

// send sends one message; the descriptor, if any, goes with its last datagram.
func (p *parent) send(typ uint32, body []byte, fds ...int) (datagrams int) {
	p.t.Helper()
	to, err := p.bus.Connect(p.cmd.Process.Pid)
	check.OK(p.t, err)
	defer unix.Close(to)
	o := samba.NewOutgoing(len(body))
	copy(o.Body(), body)
	for o.Finish(samba.ServerID{PID: uint64(p.cmd.Process.Pid)}, p.bus.ID, typ, len(body)); o.Pending(); o.Sent() {
		d, last := o.Datagram()
		var oob []byte
		if last && len(fds) > 0 {
			oob = unix.UnixRights(fds...)
		}
		check.OK(p.t, unix.Sendmsg(to, d, oob, nil, 0))
		datagrams++
	}
	return datagrams
}

// client gives a new connection to the program and returns its other end.
func (p *parent) client(body []byte) (c *net.UnixConn, datagrams int) {
	p.t.Helper()
	pair := check.Pair(p.t, unix.SOCK_STREAM)
	datagrams = p.send(samba.MsgNewClient, body, pair[1])
	unix.Close(pair[1])
	c, err := connOf(pair[0])
	check.OK(p.t, err)
	p.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c, datagrams
}

// request is a named pipe auth request; extra, a multiple of 8, makes the
// client's name longer.
func request(t *testing.T, extra int) []byte {
	t.Helper()
	b := vectors.Read(t, "samba/samba-4.25.npa_request.1.rpcd_classic.bin")
	const name = 0x30 // u32 maximum, u32 0, u32 actual count, bytes
	for _, at := range []int{name, name + 8} {
		binary.LittleEndian.PutUint32(b[at:], binary.LittleEndian.Uint32(b[at:])+uint32(extra))
	}
	binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)+uint32(extra))
	return append(b[:name+12:name+12], append([]byte(strings.Repeat("x", extra)), b[name+12:]...)...)
}

func body(pdu, info []byte) []byte {
	b := append(make([]byte, samba.ClientHead), pdu...)
	return samba.AppendClient(b, []byte(binding), info)
}

func TestServesClients(t *testing.T) {
	p := start(t)
	clients := map[string]*net.UnixConn{}
	for name, extra := range map[string]int{"single": 0, "fragmented": 2400} {
		c, n := p.client(body(nil, request(t, extra)[npa.HeaderSize:]))
		if fragmented := n > 1; fragmented != (extra > 0) {
			t.Errorf("%s: %d datagrams", name, n)
		}
		clients[name] = c
		for _, message := range []string{"\x05\x00first", "\x06\x00second"} {
			io.WriteString(c, message)
			got := make([]byte, len(message))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != message {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
	if got := p.dump(); strings.Count(got, "npsdecho: client 127.0.0.1\n") != 2 {
		t.Errorf("clients %q", got)
	}
	for left := uint32(1); ; left-- {
		for name, c := range clients {
			c.Close()
			delete(clients, name)
			break
		}
		if s := p.status(); s.Connections != left || s.AssocGroups != left {
			t.Errorf("%+v, want %d connections", s, left)
		}
		if left == 0 {
			break
		}
	}
	check.Is(t, "clients after the last one", "", p.dump())
	p.send(msgPing, []byte("hello"))
	if m := p.receive(msgPong); string(m.Body) != "hello" {
		t.Errorf("pong %q", m.Body)
	}
	p.send(samba.MsgShutdown, nil)
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// dump asks who is connected.
func (p *parent) dump() string {
	p.t.Helper()
	r, w, err := os.Pipe()
	check.OK(p.t, err)
	defer r.Close()
	p.send(samba.MsgDumpStatus, nil, int(w.Fd()))
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		p.t.Error(err)
	}
	return string(text)
}

func TestRefusesWhatIsNoClientOfThisPipe(t *testing.T) {
	p := start(t)
	info := request(t, 0)[npa.HeaderSize:]
	misaligned := body(nil, nil) // with four more NULs in the binding
	for _, at := range []int{samba.ClientHead, samba.ClientHead + 8} {
		binary.LittleEndian.PutUint32(misaligned[at:], binary.LittleEndian.Uint32(misaligned[at:])+4)
	}
	misaligned = append(append(misaligned, 0, 0, 0, 0), info...)
	for name, b := range map[string][]byte{
		"with a PDU":    body(make([]byte, 72), info),
		"other pipe":    samba.AppendClient(make([]byte, samba.ClientHead), []byte(`ncacn_np:[\pipe\winreg]`), info),
		"cut session":   body(nil, info[:200]),
		"misaligned":    misaligned,
		"empty message": nil,
	} {
		c, _ := p.client(b)
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: %d, %v; want the end of file", name, n, err)
		}
	}
	p.send(msgPing, nil)
	p.receive(msgPong) // and no status before it
}

func TestEndsWithItsParent(t *testing.T) {
	p := start(t)
	p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestCommandLine(t *testing.T) {
	out, err := program("--list-interfaces").Output()
	check.OK(t, err)
	l, err := listing.Parse(out)
	check.OK(t, err)
	if want := (listing.Pipe{Name: "npsdecho", FileType: 2, DeviceState: 255, Allocation: 4096}); len(l.Pipes) != 1 || l.Pipes[0] != want || l.Workers != 1 || l.IdleSec != 10 {
		t.Errorf("%+v", l)
	}
	// How an adaptor asks for the version.
	out, err = program("--debug-stdout", "--debuglevel=0", "--configfile=/dev/null").Output()
	if err == nil || !strings.HasPrefix(string(out), "npsd_echo version 4.25.0 started.\n") {
		t.Errorf("%q, %v", out, err)
	}
}
