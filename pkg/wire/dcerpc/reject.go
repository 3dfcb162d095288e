// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file owns what a receiver does with a PDU that it cannot accept: the
// answer, and whether the connection goes on. What is refused and how follows
// C706 section 12.6 and chapter 11, and where these are silent what Windows
// answers, which Samba's protocol tests write down.

// Reject says why a PDU is not acceptable and what the receiver owes the
// sender. The values are predeclared; they can be compared and must not be
// changed. A *Reject is an error, but is not to be put into an error while it
// is nil.
//
// A server calls AppendAnswer, sends what that appended, and closes the
// connection unless Keep is set. A client closes.
type Reject struct {
	Cause  string // a short constant, fit for a log record
	Nak    bool   // a bind, or without Fault anything, is answered with a bind_nak
	Reason uint16 // provider_reject_reason for AppendBindNak
	Fault  Status // what is not a bind is answered with a fault of this status; 0 with no answer
	Flags  byte   // FlagNotExecuted where the fault carries it
	Keep   bool   // the connection goes on after the answer
}

func (r *Reject) Error() string { return r.Cause }

// AppendFirst appends the answer to the first PDU of a connection, that with
// header h: a bind_nak whatever its type is, as Samba and Windows send.
func (r *Reject) AppendFirst(dst []byte, h Header) []byte {
	if r == RejectType {
		return dst
	}
	reason := uint16(ReasonProtocolError)
	if r.Nak {
		reason = r.Reason
	}
	return AppendBindNak(dst, h.BigEndian(), h.CallID, reason)
}

// AppendAnswer appends the bind_nak or fault that the PDU with header h
// deserves, in its byte order, or nothing: a cancel or an orphaned has no
// answer. contextID is that of the call, 0 where there is none.
func (r *Reject) AppendAnswer(dst []byte, h Header, contextID uint16) []byte {
	switch {
	case r.Nak && (h.Type == PTypeBind || r.Fault == 0):
		return AppendBindNak(dst, h.BigEndian(), h.CallID, r.Reason)
	case r.Fault == 0 || h.Type == PTypeCancel || h.Type == PTypeOrphaned:
		return dst
	}
	return AppendFault(dst, h.Reply(r.Flags), Fault{ContextID: contextID, Status: r.Fault})
}

// protocolError is what a server does about a malformed PDU: bind_nak to a
// bind, to everything else a fault that says it did not execute.
func protocolError(cause string) *Reject {
	return &Reject{Cause: cause, Nak: true, Reason: ReasonProtocolError, Fault: NcaProtoError, Flags: FlagNotExecuted}
}

// badOffer is for presentation contexts that break a rule: bind_nak without
// reason to a bind, to an alter_context the same as protocolError.
func badOffer(cause string) *Reject {
	r := protocolError(cause)
	r.Reason = ReasonNotSpecified
	return r
}

// brokenCall is for fragments that do not fit the call: nothing is said about
// what was executed.
func brokenCall(cause string, status Status) *Reject {
	return &Reject{Cause: cause, Fault: status}
}

// What can be wrong with any PDU. All end the connection. RejectType is among
// them, without an answer.
var (
	ErrVersion      = protocolError("rpc_vers is not 5")
	ErrMinorVersion = protocolError("rpc_vers_minor is not 0")
	ErrDrep         = protocolError("data representation is none that C706 knows")
	ErrFragShort    = protocolError("frag_length is shorter than a header")
	ErrFragLong     = brokenCall("frag_length is longer than the largest fragment taken", NcaProtoError)
	ErrAuthLength   = protocolError("auth_length is beyond frag_length")
	ErrAuthPad      = protocolError("auth_pad_length is beyond the body")
	ErrTruncated    = protocolError("frag_length is shorter than the fields of the PDU")
	ErrUnexpected   = protocolError("a PDU of this type is not expected here")

	// ErrAuth3Pad is ErrAuthPad in an auth3, where Windows answers this status.
	ErrAuth3Pad = &Reject{Cause: "auth_pad_length is beyond the body", Fault: NcaRemoteNoMemory, Flags: FlagNotExecuted}
)

// What can be wrong with a bind, an alter_context or an auth3. All end the
// connection. ErrSecondBind, ErrNoTransfer, ErrFeatureTwice and ErrAuthType are
// for the server to use: they are about the meaning of a well-formed PDU.
var (
	ErrSecondBind    = &Reject{Cause: "a second bind on the connection", Nak: true, Reason: ReasonNotSpecified}
	ErrContextReused = protocolError("a presentation context that stands for something else already")
	ErrContexts      = protocolError("presentation contexts are beyond frag_length")
	ErrNoContext     = badOffer("a bind without presentation context")
	ErrNoTransfer    = badOffer("a presentation context without transfer syntax")
	ErrFeatureTwice  = badOffer("two bind time feature negotiations in one bind")
	ErrNoAuth        = protocolError("an auth3 without auth trailer")
	ErrAuthType      = &Reject{Cause: "authentication type that is not served", Nak: true, Reason: ReasonAuthType, Fault: FaultSecurityPackage, Flags: FlagNotExecuted}
)

// What can be wrong with the fragments of a call, all found by Reassembler.
// All end the connection.
var (
	ErrNotFirst       = brokenCall("a call without first fragment", NcaProtoError)
	ErrSecondFirst    = brokenCall("a first fragment while a call lacks its last one", NcaProtoError)
	ErrCallID         = brokenCall("a fragment of another call than the one that lacks its last", NcaProtoError)
	ErrAlterInCall    = brokenCall("alter_context while a call lacks its last fragment", NcaProtoError)
	ErrContextChanged = brokenCall("p_cont_id differs between fragments of a call", NcaProtoError)
	ErrOpnumChanged   = brokenCall("opnum differs between fragments of a call", NcaProtoError)
	ErrDrepChanged    = protocolError("data representation differs between fragments of a call")
	ErrStubLong       = brokenCall("stub is longer than allowed", FaultAccessDenied)
	ErrFragments      = brokenCall("a call has more fragments than allowed", FaultAccessDenied)
	ErrCancelFirst    = &Reject{Cause: "the first fragment of a call says that it is cancelled", Fault: FaultNoCallActive, Flags: FlagNotExecuted}
)

// What a server finds out about a well-formed request. The connection goes on.
var (
	ErrUnknownContext = &Reject{Cause: "no presentation context with this p_cont_id", Fault: NcaUnknownIf, Flags: FlagNotExecuted, Keep: true}
	ErrOpnum          = &Reject{Cause: "opnum is out of the interface's range", Fault: NcaOpRange, Flags: FlagNotExecuted, Keep: true}
	ErrStub           = &Reject{Cause: "stub does not hold the operation's arguments", Fault: FaultBadStubData, Keep: true}
)
