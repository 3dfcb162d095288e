// SPDX-License-Identifier: Apache-2.0

// Command forge is the adversary of the abuse tests. Each argument is one thing
// to try, "VERB PATH"; it prints a JSON object from argument to error, "" where
// it worked:
//
//	connect     to a stream socket
//	send        a forged hand-over with itself as descriptor to an inbox
//	read        open for reading
//	write       open for writing, and change nothing
//	create      a file; "symlink" and "mkdir" likewise. What was made is removed
//	remove      a file, and likewise "rename" it
//	list        a directory
//
// "lock PATH" takes every lock that can be had on a file, and keeps it until a
// line comes from standard input. What it tries with other processes, the kernel
// and the network is in process.go, kernel.go and network.go.
//
// As the only argument "-" it reads what to try from standard input, a line each:
// so it is the main program of a unit.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/handoff"
)

func main() {
	results, locked, tries := map[string]string{}, false, os.Args[1:]
	if len(tries) == 1 && tries[0] == "-" {
		text, _ := io.ReadAll(os.Stdin)
		tries = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	for _, arg := range tries {
		verb, path, _ := strings.Cut(arg, " ")
		err := try(verb, path)
		results[arg] = ""
		if err != nil {
			results[arg] = err.Error()
		}
		locked = locked || verb == "lock"
	}
	json.NewEncoder(os.Stdout).Encode(results)
	if locked {
		bufio.NewReader(os.Stdin).ReadString('\n')
	}
}

func try(verb, path string) error {
	if f := others[verb]; f != nil {
		return f(strings.Fields(path))
	}
	switch verb {
	case "connect":
		return connect(path)
	case "send":
		return send(path)
	case "write":
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			f.Close()
		}
		return err
	case "read":
		f, err := os.Open(path)
		if err == nil {
			f.Close()
		}
		return err
	case "create":
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil {
			f.Close()
			os.Remove(path)
		}
		return err
	case "mkdir":
		err := os.Mkdir(path, 0o777)
		if err == nil {
			os.Remove(path)
		}
		return err
	case "symlink":
		err := os.Symlink("/etc/shadow", path)
		if err == nil {
			os.Remove(path)
		}
		return err
	case "remove":
		return os.Remove(path)
	case "rename":
		return os.Rename(path, path+".old")
	case "list":
		_, err := os.ReadDir(path)
		return err
	case "lock":
		return lock(path)
	}
	fmt.Fprintf(os.Stderr, "%q is nothing to try\n", verb)
	os.Exit(2)
	return nil
}

func connect(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

func send(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	m := handoff.Message{FragLength: 72, Binding: []byte("ncacn_ip_tcp:[135]")}
	return unix.Sendmsg(fd, m.Append(nil), unix.UnixRights(fd), &unix.SockaddrUnix{Name: path}, 0)
}

// lock keeps the descriptor open.
func lock(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	whole := unix.Flock_t{Type: unix.F_RDLCK}
	return errors.Join(unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &whole), unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB))
}
