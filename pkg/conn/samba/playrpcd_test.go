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

// playRpcd keeps the contract of an rpcd_*. Each client is sent the body that
// announced it, after its length, and then what it sends.
func playRpcd(args []string) int {
	dir, mode, version := os.Getenv(dirKey), os.Getenv(modeKey), os.Getenv(versionKey)
	fmt.Printf("rpcd_test version %s-Test started.\n", version)
	index := -1
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "--worker-index="); ok {
			index, _ = strconv.Atoi(v)
		}
	}
	if index < 0 || mode == "dies" {
		return 3
	}
	if mode == "logs" {
		logTo(dir + "/log.rpcd_test")
		logged(0, "begins")
	}
	events, err := net.Dial("unixgram", dir+"/events")
	if err != nil {
		return 4
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, unix.SIGHUP)
	go func() {
		for range hup {
			if mode == "logs" { // the file has its largest size
				os.Rename(dir+"/log.rpcd_test", dir+"/log.old")
				logged(2, "is moved")
				logTo(dir + "/log.rpcd_test")
				logged(3, "is new")
			}
			io.WriteString(events, "hup")
		}
	}()
	if mode == "stubborn" {
		signal.Ignore(unix.SIGTERM)
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		if mode == "logs" {
			logged(1, "ends")
		}
		os.Exit(0)
	}()
	bus, err := OpenMessagingSocket(dir, dir)
	if err != nil {
		return 5
	}
	up, err := bus.Connect(os.Getppid())
	if err != nil {
		return 6
	}
	unix.SetNonblock(up, false)
	unix.SetNonblock(bus.FD, false)
	v, _ := abi.ParseVersion(version)
	l, _ := v.Layout()
	var mu sync.Mutex
	open := 0
	tell := func(delta int) {
		mu.Lock()
		defer mu.Unlock()
		open += delta
		if delta > 0 {
			return
		}
		b := make([]byte, l.StatusSize)
		switch l.StatusSize {
		case 6:
			b[1] = byte(index)
			binary.LittleEndian.PutUint32(b[2:], uint32(open))
		case 9:
			binary.LittleEndian.PutUint32(b[1:], uint32(index))
			binary.LittleEndian.PutUint32(b[5:], uint32(open))
		case 16:
			binary.LittleEndian.PutUint32(b[4:], uint32(index))
			binary.LittleEndian.PutUint32(b[8:], uint32(open))
			binary.LittleEndian.PutUint32(b[12:], uint32(open))
		}
		o := NewOutgoing(16)
		n := copy(o.Body(), b)
		o.Finish(ServerID{PID: uint64(os.Getppid())}, bus.ID, MsgWorkerStatus, n)
		d, _ := o.Datagram()
		unix.Write(up, d)
	}
	if mode == "slow" {
		time.Sleep(500 * time.Millisecond)
	}
	tell(0)
	var rx sys.Msg
	parts := bigReassembler{}
	buf := make([]byte, DatagramSize)
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(bus.FD), Events: unix.POLLIN}}, -1); err != nil {
			continue
		}
		n, fds, e := rx.Recv(bus.FD, buf, 0)
		if e != 0 {
			continue
		}
		m, ok := parts.add(buf[:n])
		if !ok {
			rx.CloseFDs(fds)
			continue
		}
		switch {
		case m.Type == MsgShutdown && mode != "stubborn":
			return 0
		case m.Type == MsgDumpStatus && fds == 1:
			mu.Lock()
			for range open {
				unix.Write(int(rx.FDs[0]), []byte("endpoint=somewhere client=someone\n"))
			}
			mu.Unlock()
			rx.CloseFDs(fds)
		case m.Type == MsgNewClient && fds == 1:
			if mode == "undecodable" {
				rx.CloseFDs(fds)
				continue
			}
			tell(+1)
			unix.SetNonblock(int(rx.FDs[0]), true)
			f := os.NewFile(uintptr(rx.FDs[0]), "client")
			body := bytes.Clone(m.Body)
			go func() {
				f.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(body))))
				f.Write(body)
				io.Copy(struct{ io.Writer }{f}, struct{ io.Reader }{f})
				f.Close()
				tell(-1)
			}()
		}
	}
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
