// SPDX-License-Identifier: Apache-2.0

// How a password is asked for: on the terminal, without an echo.

package ctl

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// terminal is where passwords are asked for; scripts that are tested have another.
const terminal = "/dev/tty"

// maxPassword is in bytes; the kernel takes lines of up to 4096.
const maxPassword = 1024

// ask asks for the password of an account.
func (a *account) ask(ctx context.Context) error {
	tty, err := os.OpenFile(terminal, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("no password for %s, and no terminal to ask on; write it into a file for -A, or set PASSWD", a.user)
	}
	defer tty.Close()
	fd := int(tty.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("%s: %w", terminal, err)
	}
	quiet := *was
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &quiet); err != nil {
		return fmt.Errorf("%s: %w", terminal, err)
	}
	defer unix.IoctlSetTermios(fd, unix.TCSETS, was)
	fmt.Fprintf(tty, "Password for %s: ", a.user)
	typed := make(chan []byte, 1)
	go func() { // nothing wakes a read of a terminal
		b := make([]byte, maxPassword)
		n, _ := tty.Read(b)
		typed <- b[:n]
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case b := <-typed:
		fmt.Fprintln(tty)
		line, whole := bytes.CutSuffix(b, []byte("\n"))
		if a.password = line; !whole {
			return fmt.Errorf("no password for %s was typed, or one of more than %d bytes", a.user, maxPassword)
		}
		return nil
	}
}
