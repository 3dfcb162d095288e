// SPDX-License-Identifier: Apache-2.0

package npa

// This file reads the captured requests and changes copies of them.

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// captured reads the requests that real smbds sent.
func captured(t testing.TB) map[string][]byte { return files(t, "*.npa_request.*.bin", 14) }

// files reads those of testdata, which must be n.
func files(t testing.TB, pattern string, n int) map[string][]byte {
	paths, err := filepath.Glob("testdata/" + pattern)
	if err != nil || len(paths) != n {
		t.Fatalf("%d files are %s, want %d; %v", len(paths), pattern, n, err)
	}
	m := map[string][]byte{}
	for _, p := range paths {
		name := filepath.Base(p)
		m[name] = read(t, name)
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
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
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
