// SPDX-License-Identifier: Apache-2.0

package samba

// An rpcd of the tests: it keeps the contract that Samba's rpcds have with
// their parent, and shows its clients what it was told of them.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/abi"
)

// A played is an rpcd_* as its parent sees it.
type played struct {
	dir, mode string
	index     int
	layout    abi.Layout
	bus       *MessagingSocket
	up        int // to the parent

	mu   sync.Mutex
	open int // clients
}

// playRpcd keeps the contract of an rpcd_*. Each client is sent the body that
// announced it, after its length, and then what it sends.
func playRpcd(args []string) int {
	r := &played{dir: os.Getenv(dirKey), mode: os.Getenv(modeKey), index: -1}
	version := os.Getenv(versionKey)
	fmt.Printf("rpcd_test version %s-Test started.\n", version)
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "--worker-index="); ok {
			r.index, _ = strconv.Atoi(v)
		}
	}
	if r.index < 0 || r.mode == "dies" {
		return 3
	}
	if r.mode == "logs" {
		logTo(r.dir + "/log.rpcd_test")
		logged(0, "begins")
	}
	if err := r.signals(); err != nil {
		return 4
	}
	var err error
	if r.bus, err = OpenMessagingSocket(r.dir, r.dir); err != nil {
		return 5
	}
	if r.up, err = r.bus.Connect(os.Getppid()); err != nil {
		return 6
	}
	unix.SetNonblock(r.up, false)
	unix.SetNonblock(r.bus.FD, false)
	v, _ := abi.ParseVersion(version)
	r.layout, _ = v.Layout()
	if r.mode == "slow" {
		time.Sleep(500 * time.Millisecond)
	}
	r.tell(0)
	return r.serve()
}

// signals has SIGHUP say so, and the end of standard input end the process.
func (r *played) signals() error {
	events, err := net.Dial("unixgram", r.dir+"/events")
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, unix.SIGHUP)
	go func() {
		for range hup {
			if r.mode == "logs" { // the file has its largest size
				os.Rename(r.dir+"/log.rpcd_test", r.dir+"/log.old")
				logged(2, "is moved")
				logTo(r.dir + "/log.rpcd_test")
				logged(3, "is new")
			}
			io.WriteString(events, "hup")
		}
	}()
	if r.mode == "stubborn" {
		signal.Ignore(unix.SIGTERM)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		if r.mode == "logs" {
			logged(1, "ends")
		}
		os.Exit(0)
	}()
	return nil
}

// tell counts clients, and sends a status when none has come.
func (r *played) tell(delta int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open += delta
	if delta > 0 {
		return
	}
	b := make([]byte, r.layout.StatusSize)
	switch r.layout.StatusSize {
	case 6:
		b[1] = byte(r.index)
		binary.LittleEndian.PutUint32(b[2:], uint32(r.open))
	case 9:
		binary.LittleEndian.PutUint32(b[1:], uint32(r.index))
		binary.LittleEndian.PutUint32(b[5:], uint32(r.open))
	case 16:
		binary.LittleEndian.PutUint32(b[4:], uint32(r.index))
		binary.LittleEndian.PutUint32(b[8:], uint32(r.open))
		binary.LittleEndian.PutUint32(b[12:], uint32(r.open))
	}
	o := NewOutgoing(16)
	n := copy(o.Body(), b)
	o.Finish(ServerID{PID: uint64(os.Getppid())}, r.bus.ID, MsgWorkerStatus, n)
	d, _ := o.Datagram()
	unix.Write(r.up, d)
}

// serve takes messages until one says to shut down.
func (r *played) serve() int {
	var rx sys.Msg
	parts := bigReassembler{}
	buf := make([]byte, DatagramSize)
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(r.bus.FD), Events: unix.POLLIN}}, -1); err != nil {
			continue
		}
		n, fds, e := rx.Recv(r.bus.FD, buf, 0)
		if e != 0 {
			continue
		}
		m, ok := parts.add(buf[:n])
		if !ok {
			rx.CloseFDs(fds)
			continue
		}
		switch {
		case m.Type == MsgShutdown && r.mode != "stubborn":
			return 0
		case m.Type == MsgDumpStatus && fds == 1:
			r.mu.Lock()
			for range r.open {
				unix.Write(int(rx.FDs[0]), []byte("endpoint=somewhere client=someone\n"))
			}
			r.mu.Unlock()
			rx.CloseFDs(fds)
		case m.Type == MsgNewClient && fds == 1 && r.mode == "undecodable":
			rx.CloseFDs(fds)
		case m.Type == MsgNewClient && fds == 1:
			r.client(int(rx.FDs[0]), bytes.Clone(m.Body))
		}
	}
}

// client serves one.
func (r *played) client(fd int, body []byte) {
	r.tell(+1)
	unix.SetNonblock(fd, true)
	f := os.NewFile(uintptr(fd), "client")
	go func() {
		f.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(body))))
		f.Write(body)
		io.Copy(struct{ io.Writer }{f}, struct{ io.Reader }{f})
		f.Close()
		r.tell(-1)
	}()
}

// logTo makes the file standard error, as Samba does.
func logTo(file string) {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err == nil {
		unix.Dup2(fd, 2)
	}
}

func logged(level int, text string) {
	fmt.Fprintf(os.Stderr, "[%s, %d, pid=%d] x.c:12(fun)\n  %s\n", time.Now().Format("2006/01/02 15:04:05.000000"), level, os.Getpid(), text)
}

// bigReassembler takes messages of any length from one sender.
type bigReassembler struct{ buf []byte }

func (r *bigReassembler) add(d []byte) (Message, bool) {
	if binary.NativeEndian.Uint64(d) == 0 {
		return ParseMessage(d[singleHeader:])
	}
	r.buf = append(r.buf, d[fragmentHeader:]...)
	if uint64(len(r.buf)) < binary.NativeEndian.Uint64(d[8:]) {
		return Message{}, false
	}
	m, ok := ParseMessage(r.buf)
	r.buf = nil
	return m, ok
}
