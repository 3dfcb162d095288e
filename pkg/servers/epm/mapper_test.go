// SPDX-License-Identifier: Apache-2.0

package epm

// What all operations have in common, and ept_inq_object.

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/tests/tools/check"
)

// object is what ept_inq_object returns.
type object struct {
	ID ndr.UUID
	result
}

func (o *object) NDR(c *ndr.Codec) { o.ID.NDR(c); o.result.NDR(c) }

func TestInqObject(t *testing.T) {
	s := start(t)
	var a, b object
	c := s.dial(false, 0, 0)
	c.call(OpInqObject, &nothing{}, &a)
	s.stop()
	s.run()
	s.dial(false, 0, 0).call(OpInqObject, &nothing{}, &b)
	if a != b || a.Status != OK {
		t.Errorf("%+v, then %+v", a, b)
	}
	path := filepath.Join(t.TempDir(), "machine-id")
	if u := mapObject(path); !u.IsNil() {
		t.Errorf("%s without a machine id", u)
	}
	check.OK(t, os.WriteFile(path, []byte("0123456789abcdef0123456789abcdef\n"), 0o644))
	if u := mapObject(path); u.IsNil() || strings.HasPrefix(u.String(), "01234567") {
		t.Error(u)
	}
}

type nothing struct{}

func (*nothing) NDR(*ndr.Codec) {}

// Requests that end early or claim too much fault and cost nobody anything.
func TestBadStubs(t *testing.T) {
	s := start(t)
	c := s.dial(true, 0, 0)
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for opnum := uint16(OpInsert); opnum <= OpMgmtDelete; opnum++ {
		if opnum == OpInqObject {
			continue
		}
		for _, stub := range [][]byte{nil, huge, huge[:3]} {
			_, _, err := c.CallStub(context.Background(), rpcclient.Operation{Interface: Interface, Opnum: opnum}, stub)
			var fault *rpcclient.Fault
			if !errors.As(err, &fault) || fault.Status != dcerpc.FaultBadStubData {
				t.Errorf("operation %d with %x: %v", opnum, stub, err)
			}
		}
	}
	if _, _, err := c.CallStub(context.Background(), rpcclient.Operation{Interface: Interface, Opnum: OpMgmtDelete + 1}, nil); err == nil {
		t.Error("there is an operation 7")
	}
	if lines, _ := c.list(500); len(lines) == 0 {
		t.Error("it answers nothing any more")
	}
}
