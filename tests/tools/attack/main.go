// SPDX-License-Identifier: Apache-2.0

// Attack is a client that takes what it can get of an rpcd: it floods it with
// calls, keeps requests unfinished, blocks, opens handles, begins handshakes, takes
// no answers. It may come from many addresses. When it has what it
// wants it says so in a line, holds it until a line comes from standard input,
// and prints how much that was.
package main

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

type attack struct {
	addr   string
	from   []string // own addresses, one after the other
	opened int
	iface  dcerpc.SyntaxID
	conns  int
	calls  int
	opnum  uint16
	stub   []byte
	group  uint32
}

func main() {
	a := attack{}
	iface := flag.String("iface", "60a15ec5-4de8-11d7-a637-005056a20182", "interface")
	major := flag.Uint("major", 1, "its version")
	opnum := flag.Uint("opnum", 0, "operation")
	stub := flag.String("stub", "", "its arguments, in hexadecimal digits")
	group := flag.Uint("group", 0, "association group to join")
	flag.StringVar(&a.addr, "addr", "", "address of the listener")
	from := flag.String("from", "", "own address, or the first of them")
	many := flag.Int("sources", 1, "how many own addresses")
	flag.IntVar(&a.conns, "c", 1, "connections")
	flag.IntVar(&a.calls, "n", 1, "calls of each")
	mode := flag.String("do", "", "flood, storm, partial, deaf, block, handles, shake or calls")
	flag.Parse()
	a.iface = dcerpc.SyntaxID{UUID: uuid.MustParse(*iface), Version: uint32(*major)}
	a.opnum, a.group = uint16(*opnum), uint32(*group)
	a.stub, _ = hex.DecodeString(*stub)
	for ip := net.ParseIP(*from).To4(); ip != nil && len(a.from) < *many; ip = next(ip) {
		a.from = append(a.from, ip.String())
	}
	modes := map[string]func() string{"flood": a.flood, "storm": a.storm, "partial": a.partial, "deaf": a.deaf, "block": a.block,
		"handles": a.handles, "shake": a.shake, "calls": a.makeCalls}
	run := modes[*mode]
	if run == nil {
		fmt.Fprintln(os.Stderr, "attack: see -do")
		os.Exit(2)
	}
	fmt.Println(run())
}

// next is the address after ip.
func next(ip net.IP) net.IP {
	return binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(ip)+1)
}

// hold says that all is in place, and waits for a line.
func hold() {
	fmt.Println("ready")
	io.ReadAtLeast(os.Stdin, make([]byte, 1), 1)
}

// bound is a connection with a bind, and its association group.
func (a *attack) bound() (c net.Conn, group uint32, err error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	if len(a.from) > 0 {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(a.from[a.opened%len(a.from)])}
		a.opened++
	}
	if c, err = d.Dial("tcp", a.addr); err != nil {
		return nil, 0, err
	}
	c.SetDeadline(time.Now().Add(100 * time.Second))
	c.Write(dcerpc.AppendBind(nil, dcerpc.Header{CallID: 1, Drep: dcerpc.LittleEndian, Flags: dcerpc.FlagMultiplex},
		dcerpc.Offer{MaxXmit: 5840, MaxRecv: 5840, AssocGroup: a.group},
		[]dcerpc.Presentation{{Abstract: a.iface, Transfers: []dcerpc.SyntaxID{dcerpc.NDR}}}))
	p, err := receive(c)
	if err != nil {
		return nil, 0, err
	}
	ack, _, rej := dcerpc.ParseBindAck(p)
	if rej != nil {
		return nil, 0, fmt.Errorf("answer of type %s", dcerpc.TypeName(p.Type))
	}
	return c, ack.AssocGroup, nil
}

func receive(c net.Conn) (dcerpc.PDU, error) {
	buf := make([]byte, dcerpc.HeaderSize)
	if _, err := io.ReadFull(c, buf); err != nil {
		return dcerpc.PDU{}, err
	}
	h, _, rej := dcerpc.ParseHeader(buf, 0)
	if rej != nil {
		return dcerpc.PDU{}, rej
	}
	buf = append(buf, make([]byte, int(h.FragLength)-len(buf))...)
	if _, err := io.ReadFull(c, buf[dcerpc.HeaderSize:]); err != nil {
		return dcerpc.PDU{}, err
	}
	p, _, rej := dcerpc.Parse(buf, 0)
	if rej != nil {
		return p, rej
	}
	return p, nil
}

func (a *attack) request(call uint32, flags byte, stub []byte) []byte {
	return dcerpc.AppendRequest(nil, dcerpc.Header{CallID: call, Flags: flags, Drep: dcerpc.LittleEndian},
		dcerpc.Request{AllocHint: uint32(len(stub)), Opnum: a.opnum, Stub: stub})
}

const whole = dcerpc.FlagFirst | dcerpc.FlagLast

// makeCalls makes calls one after the other on each connection, with a request of
// two fragments if that is long, keeps the connections, and prints how many were
// answered, how many refused, and the last group.
func (a *attack) makeCalls() string {
	answered, refused, last := 0, 0, uint32(0)
	for range a.conns {
		c, group, err := a.bound()
		if err != nil {
			refused += a.calls
			continue
		}
		last = group
		for n := range a.calls {
			half := len(a.stub) / 2 &^ 7
			if len(a.stub) < 1000 {
				c.Write(a.request(uint32(n+2), whole, a.stub))
			} else {
				c.Write(a.request(uint32(n+2), dcerpc.FlagFirst, a.stub[:half]))
				time.Sleep(time.Millisecond) // so that the server sees one without the other
				c.Write(a.request(uint32(n+2), dcerpc.FlagLast, a.stub[half:]))
			}
			if p, err := receive(c); err != nil || p.Type != dcerpc.PTypeResponse {
				refused++
			} else {
				answered++
			}
		}
	}
	return fmt.Sprintf("%d %d %08x", answered, refused, last)
}
