// SPDX-License-Identifier: Apache-2.0

package npa

// This file reads the captured requests and changes copies of them.

import (
	"bytes"
	"encoding/binary"
	"path"
	"strings"
	"testing"

	"msrpcd/tests/vectors"
)

// captured reads the requests that real smbds sent.
func captured(t testing.TB) map[string][]byte {
	return byName(vectors.Match(t, "samba/*.npa_request.*.bin"))
}

// byName has the vectors of files by their names alone.
func byName(files map[string][]byte) map[string][]byte {
	m := map[string][]byte{}
	for p, b := range files {
		m[path.Base(p)] = b
	}
	return m
}

// levelOf is what the Samba of a captured file speaks.
func levelOf(name string) uint32 {
	if strings.Contains(name, "samba-4.17") {
		return Level7
	}
	return Level8
}

func read(t testing.TB, name string) []byte {
	return vectors.Read(t, "samba/"+name)
}

const (
	user7   = "samba-4.17.npa_request.1.rpcd_classic.bin"
	system8 = "samba-4.22.npa_request.5.rpcd_winreg.bin"
)

// patch puts v at off of a copy.
func patch(b []byte, off int, v ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[off:], v)
	return b
}

// splice replaces n bytes at off and corrects the length field.
func splice(b []byte, off, n int, v ...byte) []byte {
	r := append(append(bytes.Clone(b[:off]), v...), b[off+n:]...)
	binary.BigEndian.PutUint32(r, uint32(len(r)-4))
	return r
}

// level5 makes a request of level 5 from one of level 7: need_idle_server comes
// after the pointers, and the token's alignment moves by 4.
func level5(b []byte, needIdle byte) []byte {
	const token = 0xc0 // in the captured requests the token is 4 bytes after ticket_type
	if token > len(b) {
		return b
	}
	b = splice(b, token, 0, 0, 0, 0, 0)
	b = splice(b, 0x30, 0, needIdle, 0, 0, 0)
	return patch(b, 8, 5, 0, 0, 0, 5, 0, 0, 0)
}
