// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// This file owns what is tried with the network: sockets of its own, and what else
// the sockets that it was given can be made to.

var network = map[string]func(args []string) error{
	"socket":    socket,
	"abstract":  abstract,
	"reconnect": reconnect,
	"fast-open": fastOpen,
	"unlisten":  unlisten,
	"relisten":  relisten,
	"rebind":    rebind,
}

// socket makes one of a family, "NUMBER".
func socket(args []string) error {
	family, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// abstract sends to an abstract address of the host, "NAME", which needs no file.
func abstract(args []string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: "@" + args[0]})
}

// listener is the TCP listener that systemd passed.
func listener() (int, error) {
	for fd := 3; fd < 64; fd++ {
		if f := family(fd); f != unix.AF_INET && f != unix.AF_INET6 {
			continue
		}
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 1 {
			return fd, nil
		}
	}
	return -1, errors.New("there is no listener")
}

func family(fd int) int {
	f, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return -1
	}
	return f
}

// accepted is a connection of a client, for which it waits.
func accepted() (int, error) {
	l, err := listener()
	if err != nil {
		return -1, err
	}
	unix.SetNonblock(l, false)
	fd, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	return fd, err
}

func disconnect(fd int) error { return call(unix.SYS_CONNECT, uintptr(fd), pointer(&[16]byte{}), 16) }

// host is a port of this host, for the socket fd.
func host(fd int, args []string) unix.Sockaddr {
	port, _ := strconv.Atoi(args[0])
	if family(fd) == unix.AF_INET6 {
		return &unix.SockaddrInet6{Port: port, Addr: [16]byte{10: 0xff, 0xff, 127, 0, 0, 1}}
	}
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

// reconnect turns a client's connection into one to "PORT" of the host.
func reconnect(args []string) error {
	fd, err := accepted()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := disconnect(fd); err != nil {
		return err
	}
	return unix.Connect(fd, host(fd, args))
}

// fastOpen connects by sending, which is not a connect(2).
func fastOpen(args []string) error {
	fd, err := accepted()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	l, _ := listener()
	unix.Shutdown(fd, unix.SHUT_RDWR)
	if err := unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN|unix.MSG_NOSIGNAL, host(fd, args)); err == nil {
		return nil
	}
	return unix.Sendto(l, []byte("x"), unix.MSG_FASTOPEN|unix.MSG_NOSIGNAL, host(fd, args))
}

// unlisten makes an unconnected socket of the listener.
func unlisten(args []string) error {
	l, err := listener()
	if err != nil {
		return err
	}
	return unix.Shutdown(l, unix.SHUT_RD)
}

// relisten takes connections on a port of its own choice.
func relisten([]string) error {
	fd, err := accepted()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Listen(fd, 1); err != nil {
		return err
	}
	l, err := listener()
	if err != nil {
		return err
	}
	return unix.Listen(l, 1)
}

func rebind(args []string) error {
	fd, err := accepted()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, host(fd, args))
}
