// SPDX-License-Identifier: Apache-2.0

// Command npsdecho is an npsd_* as Samba 4.25 has them, for the tests: one
// named pipe without DCE/RPC, in message mode, that says back what it is told.
// It keeps the contract that an adaptor has with an unmodified worker.
//
// This file owns the command line and smb.conf; worker.go owns the work.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strings"
)

// served is what --list-interfaces prints: one worker, ten seconds idle, one
// pipe of type message, device state 0x00ff, allocation 4096.
const served = "1\n10\n" + `\pipe\npsdecho 2 255 4096` + "\n"

// version is the first Samba with npsd_* programs.
const version = "4.25.0"

func main() {
	list := flag.Bool("list-interfaces", false, "print what is served and exit")
	smbConf := flag.String("configfile", "/etc/samba/smb.conf", "smb.conf")
	group := flag.Int("worker-group", -1, "told in each status")
	index := flag.Int("worker-index", -1, "told in each status")
	flag.Int("debuglevel", 0, "no effect")
	flag.Bool("debug-stdout", false, "no effect, messages always go there")
	flag.Parse()
	if *list {
		fmt.Print(served)
		return
	}
	fmt.Printf("npsd_echo version %s started.\n", version)
	if err := run(*smbConf, *group, *index); err != nil {
		fmt.Println("npsd_echo:", err)
		os.Exit(1)
	}
}

func run(smbConf string, group, index int) error {
	if group < 0 || index < 0 {
		return fmt.Errorf("--worker-group and --worker-index are needed")
	}
	dir, err := lockDirectory(smbConf)
	if err != nil {
		return err
	}
	w, err := newWorker(dir, uint32(group), uint32(index))
	if err != nil {
		return err
	}
	return w.serve()
}

// lockDirectory reads "lock directory" of [global], which has the messaging
// sockets in Debian's builds. It follows no include.
func lockDirectory(smbConf string) (string, error) {
	f, err := os.Open(smbConf)
	if err != nil {
		return "", err
	}
	defer f.Close()
	dir, global := "/run/samba", true
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			global = strings.EqualFold(line, "[global]")
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.ToLower(strings.ReplaceAll(name, " ", "")) // blanks do not count in names
		if ok && global && (name == "lockdirectory" || name == "lockdir") {
			dir = strings.TrimSpace(value)
		}
	}
	return dir, lines.Err()
}
