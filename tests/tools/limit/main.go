// SPDX-License-Identifier: Apache-2.0

// Command limit is the yardstick of tests/bench: the least that a broker and a
// worker can do. One process accepts, peeks, sends the connection on with one
// sendmsg and closes; the other reads the bind and writes a canned bind_ack.
// No policy, no check, no state; nothing of msrpcd is in it.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

func main() {
	port := flag.Int("port", 7135, "port on 127.0.0.1")
	worker := flag.Bool("worker", false, "be the worker, with the inbox as descriptor 3")
	flag.Parse()
	runtime.LockOSThread()
	err := error(nil)
	if *worker {
		err = work()
	} else {
		err = pass(*port)
	}
	fmt.Fprintln(os.Stderr, "limit:", err)
	os.Exit(1)
}

// pass is the broker.
func pass(port int) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	child := exec.Command("/proc/self/exe", "-worker")
	child.ExtraFiles = []*os.File{os.NewFile(uintptr(pair[1]), "inbox")}
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		return err
	}
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.SetsockoptInt(l, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	unix.SetsockoptInt(l, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1)
	if err := unix.Bind(l, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(l, 4096); err != nil {
		return err
	}
	fmt.Println("ready")
	buf := make([]byte, 4096)
	for {
		c, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
		if err != nil {
			continue
		}
		unix.Recvfrom(c, buf, unix.MSG_PEEK)
		if err := unix.Sendmsg(pair[0], buf[:64], unix.UnixRights(c), nil, 0); err != nil {
			return err
		}
		unix.Close(c)
	}
}

// work is the worker.
func work() error {
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return err
	}
	const inbox = 3
	unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, inbox, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: inbox})
	events := make([]unix.EpollEvent, 64)
	buf, oob := make([]byte, 8192), make([]byte, 64)
	for {
		n, err := unix.EpollWait(ep, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd != inbox {
				unix.Close(int(e.Fd))
				continue
			}
			_, k, _, _, err := unix.Recvmsg(inbox, buf, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
			if err != nil {
				continue
			}
			msgs, err := unix.ParseSocketControlMessage(oob[:k])
			if err != nil {
				return err
			}
			fds, err := unix.ParseUnixRights(&msgs[0])
			if err != nil {
				return err
			}
			unix.Read(fds[0], buf)
			unix.Write(fds[0], ack)
			unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fds[0], &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(fds[0])})
		}
	}
}

// ack is a bind_ack: group 0x00010001, secondary address "135", one context accepted.
var ack = []byte{
	5, 0, 12, 3, 0x10, 0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 0xb8, 0x10, 0xb8, 0x10, 1, 0, 1, 0,
	4, 0, '1', '3', '5', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
	0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 8, 0, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0,
}
