// SPDX-License-Identifier: Apache-2.0

package handoff

// This file holds msrpc-handoff(7), from which others write workers, against
// the code: its test vectors, and its tables of the datagram and of the status
// file.

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/conn/status"
	"msrpcd/tests/tools/check"
)

type page struct {
	vectors map[string]vector
	refused []string // lines "BASE EDIT... CAUSE"
	tables  []string // all other lines of examples
}

type vector struct {
	says     string // first two lines
	datagram []byte
}

// readPage takes the examples (.EX to .EE) out of the page, by their heading.
func readPage(t testing.TB) page {
	text := check.File(t, "../../../packaging/man/msrpc-handoff.7")
	p := page{vectors: map[string]vector{}}
	heading, example := "", false
	for line := range strings.Lines(strings.NewReplacer(`\e`, `\`, `\-`, `-`).Replace(string(text))) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, ".S"):
			_, heading, _ = strings.Cut(line, " ")
		case line == ".EX" || line == ".EE":
			example = line == ".EX"
		case !example || line == "":
		case heading == "Refused":
			p.refused = append(p.refused, line)
		case strings.HasPrefix(heading, "Vector "):
			name := strings.TrimPrefix(heading, "Vector ")
			v := p.vectors[name]
			if strings.Contains(line, "=") {
				v.says += line + "\n"
			} else {
				v.datagram = append(v.datagram, unhex(t, strings.ReplaceAll(line, " ", ""))...)
			}
			p.vectors[name] = v
		default:
			p.tables = append(p.tables, line)
		}
	}
	if len(p.vectors) < 5 || len(p.refused) < 20 {
		t.Fatalf("%d vectors and %d refused ones in the page", len(p.vectors), len(p.refused))
	}
	return p
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

func TestVectorsOfThePage(t *testing.T) {
	for name, v := range readPage(t).vectors {
		var m Message
		if err := m.Parse(v.datagram); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := fmt.Sprintf("flags=%04x id=%d group=%08x frag=%d level=%d npa=%d inline=%d head=%d\nbinding=%s\n",
			m.Flags, m.ConnID, m.AssocGroup, m.FragLength, m.NPALevel, m.NPALength, len(m.NPA), len(m.Head), m.Binding)
		check.SameIn(t, name, v.says, got)
		if d := cmp.Diff(v.datagram, m.Append(nil)); d != "" {
			t.Errorf("%s: encoded again: %s", name, d)
		}
	}
}

func TestRefusedOfThePage(t *testing.T) {
	causes := map[string]error{
		"magic": ErrMagic, "version": ErrVersion, "flags": ErrFlags, "reserved": ErrReserved,
		"length": ErrLength, "binding": ErrBinding, "npa": ErrNPA, "pdu": ErrPDU, "head": ErrHead,
	}
	p := readPage(t)
	for _, line := range p.refused {
		f := strings.Fields(line)
		cause := causes[f[len(f)-1]]
		b := bytes.Clone(p.vectors[f[0]].datagram)
		if b == nil || cause == nil {
			t.Fatalf("%q names no vector or no cause", line)
		}
		for _, edit := range f[1 : len(f)-1] {
			key, value, _ := strings.Cut(edit, "=")
			switch key {
			case "cut":
				n, err := strconv.Atoi(value)
				if err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				b = b[:n]
			case "add":
				b = append(b, unhex(t, value)...)
			default:
				copy(b[unhex(t, key)[0]:], unhex(t, value))
			}
		}
		var m Message
		check.Is(t, line, cause, m.Parse(b))
	}
}

func TestStatusFileOfThePage(t *testing.T) {
	types := map[string]reflect.Type{
		"broker": reflect.TypeFor[status.BrokerLine](),
		"sent":   reflect.TypeFor[status.SentLine](),
		"worker": reflect.TypeFor[status.WorkerLine](),
	}
	var want, got []string
	for _, name := range []string{"broker", "sent", "worker"} {
		typ := types[name]
		if typ.Size() != 64 {
			t.Errorf("a line of %s has %d bytes", name, typ.Size())
		}
		for i := range typ.NumField() {
			if f := typ.Field(i); f.IsExported() {
				want = append(want, fmt.Sprintf("%-6s  %02x  u%d  %s", name, f.Offset, 8*f.Type.Size(), f.Name))
			}
		}
	}
	for _, line := range readPage(t).tables {
		if f := strings.Fields(line); types[f[0]] != nil {
			got = append(got, line)
		}
	}
	check.Same(t, want, got)
	if status.Ready != 1 || status.Draining != 2 || status.Leaving != 4 {
		t.Error("flags of a worker are others than those of the page")
	}
}

// TestHeaderOfThePage makes a status file as the page says and opens it.
func TestHeaderOfThePage(t *testing.T) {
	tables := strings.Join(readPage(t).tables, "\n")
	magic := regexp.MustCompile(`header  00  u64  magic, ([0-9a-f]{16}) as bytes`).FindStringSubmatch(tables)
	if magic == nil {
		t.Fatal("no magic in the page")
	}
	const capacity = 3
	b := make([]byte, 0x80+0x80*capacity)
	copy(b, unhex(t, magic[1]))
	binary.LittleEndian.PutUint32(b[0x08:], 1)
	binary.LittleEndian.PutUint32(b[0x0c:], capacity)
	file := filepath.Join(t.TempDir(), "status")
	check.OK(t, os.WriteFile(file, b, 0o600))
	f, err := status.Open(file, true)
	check.OK(t, err)
	defer f.Close()
	f.Worker(2).Received.Store(9)
	if b, err = os.ReadFile(file); err != nil || b[(3+2*2)*64+8] != 9 || f.Len() != capacity {
		t.Errorf("capacity %d, %v, line of worker 2 is not at 3 + 2*2", f.Len(), err)
	}
}

func TestLimitsOfThePage(t *testing.T) {
	text := check.File(t, "../../../packaging/man/msrpc-handoff.7")
	for _, s := range []string{
		fmt.Sprintf("at most %d bytes", MaxDatagram),
		fmt.Sprintf("%d bytes of header", HeaderSize),
		fmt.Sprintf("1 to %d printable ASCII characters", MaxBinding),
		fmt.Sprintf("most %d bytes (%#x)", MaxNPA, MaxNPA),
		fmt.Sprintf("at least %d.", minFrag),
	} {
		if !bytes.Contains(text, []byte(s)) {
			t.Errorf("the page does not say %q", s)
		}
	}
}
