// SPDX-License-Identifier: Apache-2.0

// Which process holds a socket: /proc/PID/fd of all processes, read once when first
// asked. Only root sees all of them.

package listeners

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"msrpcd/pkg/wire/printable"
)

// Holder is a process that has a socket open.
type Holder struct {
	PID  int    `json:"pid"`
	Name string `json:"name"` // its comm
}

// String is "NAME (pid N)".
func (h Holder) String() string { return fmt.Sprintf("%s (pid %d)", printable.Text(h.Name), h.PID) }

// Holders returns the processes that have the socket with this inode open,
// lowest pid first.
func (s *Snapshot) Holders(inode uint64) []Holder {
	if s.holders == nil {
		s.holders = scanHolders(s.proc)
	}
	return s.holders[inode]
}

// HeldBySystemd reports whether PID 1 has the socket open.
func (s *Snapshot) HeldBySystemd(inode uint64) bool {
	h := s.Holders(inode)
	return len(h) > 0 && h[0].PID == 1
}

func scanHolders(proc string) map[uint64][]Holder {
	holders := map[uint64][]Holder{}
	for _, h := range Processes(proc) {
		dir := filepath.Join(proc, strconv.Itoa(h.PID), "fd")
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue // gone, or not ours to look at
		}
		seen := map[uint64]bool{}
		for _, fd := range fds {
			target, err := os.Readlink(filepath.Join(dir, fd.Name()))
			if err != nil {
				continue
			}
			if inode, ok := socketInode(target); ok && !seen[inode] {
				seen[inode] = true
				holders[inode] = append(holders[inode], h)
			}
		}
	}
	return holders
}

func socketInode(target string) (uint64, bool) {
	rest, ok := strings.CutPrefix(target, "socket:[")
	if !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 10, 64)
	return inode, err == nil
}

// Processes lists all processes below proc ("/proc"), lowest pid first.
func Processes(proc string) []Holder {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	var list []Holder
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid < 1 {
			continue
		}
		comm, err := os.ReadFile(filepath.Join(proc, e.Name(), "comm"))
		if err != nil {
			continue
		}
		list = append(list, Holder{PID: pid, Name: strings.TrimSuffix(string(comm), "\n")})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].PID < list[j].PID })
	return list
}
