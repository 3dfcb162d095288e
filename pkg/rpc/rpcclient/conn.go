// SPDX-License-Identifier: Apache-2.0

package rpcclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/binding"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
)

// This file owns the connection: dialling, deadlines, and reading PDUs.

// Defaults of Options.
const (
	DefaultTimeout    = 30 * time.Second
	DefaultNcalrpcDir = "/run/samba/ncalrpc"
)

// Options of a connection; the zero value is good.
type Options struct {
	Timeout    time.Duration // of an exchange whose context has no deadline, 0 = DefaultTimeout
	MaxStub    int           // longest stub of an answer, bytes, 0 = dcerpc.DefaultMaxStub
	NcalrpcDir string        // where an ncalrpc endpoint's name is found, "" = DefaultNcalrpcDir
	Format     ndr.Format    // of requests: byte order and transfer syntax

	// Auth is how Bind authenticates the client, nil for not at all: ntlm.Client,
	// krb5.Client of package ccache, or either in spnego.Client.
	Auth  auth.Mechanism
	Level byte // of protection, dcerpc.LevelConnect to LevelPrivacy; 0 = LevelPrivacy
}

// Conn is a connection to a server.
type Conn struct {
	conn net.Conn
	name string // for errors
	opts Options

	ack      dcerpc.Ack
	xmit     int // longest fragment that the server takes, bytes; 0 = not bound
	contexts []dcerpc.SyntaxID
	refused  []bool    // of contexts
	security *security // nil without Options.Auth
	callID   uint32
	answers  dcerpc.Reassembler

	buf       []byte // what was read: the last PDU, and what came with it
	used      int    // bytes of buf that were handed out
	out       []byte // what is written, kept for its memory
	shutdown  bool   // the server asked to end the connection
	unusable  error
	abandoned func(error) error // says why a read or write failed
}

// Dial connects. An ncacn_ip_tcp binding needs its port: one without is a
// question for the endpoint mapper, which is the caller's.
func Dial(ctx context.Context, b binding.Binding, o Options) (*Conn, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	network, address := "tcp", net.JoinHostPort(b.Host, b.Endpoint)
	switch {
	case b.Endpoint == "":
		return nil, fmt.Errorf("%s: no endpoint; ask the endpoint mapper for it", b)
	case b.Protseq == binding.Ncalrpc:
		network, address = "unix", b.Endpoint
		if !filepath.IsAbs(address) {
			dir := o.NcalrpcDir
			if dir == "" {
				dir = DefaultNcalrpcDir
			}
			address = filepath.Join(dir, address)
		}
	case b.Protseq != binding.TCP:
		return nil, fmt.Errorf("%s: protocol sequence is not known", b)
	}
	d := net.Dialer{Timeout: o.Timeout}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("%s: connect: %w", b, dialCause(err))
	}
	return New(c, b.String(), o), nil
}

// dialCause leaves out what the binding says already.
func dialCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return err
}

// New makes a connection that is there a client's. name is its binding, for
// errors.
func New(c net.Conn, name string, o Options) *Conn {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return &Conn{conn: c, name: name, opts: o, answers: dcerpc.Reassembler{MaxStub: o.MaxStub}}
}

// Close ends the connection, and zeroes its keys. What the server keeps for it is
// run down.
func (c *Conn) Close() error {
	c.unusable = net.ErrClosed
	if c.security != nil {
		c.security.Close()
	}
	return c.conn.Close()
}

// Remote is the server's address.
func (c *Conn) Remote() net.Addr { return c.conn.RemoteAddr() }

// Local is the address that the server sees.
func (c *Conn) Local() net.Addr { return c.conn.LocalAddr() }

// begin starts an exchange under the deadline and the cancellation of ctx; end
// has to be called when it is over. What failed is asked from c.abandoned.
func (c *Conn) begin(ctx context.Context) (end func(), err error) {
	if c.unusable != nil {
		return nil, c.unusable
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(c.opts.Timeout)
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	cancelled := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.conn.SetDeadline(time.Unix(1, 0)) // wakes reads and writes
		close(cancelled)
	})
	c.abandoned = func(err error) error {
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return ErrTimeout
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
			errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
			return ErrClosed
		}
		return err
	}
	return func() {
		if !stop() {
			<-cancelled // else it might wake the next exchange
		}
	}, nil
}

// fail makes the connection unusable unless err is an answer that is not.
func (c *Conn) fail(what string, err error) error {
	err = fmt.Errorf("%s: %s: %w", c.name, what, err)
	var nak *Nak
	var refused *Refused
	var fault *Fault
	if errors.Is(err, ErrLogon) || errors.Is(err, ErrMechanism) || !errors.As(err, &nak) && !errors.As(err, &refused) && !errors.As(err, &fault) && !errors.Is(err, ErrUnbound) {
		c.unusable = err
	}
	return err
}

// header is that of the next PDU with a call id of its own.
func (c *Conn) header() dcerpc.Header {
	c.callID++
	return dcerpc.Header{CallID: c.callID, Drep: c.opts.Format.Drep()}
}

func (c *Conn) write(b []byte) error {
	if _, err := c.conn.Write(b); err != nil {
		return c.abandoned(err)
	}
	return nil
}

// read returns the next PDU that answers call c.callID. It points into c.buf
// and is good until the next read. A shutdown on the way is remembered: the
// answer to what is under way still comes (C706 12.6.4.11).
func (c *Conn) read() (dcerpc.PDU, error) {
	for {
		p, err := c.readPDU()
		if err != nil {
			return p, err
		}
		if p.Type == dcerpc.PTypeShutdown {
			if c.shutdown {
				return p, broken("a second shutdown")
			}
			c.shutdown = true
			continue
		}
		if p.CallID != c.callID {
			return p, broken(fmt.Sprintf("an answer to call %d instead of %d", p.CallID, c.callID))
		}
		return p, nil
	}
}

func (c *Conn) readPDU() (dcerpc.PDU, error) {
	n := copy(c.buf[:cap(c.buf)], c.buf[c.used:])
	c.buf, c.used = c.buf[:n], 0
	for {
		p, need, rej := dcerpc.Parse(c.buf, dcerpc.FragSizeTCP)
		switch {
		case rej != nil:
			return p, broken(rej.Cause)
		case need == 0:
			c.used = int(p.FragLength)
			return p, nil
		}
		if need > cap(c.buf) {
			c.buf = append(make([]byte, 0, max(need, dcerpc.FragSizeTCP)), c.buf...)
		}
		n, err := io.ReadAtLeast(c.conn, c.buf[len(c.buf):cap(c.buf)], need-len(c.buf))
		c.buf = c.buf[:len(c.buf)+n]
		if err != nil {
			return p, c.abandoned(err)
		}
	}
}
