// SPDX-License-Identifier: Apache-2.0

//go:build integration

package integration

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	client "msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/readme"
)

// The rpcd that a reader of README.md makes.

// counter is a client of the program in README.md.
type counter struct {
	*client.Conn
	t *testing.T
}

var counterID = dcerpc.SyntaxID{UUID: uuid.MustParse("5a1e35c6-9d1b-4c0e-8f53-3a7c1a6c0f21"), Version: 1}

func (h *host) counter(t *testing.T, group uint32) counter {
	t.Helper()
	c := client.New(h.dial("/run/samba/ncalrpc/rpcd_counter"), "counter", client.Options{})
	check.OK(t, c.Bind(t.Context(), group, counterID))
	return counter{c, t}
}

func (c counter) next(handle []byte) (uint32, error) {
	c.t.Helper()
	stub, _, err := c.CallStub(c.t.Context(), client.Operation{Interface: counterID, Opnum: 1}, handle)
	if err != nil || len(stub) != 4 {
		return 0, err
	}
	return binary.LittleEndian.Uint32(stub), nil
}

// reader is what a reader of README.md has made.
type reader struct {
	dir, install, commands string
	files                  []func(*sandboxOptions) // with their paths in the first line
}

// read does as README says, up to what needs a host.
func read(t *testing.T) reader {
	t.Helper()
	root, err := filepath.Abs("../..")
	check.OK(t, err)
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	check.OK(t, err)
	block := func(language string, n int) string {
		b, err := readme.Block(string(text), "Write your own rpcd", language, n)
		check.OK(t, err)
		return b
	}
	r := reader{dir: filepath.Join(t.TempDir(), "rpcd_counter"), commands: block("", 3)}
	check.OK(t, errors.Join(os.Mkdir(r.dir, 0o755), os.Symlink(root, filepath.Join(r.dir, "../msrpcd")),
		os.WriteFile(filepath.Join(r.dir, "main.go"), []byte(block("go", 0)), 0o644),
		os.WriteFile(filepath.Join(r.dir, "admin.go"), []byte(block("go", 1)), 0o644)))
	build, install, ok := strings.Cut(block("", 0), "install ")
	if !ok {
		t.Fatal("README installs nothing")
	}
	cmd := exec.Command("sh", "-ec", build)
	cmd.Dir = r.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.install = "install " + install
	for n := 1; n <= 2; n++ {
		path, _, _ := strings.Cut(strings.TrimPrefix(block("", n), "# "), "\n")
		r.files = append(r.files, file(path, block("", n)))
	}
	r.files = append(r.files, func(o *sandboxOptions) { o.Binds = append(o.Binds, r.dir+":/src") })
	return r
}

// on boots a host with it.
func (r reader) on(t *testing.T, change ...func(*sandboxOptions)) *host {
	t.Helper()
	h := boot(t, append(change, r.files...)...)
	h.sh("cd /src; " + r.install)
	return h.install()
}

// A reader who does as README says has an rpcd.
func TestRpcdOfTheReaderServes(t *testing.T) {
	r := read(t)
	h := r.on(t)
	h.contains(h.sh(r.commands), "msrpc-ncalrpc-counter.socket")

	first := h.counter(t, 0)
	handle, _, err := first.CallStub(t.Context(), client.Operation{Interface: counterID}, []byte{41, 0, 0, 0})
	check.OK(t, err)
	second, stranger := h.counter(t, first.Group()), h.counter(t, 0)
	for i, c := range []counter{first, second} {
		if n, err := c.next(handle); err != nil || n != uint32(42+i) {
			t.Errorf("it counts %d, %v; want %d", n, err, 42+i)
		}
	}
	if _, err := stranger.next(handle); !errors.Is(err, dcerpc.NcaContextMismatch) {
		t.Errorf("a stranger's call: %v", err)
	}
	zero, _, err := first.CallStub(t.Context(), client.Operation{Interface: counterID, Opnum: 2}, handle)
	if err != nil || string(zero) != string(make([]byte, 20)) {
		t.Errorf("close: %x, %v", zero, err)
	}
	if _, err := second.next(handle); !errors.Is(err, dcerpc.NcaContextMismatch) {
		t.Errorf("after it was closed: %v", err)
	}
}
