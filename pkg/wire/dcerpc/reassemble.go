// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file puts the fragments of calls together again. What it refuses and
// what it lets pass is what Windows and Samba do.

// Bounds of a call, where a Reassembler does not say otherwise.
const (
	DefaultMaxStub      = 4 << 20 // bytes, as in Windows and Samba
	DefaultMaxFragments = 8192    // 4 MiB in fragments of MustRecvFragSize are 2,980
)

// Reassembler collects the fragments of one call at a time. There never are two
// on a connection: even with concurrent multiplexing only whole calls overlap.
// The zero value is ready for use. A copy of the stub is made only for calls of
// several fragments; memory grows with what has arrived, not with alloc_hint.
type Reassembler struct {
	MaxStub      int    // bytes of a call's stub, 0 = DefaultMaxStub
	MaxFragments int    // fragments of a call, 0 = DefaultMaxFragments
	Multiplex    bool   // FlagMultiplex was negotiated: says which call an error belongs to
	Strict       bool   // p_cont_id and opnum have to be the same in all fragments of a call, as C706 has it; Windows and Samba look at the first alone
	Spare        []byte // room for the stub of the next call of several fragments, which takes it away

	call  Call
	frags int // of call, 0 = none is being collected
}

// Call is a request of one or more fragments.
type Call struct {
	Header  // of the first fragment
	Request // of the first fragment, Stub of all
}

// Add takes the next request of a connection, its stub verified and deciphered.
//
// done: call is complete. Its stub points into the PDU if that was the whole
// call, else it is the caller's. Not done, without rej: more fragments have to
// come. rej: the connection has to end; rej.AppendAnswer gets call.Header and
// call.ContextID, which name the call at fault, not always that of h.
func (r *Reassembler) Add(h Header, q Request) (call Call, done bool, rej *Reject) {
	if h.Whole() && r.frags == 0 && h.Flags&FlagPendingCancel == 0 {
		if len(q.Stub) > r.maxStub() {
			return Call{h, q}, false, ErrStubLong
		}
		return Call{h, q}, true, nil
	}
	if h.Flags&FlagFirst != 0 {
		rej = r.first(h, q)
	} else {
		rej = r.later(h, q)
	}
	if rej != nil {
		call = r.blame(h, q)
		r.Drop()
		return call, false, rej
	}
	if h.Flags&FlagLast == 0 {
		return call, false, nil
	}
	call = r.call
	r.Drop()
	return call, true, nil
}

func (r *Reassembler) maxStub() int {
	if r.MaxStub > 0 {
		return r.MaxStub
	}
	return DefaultMaxStub
}

func (r *Reassembler) first(h Header, q Request) *Reject {
	switch {
	case r.frags != 0:
		return ErrSecondFirst
	case h.Flags&FlagPendingCancel != 0:
		return ErrCancelFirst
	}
	r.call, r.frags = Call{h, q}, 1
	if len(q.Stub) > r.maxStub() || int64(q.AllocHint) > int64(r.maxStub()) {
		return ErrStubLong
	}
	buf := r.Spare[:0]
	r.Spare = nil
	if want := 2 * len(q.Stub); cap(buf) < want {
		buf = make([]byte, 0, want)
	}
	r.call.Stub = append(buf, q.Stub...)
	return nil
}

func (r *Reassembler) later(h Header, q Request) *Reject {
	limit := r.MaxFragments
	if limit <= 0 {
		limit = DefaultMaxFragments
	}
	left := r.maxStub() - len(r.call.Stub)
	switch {
	case r.frags == 0:
		return ErrNotFirst
	case h.CallID != r.call.CallID:
		return ErrCallID
	case h.Drep != r.call.Drep:
		return ErrDrepChanged
	case r.Strict && q.ContextID != r.call.ContextID:
		return ErrContextChanged
	case r.Strict && q.Opnum != r.call.Opnum:
		return ErrOpnumChanged
	case len(q.Stub) > left || int64(q.AllocHint) > int64(left):
		return ErrStubLong
	case r.frags >= limit:
		return ErrFragments
	}
	r.call.Stub = append(r.call.Stub, q.Stub...)
	r.frags++
	return nil
}

// blame returns the call that an error belongs to: the one that is being
// collected, except that with multiplexing a fragment of another call stands
// for itself. Of a call that was never begun the context is not known.
func (r *Reassembler) blame(h Header, q Request) Call {
	if r.frags != 0 && (!r.Multiplex || h.CallID == r.call.CallID) {
		return r.call
	}
	q.Stub = nil
	if !r.Multiplex || r.frags != 0 || h.Flags&FlagFirst != 0 {
		q.ContextID = 0
	}
	return Call{h, q}
}

// AddResponse is Add for a client that collects the responses to its call. The
// PDU's call id and context are for the client to check.
func (r *Reassembler) AddResponse(h Header, p Response) (done Response, ok bool, rej *Reject) {
	h.Flags &^= FlagPendingCancel // no such flag in a response
	call, ok, rej := r.Add(h, Request{AllocHint: p.AllocHint, ContextID: p.ContextID, Stub: p.Stub})
	if rej != nil || !ok {
		return done, false, rej
	}
	return Response{AllocHint: call.AllocHint, ContextID: call.ContextID, CancelCount: p.CancelCount, Stub: call.Stub}, true, nil
}

// Alter is asked before an alter_context is served. Without multiplexing it may
// not come between the fragments of a call; rej is nil otherwise. call is as in
// Add.
func (r *Reassembler) Alter(h Header) (call Call, rej *Reject) {
	if r.frags == 0 || r.Multiplex {
		return call, nil
	}
	call = r.call
	r.Drop()
	return call, ErrAlterInCall
}

// Collecting returns the call that lacks its last fragment, and whether there
// is one. Its stub is what has come so far.
func (r *Reassembler) Collecting() (call *Call, ok bool) { return &r.call, r.frags != 0 }

// Drop forgets the call that is being collected. An orphaned is not a reason to do
// so, unless FeatureKeepOnOrphan was negotiated: Windows and Samba ignore it.
func (r *Reassembler) Drop() { r.call, r.frags = Call{}, 0 }
