// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"bytes"
	"context"
	"net"
	"testing"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/servers/epm"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/tools/loopback"
)

// server is a DCE/RPC server on a port of the loopback, for tests of commands
// that ask servers. It binds what is asked for, except refused.
type server struct {
	group   uint32
	refused dcerpc.SyntaxID
	lookup  func(in *epm.LookupRequest) *epm.LookupResponse
	ask     func(in *epm.MapRequest) *epm.MapResponse
}

// start returns the port.
func (s *server) start(t *testing.T) string {
	t.Helper()
	loopback.Need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check.OK(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.serve(c)
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (s *server) serve(c net.Conn) {
	var buf []byte
	for {
		p, need, rej := dcerpc.Parse(buf, 0)
		if rej != nil {
			return
		}
		if need > 0 {
			more := make([]byte, 4096)
			n, err := c.Read(more)
			if err != nil {
				return
			}
			buf = append(buf, more[:n]...)
			continue
		}
		out := s.answer(p)
		if out == nil {
			return
		}
		c.Write(out)
		buf = buf[p.FragLength:]
	}
}

func (s *server) answer(p dcerpc.PDU) []byte {
	switch p.Type {
	case dcerpc.PTypeBind:
		_, list, _ := dcerpc.ParseBind(p)
		ctx, _ := list.Next()
		if s.group == 0 {
			return dcerpc.AppendBindNak(nil, p.BigEndian(), p.CallID, dcerpc.ReasonCongestion)
		}
		r := dcerpc.Accept(ctx.Transfers.At(0))
		if ctx.Abstract == s.refused {
			r = dcerpc.Refuse(dcerpc.WhyAbstract)
		}
		s.group++
		return dcerpc.AppendBindAck(nil, p.Reply(0), dcerpc.Ack{MaxXmit: 4280, MaxRecv: 4280, AssocGroup: s.group}, []dcerpc.Result{r})
	case dcerpc.PTypeRequest:
		q, _ := dcerpc.ParseRequest(p)
		d, e := ndr.NewDecoder(q.Stub, 0), ndr.NewEncoder(nil, 0)
		switch q.Opnum {
		case epm.OpLookup:
			var in epm.LookupRequest
			d.Params(&in)
			e.Params(s.lookup(&in))
		case epm.OpMap:
			var in epm.MapRequest
			d.Params(&in)
			e.Params(s.ask(&in))
		}
		if d.Close() != nil || e.Err() != nil {
			return nil
		}
		return dcerpc.AppendFragments(nil, p.Header, q.ContextID, e.Bytes(), 4280)
	}
	return nil
}

// run runs a command line on a host without a catalogue.
func run(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	state := layout.State
	layout.State = t.TempDir()
	defer func() { layout.State = state }()
	var out, err bytes.Buffer
	status = hostEnv(&out, &err).run(context.Background(), args)
	return out.String(), err.String(), status
}

// entry is an entry of a mapper.
func entry(t *testing.T, iface string, transfer dcerpc.SyntaxID, b binding.Binding, annotation string) epm.Entry {
	t.Helper()
	id, err := parseSyntax(iface)
	check.OK(t, err)
	tower, err := epm.AppendTower(nil, id, transfer, b)
	check.OK(t, err)
	return epm.Entry{Tower: epm.TowerRef{Present: true, Tower: epm.TowerOctets{Octets: tower}}, Annotation: []byte(annotation)}
}

var handle = ndr.ContextHandle{UUID: uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")}
