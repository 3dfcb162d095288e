// SPDX-License-Identifier: Apache-2.0

// Files that smb.conf includes, so that a change of one of them is noticed.
// testparm(1) does not show them. What always holds: a file is read once, of
// MaxIncludes files at most a part that is bounded; nothing fails.

package config

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"
)

const (
	// MaxIncludes bounds how many files of smb.conf are followed.
	MaxIncludes = 64
	maxConfSize = 1 << 20 // bytes read of each
)

// includes are the files that the smb.conf at path includes, and these again,
// whether they are there or not; sorted. Names that are not absolute, or that
// have a macro which expand does not know, are left out.
func includes(path string, expand *strings.Replacer) []string {
	all := []string{path}
	for i := 0; i < len(all); i++ {
		for _, name := range included(all[i]) {
			name = filepath.Clean(expand.Replace(name))
			if len(all) <= MaxIncludes && fixedPath(name) && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	if len(all) == 1 {
		return nil
	}
	slices.Sort(all[1:])
	return all[1:]
}

// fixedPath holds for paths of text without macros, as the catalogue takes them.
func fixedPath(name string) bool {
	return filepath.IsAbs(name) && len(name) < 4096 && !strings.ContainsFunc(name, func(r rune) bool {
		return r == '%' || r == '\t' || r == utf8.RuneError || control(r)
	})
}

// macros are what testparm, which has no client, puts in the place of macros.
func (s *Samba) macros() *strings.Replacer {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	netbios := s.NetbiosName
	if netbios == "" {
		netbios = strings.ToUpper(host)
	}
	return strings.NewReplacer("%h", host, "%L", netbios, "%v", s.Version, "%m", "", "%U", "", "%I", "0.0.0.0", "%i", "0.0.0.0")
}

// included are the values of include in one file, in Samba's syntax: names in any
// case and with blanks, a backslash at its end continues a line.
func included(path string) (names []string) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	lines := bufio.NewScanner(io.LimitReader(f, maxConfSize))
	lines.Buffer(nil, maxConfSize)
	before := ""
	for lines.Scan() {
		line := before + strings.TrimSpace(lines.Text())
		if before = ""; strings.HasSuffix(line, `\`) {
			before = line[:len(line)-1]
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if ok && strings.EqualFold(strings.Join(strings.Fields(name), ""), "include") && len(names) <= MaxIncludes {
			names = append(names, strings.TrimSpace(value))
		}
	}
	return names
}
