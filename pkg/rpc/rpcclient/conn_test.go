// SPDX-License-Identifier: Apache-2.0

package rpcclient

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
)

func TestCallInEveryFormat(t *testing.T) {
	for _, format := range []ndr.Format{0, ndr.BigEndian, ndr.NDR64, ndr.NDR64 | ndr.BigEndian} {
		for _, size := range []int{0, 1, 1400, 1432, 5000, 1 << 20} {
			c := bound(t, Options{Format: format}, echoing(2000))
			if c.Group() != 0x00050007 || c.Endpoint() != "135" {
				t.Errorf("group %#x, endpoint %q", c.Group(), c.Endpoint())
			}
			in := blob{bytes.Repeat([]byte("x"), size)}
			var out, again blob
			for _, to := range []*blob{&out, &again} {
				if err := c.Call(soon(t), Operation{Interface: echo}, &in, to); err != nil {
					t.Fatalf("format %d, %d bytes: %v", format, size, err)
				}
				in.B = bytes.Repeat([]byte("y"), size)
			}
			if len(out.B) != size || strings.Trim(string(out.B), "x") != "" || strings.Trim(string(again.B), "y") != "" {
				t.Errorf("format %d, %d bytes: another answer", format, size)
			}
		}
	}
}

func TestCallHasItsObject(t *testing.T) {
	object := uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")
	var got dcerpc.Request
	c := bound(t, Options{}, func(p dcerpc.PDU) []byte {
		got, _ = dcerpc.ParseRequest(p)
		return dcerpc.AppendFragments(nil, p.Header, got.ContextID, nil, 1432)
	})
	check.OK(t, c.Call(soon(t), Operation{Interface: echo, Opnum: 3, Object: object}, nil, nil))
	if got.Object != object || got.Opnum != 3 {
		t.Errorf("%+v", got)
	}
}

func TestResultsThatAreNotThere(t *testing.T) {
	c := bound(t, Options{}, func(p dcerpc.PDU) []byte { return dcerpc.AppendFragments(nil, p.Header, 0, nil, 1432) })
	for range 2 { // the connection is good
		var out blob
		if err := c.Call(soon(t), Operation{Interface: echo}, nil, &out); !errors.Is(err, ndr.ErrShort) {
			t.Fatal(err)
		}
	}
}

func TestGroupAndAlter(t *testing.T) {
	c := connect(t, Options{}, func(p dcerpc.PDU) []byte {
		if p.Type == dcerpc.PTypeRequest {
			return echoing(2000)(p)
		}
		return ackAll(p)
	})
	if err := c.Alter(soon(t), echo); err == nil || !strings.Contains(err.Error(), "use Bind") {
		t.Error(err)
	}
	var refused *Refused
	if err := c.Bind(soon(t), 9, other); !errors.As(err, &refused) || refused.Interface != other {
		t.Fatal(err)
	}
	if c.Group() != 9 {
		t.Errorf("group %d", c.Group())
	}
	if err := c.Call(soon(t), Operation{Interface: echo}, nil, nil); !errors.Is(err, ErrUnbound) {
		t.Error(err)
	}
	if err := c.Alter(soon(t), other, echo); !errors.As(err, &refused) {
		t.Error(err)
	}
	if err := c.Call(soon(t), Operation{Interface: echo}, nil, nil); err != nil {
		t.Error(err)
	}
	if err := c.Bind(soon(t), 0, echo); err == nil || !strings.Contains(err.Error(), "use Alter") {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	c := connect(t, Options{}, func(p dcerpc.PDU) []byte {
		return dcerpc.AppendBindNak(nil, false, p.CallID, dcerpc.ReasonLocalLimit)
	})
	var nak *Nak
	err := c.Bind(soon(t), 7, echo)
	if !errors.As(err, &nak) || nak.Reason != dcerpc.ReasonLocalLimit || !bytes.Equal(nak.Versions, []byte{5, 0}) {
		t.Fatal(err)
	}
	if want := "test: bind: the server refuses the bind: local limit exceeded"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}

	c = bound(t, Options{}, func(p dcerpc.PDU) []byte {
		return dcerpc.AppendFault(nil, p.Reply(dcerpc.FlagNotExecuted), dcerpc.Fault{Status: dcerpc.NcaOpRange, Stub: []byte("why")})
	})
	for range 2 { // a fault leaves the connection alive
		var fault *Fault
		err = c.Call(soon(t), Operation{Interface: echo, Opnum: 99}, nil, nil)
		if !errors.As(err, &fault) || !fault.NotExecuted || string(fault.Stub) != "why" || !errors.Is(err, dcerpc.NcaOpRange) {
			t.Fatal(err)
		}
	}
	if want := "test: operation 99 of 60a15ec5-4de8-11d7-a637-005056a20182/1.0: rpc fault nca_s_op_rng_error"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

// Each answer breaks the protocol, and ends the connection.
func TestHostileAnswersToACall(t *testing.T) {
	fragment := func(p dcerpc.PDU, flags byte, n int) []byte {
		h := p.Reply(flags)
		return dcerpc.AppendResponse(nil, h, dcerpc.Response{Stub: make([]byte, n)})
	}
	for name, tt := range map[string]struct {
		o      Options
		answer func(p dcerpc.PDU) []byte
	}{
		"no dce/rpc": {answer: func(dcerpc.PDU) []byte { return []byte("HTTP/1.0 400 Bad Request\r\n\r\n") }},
		"another call": {answer: func(p dcerpc.PDU) []byte {
			p.CallID++
			return fragment(p, dcerpc.FlagFirst|dcerpc.FlagLast, 4)
		}},
		"another type":  {answer: func(p dcerpc.PDU) []byte { return dcerpc.AppendBindAck(nil, p.Reply(0), dcerpc.Ack{}, nil) }},
		"no first":      {answer: func(p dcerpc.PDU) []byte { return fragment(p, dcerpc.FlagLast, 4) }},
		"two firsts":    {answer: func(p dcerpc.PDU) []byte { return append(fragment(p, 1, 4), fragment(p, 1, 4)...) }},
		"long fragment": {answer: func(p dcerpc.PDU) []byte { return fragment(p, 3, dcerpc.FragSizeTCP) }},
		"long stub": {Options{MaxStub: 1000}, func(p dcerpc.PDU) []byte {
			return append(fragment(p, 1, 600), fragment(p, 2, 600)...)
		}},
		"long whole stub": {Options{MaxStub: 1000}, func(p dcerpc.PDU) []byte { return fragment(p, 3, 1001) }},
		"endless": {answer: func(p dcerpc.PDU) []byte {
			b := fragment(p, dcerpc.FlagFirst, 0)
			return append(b, bytes.Repeat(fragment(p, 0, 0), dcerpc.DefaultMaxFragments)...)
		}},
		"shutdowns": {answer: func(p dcerpc.PDU) []byte {
			return dcerpc.AppendShutdown(dcerpc.AppendShutdown(nil, p.Reply(3)), p.Reply(3))
		}},
		"truncated fault": {answer: func(p dcerpc.PDU) []byte {
			b := fragment(p, 3, 0)
			b[2] = dcerpc.PTypeFault
			return b
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := bound(t, tt.o, tt.answer)
			err := c.Call(soon(t), Operation{Interface: echo}, nil, nil)
			if !errors.Is(err, ErrAnswer) {
				t.Fatal(err)
			}
			check.Is(t, "the connection goes on", err, c.Call(soon(t), Operation{Interface: echo}, nil, nil))
		})
	}
}

func TestHostileAnswersToABind(t *testing.T) {
	for name, answer := range map[string]func(p dcerpc.PDU) []byte{
		"fewer results": func(p dcerpc.PDU) []byte { return dcerpc.AppendBindAck(nil, p.Reply(0), dcerpc.Ack{}, nil) },
		"another syntax": func(p dcerpc.PDU) []byte {
			return dcerpc.AppendBindAck(nil, p.Reply(0), dcerpc.Ack{}, []dcerpc.Result{dcerpc.Accept(dcerpc.NDR64)})
		},
		"alter's answer": func(p dcerpc.PDU) []byte {
			return dcerpc.AppendAlterContextResp(nil, p.Reply(0), dcerpc.Ack{}, []dcerpc.Result{dcerpc.Accept(dcerpc.NDR)})
		},
		"no room for ack": func(p dcerpc.PDU) []byte {
			b := dcerpc.AppendShutdown(nil, p.Reply(3))
			b[2] = dcerpc.PTypeBindAck
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, Options{}, answer)
			if err := c.Bind(soon(t), 0, echo); !errors.Is(err, ErrAnswer) {
				t.Fatal(err)
			}
		})
	}
}

func TestServerGoesAway(t *testing.T) {
	c := bound(t, Options{}, func(p dcerpc.PDU) []byte { return nil })
	if err := c.Call(soon(t), Operation{Interface: echo}, nil, nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	c = bound(t, Options{}, func(p dcerpc.PDU) []byte { // the call under way is answered yet
		return append(dcerpc.AppendShutdown(nil, p.Reply(3)), echoing(2000)(p)...)
	})
	check.OK(t, c.Call(soon(t), Operation{Interface: echo}, nil, nil))
	if err := c.Call(soon(t), Operation{Interface: echo}, nil, nil); !errors.Is(err, ErrShutdown) {
		t.Error(err)
	}
}

func TestDeadlines(t *testing.T) {
	silent := func(dcerpc.PDU) []byte { return []byte{} }
	c := bound(t, Options{Timeout: 50 * time.Millisecond}, silent)
	if err := c.Call(context.Background(), Operation{Interface: echo}, nil, nil); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	c = bound(t, Options{}, silent)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Call(ctx, Operation{Interface: echo}, nil, nil); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c = bound(t, Options{}, func(dcerpc.PDU) []byte { stop(); return []byte{} })
	if err := c.Call(ctx, Operation{Interface: echo}, nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestDial(t *testing.T) {
	loopback.Need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check.OK(t, err)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	b := binding.Binding{Protseq: "ncacn_ip_tcp", Host: "127.0.0.1", Endpoint: port}
	c, err := Dial(soon(t), b, Options{})
	check.OK(t, err)
	c.Close()
	l.Close()
	if _, err = Dial(soon(t), b, Options{}); err == nil || err.Error() != b.String()+": connect: connection refused" {
		t.Error(err)
	}
	dir := t.TempDir()
	check.Listen(t, "unix", dir+"/echo")
	for _, endpoint := range []string{"echo", dir + "/echo"} {
		c, err = Dial(soon(t), binding.Binding{Protseq: "ncalrpc", Endpoint: endpoint}, Options{NcalrpcDir: dir})
		check.OK(t, err)
		c.Close()
	}
	if _, err = Dial(soon(t), binding.Binding{Protseq: "ncalrpc", Endpoint: "none"}, Options{NcalrpcDir: dir}); err == nil ||
		err.Error() != "ncalrpc:[none]: connect: no such file or directory" {
		t.Error(err)
	}
	if _, err = Dial(soon(t), binding.Binding{Protseq: "ncacn_ip_tcp"}, Options{}); err == nil {
		t.Error("connected to no port")
	}
}
