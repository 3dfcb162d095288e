// SPDX-License-Identifier: Apache-2.0

package main

// The contract: standard input is a pipe that stays silent while the parent
// lives; a status goes to the parent when the worker is ready and at each
// connection's end; clients come as messages, each with one descriptor; a
// client that cannot be decoded is closed without a status.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/samba"
	"msrpcd/pkg/wire/npa"
)

// Messages that every Samba process answers.
const (
	msgPing = 0x0002
	msgPong = 0x0003
)

const binding = `ncacn_np:[\pipe\npsdecho]`

type worker struct {
	bus          *samba.MessagingSocket
	parent       int
	group, index uint32
	parts        samba.Reassembler

	mu   sync.Mutex
	open map[net.Conn]string // client address
}

func newWorker(dir string, group, index uint32) (*worker, error) {
	w := &worker{parent: os.Getppid(), group: group, index: index, open: map[net.Conn]string{}}
	var err error
	w.bus, err = samba.OpenMessagingSocket(dir, dir)
	return w, err
}

// serve returns when it is told to shut down. Like Samba's own workers it
// leaves socket and lock file behind.
func (w *worker) serve() error {
	end := make(chan os.Signal, 2)
	signal.Ignore(unix.SIGHUP)
	signal.Notify(end, unix.SIGTERM)
	go func() {
		os.Stdin.Read(make([]byte, 1)) // a byte, the end, an error: the parent is gone
		end <- unix.SIGTERM
	}()
	go func() {
		<-end
		os.Exit(0)
	}()
	bus, err := connOf(w.bus.FD)
	if err != nil {
		return err
	}
	w.status()
	datagram, oob := make([]byte, samba.DatagramSize), make([]byte, unix.CmsgSpace(8*4))
	for {
		n, oobn, _, _, err := bus.ReadMsgUnix(datagram, oob)
		if err != nil {
			return fmt.Errorf("read messages: %w", err)
		}
		fds := descriptors(oob[:oobn])
		m, ok := w.parts.Add(datagram[:n])
		if ok && m.Type == samba.MsgShutdown {
			return nil
		}
		if ok {
			fds = w.message(m, fds)
		}
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
}

// message answers one message and returns the descriptors that it has no use for.
func (w *worker) message(m samba.Message, fds []int) []int {
	switch {
	case m.Type == msgPing:
		w.send(int(m.Src.PID), msgPong, m.Body)
	case m.Type == samba.MsgDumpStatus && len(fds) == 1:
		w.mu.Lock()
		for _, client := range w.open {
			unix.Write(fds[0], []byte("npsdecho: client "+client+"\n"))
		}
		w.mu.Unlock()
	case m.Type == samba.MsgNewClient && len(fds) == 1:
		client, err := decodeClient(m.Body)
		if err != nil {
			fmt.Println("npsd_echo: client refused:", err)
			break
		}
		c, err := connOf(fds[0])
		if err != nil {
			fmt.Println("npsd_echo:", err)
			return nil // connOf has closed it
		}
		w.mu.Lock()
		w.open[c] = client
		w.mu.Unlock()
		go w.serveClient(c, client)
		return nil
	}
	return fds
}

// decodeClient checks a client structure to its last byte that is known, and
// returns the client's address. See pkg/conn/samba for its layout.
func decodeClient(b []byte) (string, error) {
	const head = samba.ClientHead
	u32 := binary.LittleEndian.Uint32
	if len(b) < head+12 || u32(b) == 0 || u32(b[4:]) == 0 {
		return "", errors.New("no client structure")
	}
	if n := u32(b[8:]); n != 0 {
		return "", fmt.Errorf("it comes with a PDU of %d bytes, this pipe is not DCE/RPC", n)
	}
	size := int(u32(b[head+8:]))
	info := (head + 12 + size + 3) &^ 3
	if size <= len(binding) || info > len(b) || string(b[head+12:][:len(binding)+1]) != binding+"\x00" {
		return "", fmt.Errorf("its binding is not %s", binding)
	}
	if info%8 != 0 {
		return "", fmt.Errorf("its named pipe auth bytes begin at %d, which is not aligned as they were", info)
	}
	request := binary.BigEndian.AppendUint32(nil, uint32(npa.HeaderSize-4+len(b)-info))
	request = append(request, "NPAM"...)
	request = binary.LittleEndian.AppendUint32(request, npa.Level8)
	request = binary.LittleEndian.AppendUint32(request, npa.Level8)
	q, rej := npa.Parse(append(request, b[info:]...))
	if rej != nil {
		return "", errors.New(rej.Cause)
	}
	return string(q.ClientAddr), nil
}

// serveClient serves one client to its end.
func (w *worker) serveClient(c net.Conn, client string) {
	fmt.Println("npsd_echo: client", client)
	for frame := make([]byte, 2+0xffff); echo(c, frame) == nil; {
	}
	c.Close()
	w.mu.Lock()
	delete(w.open, c)
	w.mu.Unlock()
	w.status()
}

// echo says one message back: a u16 length, never 0, and as many bytes.
func echo(c net.Conn, frame []byte) error {
	if _, err := io.ReadFull(c, frame[:2]); err != nil {
		return err
	}
	end := 2 + int(binary.LittleEndian.Uint16(frame))
	if end == 2 {
		return errors.New("message of length 0")
	}
	if _, err := io.ReadFull(c, frame[2:end]); err != nil {
		return err
	}
	_, err := c.Write(frame[:end])
	return err
}

// status tells the parent, in the 16 bytes of Samba 4.20 and later.
func (w *worker) status() {
	w.mu.Lock()
	defer w.mu.Unlock() // statuses leave in order
	n := uint32(len(w.open))
	var b []byte
	for _, v := range []uint32{w.group, w.index, n, n} { // each connection counts as a group
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	w.send(w.parent, samba.MsgWorkerStatus, b)
}

// send sends a message; as in Samba, one that nobody receives is not an error.
func (w *worker) send(pid int, typ uint32, body []byte) {
	fd, err := w.bus.Connect(pid)
	if err != nil {
		return
	}
	to := os.NewFile(uintptr(fd), "peer")
	defer to.Close()
	o := samba.NewOutgoing(len(body))
	copy(o.Body(), body)
	o.Finish(samba.ServerID{PID: uint64(pid)}, w.bus.ID, typ, len(body))
	for ; o.Pending(); o.Sent() {
		d, _ := o.Datagram()
		if _, err := to.Write(d); err != nil {
			return
		}
	}
}

// connOf takes over a socket, in any case.
func connOf(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("take over a socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("the socket is not a unix socket")
	}
	return u, nil
}

// descriptors returns those that came with a datagram.
func descriptors(oob []byte) []int {
	var fds []int
	messages, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range messages {
		rights, _ := unix.ParseUnixRights(&m)
		fds = append(fds, rights...)
	}
	return fds
}
