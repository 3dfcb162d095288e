// SPDX-License-Identifier: Apache-2.0

package epm

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/uuid"
)

// added are the entries that other local servers inserted. They register once,
// when they start; so the entries are in a file that outlives this process, in
// a directory that is gone at the next boot, as those servers are.
//
// The file is text, a line for each entry:
//
//	OBJECT-UUID TOWER-IN-HEXADECIMAL "ANNOTATION"
type added struct {
	path    string // "" = there is no place: nothing can be inserted
	entries []entry
}

// Bounds of the file.
const (
	maxAdded     = 1024
	maxAddedLine = 128 + 2*MaxTower + 4*maxAnnotation
	maxAddedFile = maxAdded * maxAddedLine
)

// errAddedFull says that there are maxAdded entries.
var errAddedFull = fmt.Errorf("more than %d entries were inserted", maxAdded)

// load reads the file; a line that is not right is left out and becomes the
// error, together with what was read.
func (a *added) load() error {
	if a.path == "" {
		return nil
	}
	f, err := os.Open(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inserted entries: %w", err)
	}
	defer f.Close()
	a.entries, err = parseAdded(io.LimitReader(f, maxAddedFile))
	if err != nil {
		return fmt.Errorf("inserted entries: %s: %w; servers that miss theirs have to be restarted", a.path, err)
	}
	return nil
}

// parseAdded reads what formatAdded wrote, up to the first mistake.
func parseAdded(r io.Reader) ([]entry, error) {
	var es []entry
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxAddedLine)
	for n := 1; lines.Scan(); n++ {
		e, err := parseAddedLine(lines.Text())
		if err == nil && len(es) == maxAdded {
			err = errAddedFull
		}
		if err != nil {
			return es, fmt.Errorf("line %d: %w", n, err)
		}
		es = append(es, e)
	}
	return es, lines.Err()
}

func parseAddedLine(line string) (e entry, err error) {
	f := strings.SplitN(line, " ", 3)
	if len(f) != 3 {
		return e, errors.New("it has no three fields")
	}
	object, err := uuid.Parse(f[0])
	if err != nil {
		return e, err
	}
	tower, err := hex.DecodeString(f[1])
	if err != nil {
		return e, err
	}
	annotation, err := strconv.Unquote(f[2])
	if err != nil {
		return e, fmt.Errorf("annotation: %w", err)
	}
	return newEntry(object, annotation, tower)
}

func formatAdded(es []entry) []byte {
	var b bytes.Buffer
	for i := range es {
		fmt.Fprintf(&b, "%s %x %q\n", es[i].object, es[i].tower, es[i].annotation)
	}
	return b.Bytes()
}

// replace makes es the entries, in the file first: what is answered OK is kept.
func (a *added) replace(es []entry) error {
	if a.path == "" {
		return errors.New("there is no RUNTIME_DIRECTORY for inserted entries; see rpcd_epmapper(8)")
	}
	if len(es) > maxAdded {
		return errAddedFull
	}
	err := sys.Replace(a.path, func(f *os.File) error {
		_, err := f.Write(formatAdded(es))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep inserted entries: %w", err)
	}
	a.entries = es
	return nil
}

// insert adds entries. With replace, entries of the same object and interface
// that are reached by the same protocols go, that is, those of the server's last
// life (C706 3.1.17, rpc_ep_register).
func (a *added) insert(more []entry, replace bool) error {
	es := slices.DeleteFunc(slices.Clone(a.entries), func(o entry) bool {
		return slices.ContainsFunc(more, func(e entry) bool { return e.same(&o) || replace && e.supersedes(&o) })
	})
	return a.replace(append(es, more...))
}

func (e *entry) supersedes(o *entry) bool {
	i, k := e.parsed.Interface, o.parsed.Interface
	return e.object == o.object && i.UUID == k.UUID && i.Major() == k.Major() &&
		e.parsed.Transfer == o.parsed.Transfer && sameProtocols(&e.parsed, &o.parsed)
}

// remove removes the entries that match; found: there were some.
func (a *added) remove(match func(*entry) bool) (found bool, err error) {
	es := slices.DeleteFunc(slices.Clone(a.entries), func(o entry) bool { return match(&o) })
	if len(es) == len(a.entries) {
		return false, nil
	}
	return true, a.replace(es)
}
