// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"msrpcd/pkg/conn/setting"
	"msrpcd/pkg/host/layout"
)

const (
	maxFile  = 64 << 10 // bytes of one file
	maxFiles = 512      // files of one directory
	suffix   = ".conf"
)

// Load reads msrpcd.conf and rpcd.d below root; "" is "/". Only a root that is
// no directory is an error. Whatever is wrong with a file is in Problems.
//
// The rules are systemd's: of files with the same name in /usr/lib, /run and
// /etc the last one counts; an empty one or a link to /dev/null masks it and
// its drop-ins; NAME.conf.d/*.conf of all directories are read after NAME.conf
// in the order of their names, masked in the same way. Drop-ins count where
// there is no NAME.conf too.
func Load(root string) (*Config, error) {
	if root == "" {
		root = "/"
	}
	if st, err := os.Stat(root); err != nil || !st.IsDir() {
		if err == nil {
			err = syscall.ENOTDIR
		}
		return nil, fmt.Errorf("read configuration below %s: %w", root, err)
	}
	l := loader{root: root, lists: map[string]map[string]string{}, dirs: []string{layout.VendorConfig, layout.VolatileConf, layout.AdminConfig}}
	c := &Config{Global: DefaultGlobal()}
	l.file("", "msrpcd.conf", setting.Msrpcd, func(string) file { return &c.Global })

	names := map[string]bool{}
	for name := range l.list("rpcd.d") {
		if base, ok := strings.CutSuffix(name, ".d"); ok && strings.HasSuffix(base, suffix) {
			name = base
		}
		if strings.HasSuffix(name, suffix) {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := RpcdFile{Name: strings.TrimSuffix(name, suffix)}
		l.file("rpcd.d", name, setting.Rpcd, func(path string) file {
			if f.Path == "" {
				f.Path = path
			} else {
				f.Drops = append(f.Drops, path)
			}
			return &f
		})
		if f.Path != "" {
			c.Files = append(c.Files, f)
		}
	}
	c.Problems = l.problems
	c.Masked = masks(root)
	return c, nil
}

// loader finds and reads files. Paths are those inside root.
type loader struct {
	root     string
	dirs     []string                     // later ones win
	lists    map[string]map[string]string // what list found
	problems []Problem
}

func (l *loader) problem(path, format string, args ...any) {
	l.problems = append(l.problems, Problem{File: path, What: fmt.Sprintf(format, args...)})
}

// file reads dir/name and its drop-ins and applies each to what target returns
// for it.
func (l *loader) file(dir, name string, section setting.Section, target func(path string) file) {
	if path, ok := l.list(dir)[name]; ok {
		text, state := l.read(path)
		if state == masked {
			return
		}
		if state == good {
			l.assign(path, section, text, target(path))
		}
	}
	drops := l.list(filepath.Join(dir, name+".d"))
	for _, d := range slices.Sorted(maps.Keys(drops)) {
		if !strings.HasSuffix(d, suffix) {
			continue
		}
		if text, state := l.read(drops[d]); state == good {
			l.assign(drops[d], section, text, target(drops[d]))
		}
	}
}

func (l *loader) assign(path string, section setting.Section, text []byte, f file) {
	as, ps := parse(path, string(section), text)
	l.problems = append(l.problems, ps...)
	l.problems = append(l.problems, assign(path, section, as, f)...)
}

// list gives the names in a directory of all dirs, each with the path of the
// last dir that has it.
func (l *loader) list(dir string) map[string]string {
	if found, ok := l.lists[dir]; ok {
		return found
	}
	found := map[string]string{}
	for _, d := range l.dirs {
		d = filepath.Join(d, dir)
		f, err := os.Open(filepath.Join(l.root, d))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		var names []string
		if err == nil {
			names, err = f.Readdirnames(maxFiles + 1)
			f.Close()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			l.problem(d, "cannot be read: %v", reason(err))
			continue
		}
		if len(names) > maxFiles {
			l.problem(d, "has more than %d files; it is ignored", maxFiles)
			continue
		}
		for _, name := range names {
			if !strings.HasPrefix(name, ".") {
				found[name] = filepath.Join(d, name)
			}
		}
	}
	l.lists[dir] = found
	return found
}

type fileState int

const (
	bad    fileState = iota // a Problem says why
	good                    // text holds
	masked                  // empty, or a device such as /dev/null
)

func (l *loader) read(path string) ([]byte, fileState) {
	f, err := os.OpenFile(filepath.Join(l.root, path), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		l.problem(path, "cannot be read: %v", reason(err))
		return nil, bad
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		l.problem(path, "cannot be read: %v", reason(err))
		return nil, bad
	case st.Mode()&fs.ModeDevice != 0, st.Mode().IsRegular() && st.Size() == 0:
		return nil, masked
	case !st.Mode().IsRegular():
		l.problem(path, "is not a regular file; it is ignored")
		return nil, bad
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		l.problem(path, "cannot be read: %v", reason(err))
		return nil, bad
	case len(text) > maxFile:
		l.problem(path, "is longer than %d bytes; it is ignored", maxFile)
		return nil, bad
	}
	return text, good
}

// reason is err without the path, which a Problem has.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
