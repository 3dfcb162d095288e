// SPDX-License-Identifier: Apache-2.0

// Command probe is a native rpcd for the tests that speaks no DCE/RPC: it tells
// each connection what it sees from inside its sandbox, as one JSON object, and
// closes it. It takes listeners (Activation=direct) or an inbox, keeps its line
// of the status file, and ends when idle.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/layout"
)

const served = "1\n60\n60a15ec5-4de8-11d7-a637-005056a20182/0x00000001 probe\n" +
	" ncacn_np:[\\pipe\\probe]\n ncacn_ip_tcp:\n ncalrpc:[probe]\n"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--list-interfaces" {
		fmt.Print(served)
		return
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "rpcd_probe:", err)
		os.Exit(1)
	}
}

func serve() error {
	index, err := strconv.Atoi(os.Getenv("MSRPC_WORKER"))
	if err != nil {
		return err
	}
	file, err := status.Open(layout.StatusFile(os.Getenv("MSRPC_RPCD")), true)
	if err != nil {
		return err
	}
	if err := file.LockWorker(index); err != nil {
		return err
	}
	line := file.Worker(index)
	line.Closed.Store(line.Received.Load())
	line.PID.Store(uint32(os.Getpid()))
	line.Flags.Store(status.Ready)

	clients := make(chan net.Conn)
	failed := make(chan error, 1)
	for i, name := range strings.Split(os.Getenv("LISTEN_FDNAMES"), ":") {
		f := os.NewFile(uintptr(3+i), name)
		go func() {
			if name == layout.FDNameInbox {
				failed <- inbox(f, clients)
			} else {
				failed <- accept(f, clients)
			}
		}()
	}
	if err := notify("READY=1"); err != nil {
		return err
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	idle := make(<-chan time.Time)
	if s, _ := strconv.Atoi(os.Getenv("MSRPC_IDLE_SEC")); s > 0 {
		idle = time.After(time.Duration(s) * time.Second)
	}
	for {
		select {
		case c := <-clients:
			line.Received.Add(1)
			json.NewEncoder(c).Encode(look())
			c.Close()
			line.Closed.Add(1)
		case err := <-failed:
			return err
		case <-idle:
			return nil
		case <-end:
			return nil
		}
	}
}

func accept(f *os.File, clients chan<- net.Conn) error {
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		clients <- c
	}
}

// inbox takes connections that a broker hands over, see msrpc-handoff(7).
func inbox(f *os.File, clients chan<- net.Conn) error {
	b, oob := make([]byte, handoff.MaxDatagram), make([]byte, unix.CmsgSpace(8)+unix.CmsgSpace(unix.SizeofUcred))
	if err := unix.SetNonblock(int(f.Fd()), false); err != nil {
		return err
	}
	for {
		n, oobn, _, _, err := unix.Recvmsg(int(f.Fd()), b, oob, unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("inbox: %w", err)
		}
		var m handoff.Message
		if err := m.Parse(b[:n]); err != nil {
			return err
		}
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			return err
		}
		for i := range messages {
			fds, _ := unix.ParseUnixRights(&messages[i])
			for _, fd := range fds {
				c, err := net.FileConn(os.NewFile(uintptr(fd), "client"))
				if err != nil {
					return err
				}
				if _, err := c.Read(make([]byte, m.FragLength)); err != nil {
					return err
				}
				clients <- c
			}
		}
	}
}

// notify needs no connect(2), which the sandbox forbids.
func notify(state string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, []byte(state), 0, &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")})
}
