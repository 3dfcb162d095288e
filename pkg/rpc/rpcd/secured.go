// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"msrpcd/pkg/rpc/auth"
	"msrpcd/pkg/wire/dcerpc"
)

// This file owns how security contexts outlive the process. Each protected fragment
// changes the state of its context, so that only a graceful stop writes it down, as
// the last thing; a connection with one is not parked before, and ends with a crash.
// The local system's (system.go) has no state and is parked like any other.

// savedSecurity is a security context that is written down.
type savedSecurity struct {
	id         uint32
	typ, level byte
	implied    bool // see conn.choose
	ofCall     bool // the call that is being collected is in it
	state      []byte
}

// keepable reports whether the connection can be served on after a crash.
func (c *conn) keepable() bool {
	for _, s := range c.state.securities {
		if _, system := s.Context.(*systemContext); !system || !s.done {
			return false
		}
	}
	return !c.state.denied
}

// passable reports whether the next process can serve it after a graceful stop.
func (c *conn) passable() bool {
	for _, s := range c.state.securities {
		if !s.done {
			return false
		}
	}
	return !c.state.denied
}

// saveSecurities is what is written down of a connection's security contexts; ok is
// false when one of them cannot be.
func (c *conn) saveSecurities() (all []savedSecurity, ok bool) {
	for id, s := range c.state.securities {
		state, err := s.Save(nil)
		if err != nil || len(state) > auth.MaxState {
			return nil, false
		}
		all = append(all, savedSecurity{id: id, typ: s.trailer.Type, level: s.trailer.Level, implied: s == c.state.implied, ofCall: s == c.security, state: state})
	}
	return all, true
}

// resumeSecurities makes the security contexts of a kept connection again. Of the
// local system's it believes the kernel, not what was written down.
func (l *loop) resumeSecurities(c *conn, s *saved) (err error) {
	defer func() {
		if err != nil {
			c.endSecurity()
		}
	}()
	c.state.explicit = s.flags&savedExplicit != 0
	for _, w := range s.securities {
		n := &security{trailer: dcerpc.Auth{Type: w.typ, Level: w.level, ContextID: w.id}, done: true}
		for _, m := range l.srv.Auth {
			if m.Service() == w.typ {
				ctx, err := m.Restore(w.state)
				if err != nil {
					return err
				}
				n.Context = ctx
			}
		}
		if n.Context == nil && w.typ == dcerpc.AuthNcalrpcSys && w.level == dcerpc.LevelConnect && l.isSystem(c) {
			n.Context = &systemContext{}
		}
		if n.Context == nil || n.Caller() == nil || c.state.securities[w.id] != nil || n.protects() && n.SignatureSize() == 0 {
			return errSaved
		}
		n.caller = c.callerOf(l, n)
		c.addSecurity(n)
		if w.implied {
			c.state.implied = n
		}
		if w.ofCall {
			c.security = n
		}
	}
	return nil
}

// appendSecurities and securities are the form in which they are written, saved.go.
func appendSecurities(dst []byte, all []savedSecurity) []byte {
	dst = le.AppendUint32(dst, uint32(len(all)))
	for i := range all {
		s := &all[i]
		var bits uint16
		if s.implied {
			bits = 1
		}
		if s.ofCall {
			bits |= 2
		}
		dst = append(le.AppendUint32(dst, s.id), s.typ, s.level)
		dst = appendBytes(le.AppendUint16(dst, bits), s.state)
	}
	return dst
}

const securitySize = 12 // without its state

func (r *savedReader) securities() (all []savedSecurity) {
	n := r.u32()
	if r.bad || n == 0 || n > maxSecurities || int(n)*securitySize > len(r.b) {
		r.bad = true
		return nil
	}
	for range n {
		s := savedSecurity{id: r.u32()}
		kind := r.u16()
		s.typ, s.level = byte(kind), byte(kind>>8)
		bits := r.u16()
		s.implied, s.ofCall, s.state = bits&1 != 0, bits&2 != 0, r.bytes()
		r.bad = r.bad || bits > 3
		all = append(all, s)
	}
	return all
}
