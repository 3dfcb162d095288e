// SPDX-License-Identifier: Apache-2.0

package program

import (
	"bytes"
	"fmt"
	"os"
)

// maxMaps bounds what is read of a process's mappings.
const maxMaps = 1 << 20

// ReplacedLibrary names a shared library that process pid runs and that is no
// longer at its path, "" when there is none. An upgrade of libraries alone
// leaves the program as it is, but not what it would be after a restart.
func ReplacedLibrary(pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	buf := make([]byte, 0, 64<<10)
	for len(buf) < maxMaps {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil || n == 0 {
			break
		}
	}
	return deletedLibrary(buf)
}

// deletedLibrary looks through lines of /proc/PID/maps (proc(5)) for code of a
// shared library whose file is gone.
func deletedLibrary(maps []byte) string {
	for line := range bytes.Lines(maps) {
		_, rest, _ := bytes.Cut(line, []byte(" "))
		mode, _, _ := bytes.Cut(rest, []byte(" "))
		slash := bytes.IndexByte(line, '/')
		if len(mode) != 4 || mode[2] != 'x' || slash < 0 {
			continue
		}
		path, gone := bytes.CutSuffix(bytes.TrimSuffix(line[slash:], []byte("\n")), []byte(" (deleted)"))
		if gone && bytes.Contains(path, []byte(".so")) {
			return string(path)
		}
	}
	return ""
}
