// SPDX-License-Identifier: Apache-2.0

// This file owns the two ends that PID 1 of the box talks to: its console, a
// pseudo terminal copied to console.log, and the notification socket.
//
// The terminal's inner end stays open here, else a read on the outer one fails
// whenever nobody in the box has the console open. The notification socket is
// drained for good: systemd blocks once its queue of ten datagrams is full.

package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type console struct {
	outer    *os.File
	terminal *os.File // inner end
	log      *os.File
	done     chan struct{}
}

func newConsole(logPath string) (*console, error) {
	outer, terminal, err := openTerminal()
	if err != nil {
		return nil, fmt.Errorf("sandbox: no pseudo terminal for the console: %w", err)
	}
	log, err := os.Create(logPath)
	if err != nil {
		return nil, errors.Join(err, outer.Close(), terminal.Close())
	}
	c := &console{outer: outer, terminal: terminal, log: log, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		buf := make([]byte, 8192)
		for {
			n, err := outer.Read(buf)
			if n > 0 {
				_, _ = log.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return c, nil
}

func openTerminal() (outer, terminal *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	outer = os.NewFile(uintptr(fd), "/dev/ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, errors.Join(err, outer.Close())
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, errors.Join(err, outer.Close())
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, errors.Join(err, outer.Close())
	}
	return outer, terminal, nil
}

// drain copies what is still in the terminal to the log.
func (c *console) drain() {
	_ = c.outer.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	<-c.done
}

// tail returns the last lines of the console, for an error message.
func (c *console) tail() string {
	text, _ := os.ReadFile(c.log.Name())
	lines := strings.Split(string(bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r"), nil))), "\n")
	if len(lines) > 5 {
		lines = lines[len(lines)-5:]
	}
	return strings.Join(lines, "\n")
}

func (c *console) close() {
	c.outer.Close()
	c.terminal.Close()
	c.log.Close()
}

type notify struct {
	conn  *net.UnixConn
	dir   string
	ready chan struct{} // closed at the first READY=1
}

// newNotify binds dir/notify. The directory is changed for the bind, since a
// socket's path has at most 107 bytes and temporary directories may be deep.
func newNotify(dir string) (*notify, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	defer func() { _ = os.Chdir("/") }()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "notify", Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("sandbox: notification socket in %s: %w", dir, err)
	}
	n := &notify{conn: conn, dir: dir, ready: make(chan struct{})}
	go n.drain()
	return n, nil
}

func (n *notify) drain() {
	buf := make([]byte, 8192)
	for told := false; ; {
		size, err := n.conn.Read(buf)
		if err != nil {
			return
		}
		for line := range strings.Lines(string(buf[:size])) {
			if strings.TrimSpace(line) == "READY=1" && !told {
				told = true
				close(n.ready)
			}
		}
	}
}

func (n *notify) close() {
	n.conn.Close()
	_ = os.Remove(filepath.Join(n.dir, "notify"))
	_ = os.Remove(n.dir)
}
