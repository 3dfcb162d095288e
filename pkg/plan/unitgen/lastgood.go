// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The last good set is one text file, so that it is replaced as a whole:
//
//	MSRPCGEN 1 <SHA-256 of all that follows the line, hexadecimal>
//	file <bytes> <path>          followed by so many bytes and a newline
//	link <bytes> <path>          the same for a link's target

const (
	lastGoodMagic = "MSRPCGEN 1 "
	maxLastGood   = 64 << 20 // bytes
)

// errLastGood says that there is no usable last good set.
var errLastGood = errors.New("no last good set of units")

func pack(files map[string]File) []byte {
	var body bytes.Buffer
	for _, p := range sortedPaths(files) {
		kind, data := "file", files[p].Data
		if files[p].Link != "" {
			kind, data = "link", []byte(files[p].Link)
		}
		fmt.Fprintf(&body, "%s %d %s\n%s\n", kind, len(data), p, data)
	}
	return seal(body.Bytes())
}

// seal puts the first line before body.
func seal(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append([]byte(lastGoodMagic+hex.EncodeToString(sum[:])+"\n"), body...)
}

func unpack(b []byte) (map[string]File, error) {
	line, body, ok := bytes.Cut(b, []byte("\n"))
	sum := sha256.Sum256(body)
	if !ok || string(line) != lastGoodMagic+hex.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", errLastGood)
	}
	files := map[string]File{}
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		f := strings.SplitN(string(line), " ", 3)
		if len(f) != 3 || f[0] != "file" && f[0] != "link" {
			return nil, fmt.Errorf("%w: %.80q is no entry", errLastGood, line)
		}
		n, err := strconv.ParseUint(f[1], 10, 31)
		if err != nil || int(n) >= len(rest) || rest[n] != '\n' {
			return nil, fmt.Errorf("%w: %.80q has a wrong length", errLastGood, line)
		}
		e := File{Data: rest[:n:n]}
		if f[0] == "link" {
			e = File{Link: string(rest[:n])}
		}
		if err := checkFile(f[2], e); err != nil {
			return nil, fmt.Errorf("%w: %w", errLastGood, err)
		}
		files[f[2]] = e
		body = rest[n+1:]
	}
	return files, nil
}

// readLastGood reads the set at path, which only its owner, this user, may
// have written.
func readLastGood(path string) (map[string]File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLastGood, err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("%w: %w", errLastGood, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o022 != 0 || int(st.Uid) != os.Geteuid() || st.Size > maxLastGood {
		return nil, fmt.Errorf("%w: %s has a wrong owner, mode or size", errLastGood, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxLastGood))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLastGood, err)
	}
	return unpack(b)
}

// writeLastGood replaces the set at path, if it differs.
func writeLastGood(path string, files map[string]File) error {
	b := pack(files)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep units: %w", err)
	}
	tmp, err := os.CreateTemp(dir, ".generator-")
	if err != nil {
		return fmt.Errorf("keep units: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("keep units: %w", err)
	}
	return nil
}
