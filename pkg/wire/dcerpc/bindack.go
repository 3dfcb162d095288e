// SPDX-License-Identifier: Apache-2.0

package dcerpc

import "strconv"

// This file owns bind_ack and alter_context_resp, which are alike (C706
// 12.6.4.4 and 12.6.4.2).

// Ack is what a server grants.
type Ack struct {
	MaxXmit       uint16 // max_xmit_frag, longest fragment that the server sends, bytes
	MaxRecv       uint16 // max_recv_frag, longest fragment that it takes, bytes
	AssocGroup    uint32 // assoc_group_id, for binds of further connections
	SecondaryAddr []byte // sec_addr without its NUL: the endpoint; empty in an alter_context_resp
}

// Answers to a presentation context, p_cont_def_result_t (C706 12.6.3.1).
const (
	ResultAcceptance        = 0
	ResultUserRejection     = 1
	ResultProviderRejection = 2
	ResultNegotiateAck      = 3 // to bind time feature negotiation, the reason has the features (MS-RPCE 2.2.2.4)
)

// Reasons of a rejection, p_provider_reason_t (C706 12.6.3.1).
const (
	WhyNotSpecified = 0
	WhyAbstract     = 1 // abstract_syntax_not_supported
	WhyTransfer     = 2 // proposed_transfer_syntaxes_not_supported
	WhyLimit        = 3 // local_limit_exceeded
)

// Result is the answer to one presentation context. Which one follows from its
// place in the list.
type Result struct {
	Result   uint16   // one of the Result constants
	Reason   uint16   // one of the Why constants, or Feature bits
	Transfer SyntaxID // the transfer syntax to use; zero unless accepted
}

// Accept is the result for a context that will use transfer.
func Accept(transfer SyntaxID) Result { return Result{Transfer: transfer} }

// Refuse is the result for a context that the server does not know (WhyAbstract,
// WhyTransfer) or has no room for (WhyLimit).
func Refuse(why uint16) Result { return Result{Result: ResultProviderRejection, Reason: why} }

// String says it for people.
func (r Result) String() string {
	var text string
	switch r.Result {
	case ResultAcceptance:
		return "accepted"
	case ResultNegotiateAck:
		return "features 0x" + strconv.FormatUint(uint64(r.Reason), 16)
	case ResultUserRejection:
		text = "refused by the server's program: "
	case ResultProviderRejection:
		text = "refused by the server: "
	default:
		text = "result " + strconv.Itoa(int(r.Result)) + ": "
	}
	switch r.Reason {
	case WhyNotSpecified:
		return text + "reason not specified"
	case WhyAbstract:
		return text + "interface not supported"
	case WhyTransfer:
		return text + "transfer syntaxes not supported"
	case WhyLimit:
		return text + "local limit exceeded"
	}
	return text + "reason " + strconv.Itoa(int(r.Reason))
}

// ResultList is a cursor over the results of a bind_ack. It is a value; a copy
// starts where the original is.
type ResultList struct {
	b   []byte
	big bool
}

const resultSize = 4 + syntaxSize

// Len returns how many results are left.
func (l *ResultList) Len() int { return len(l.b) / resultSize }

// Next returns the next result; ok is false when there is none.
func (l *ResultList) Next() (r Result, ok bool) {
	if len(l.b) < resultSize {
		return r, false
	}
	r = Result{u16(l.b, l.big), u16(l.b[2:], l.big), readSyntax(l.b[4:], l.big)}
	l.b = l.b[resultSize:]
	return r, true
}

// ParseBindAck reads a bind_ack or an alter_context_resp.
func ParseBindAck(p PDU) (a Ack, l ResultList, rej *Reject) {
	b, big := p.Body, p.BigEndian()
	if p.Type != PTypeBindAck && p.Type != PTypeAlterContextResp {
		return a, l, ErrUnexpected
	}
	if len(b) < 10 {
		return a, l, ErrTruncated
	}
	a = Ack{MaxXmit: u16(b, big), MaxRecv: u16(b[2:], big), AssocGroup: u32(b[4:], big)}
	addrEnd := 10 + int(u16(b[8:], big))
	list := (addrEnd + 3) &^ 3 // in the body as in the PDU, the header has 16 bytes
	if len(b) < list+4 {
		return a, l, ErrTruncated
	}
	a.SecondaryAddr = b[10:addrEnd:addrEnd]
	if n := len(a.SecondaryAddr); n > 0 && a.SecondaryAddr[n-1] == 0 {
		a.SecondaryAddr = a.SecondaryAddr[:n-1]
	}
	end := list + 4 + resultSize*int(b[list])
	if len(b) < end {
		return a, l, ErrTruncated
	}
	return a, ResultList{b[list+4 : end : end], big}, nil
}

// AppendBindAck appends a bind_ack. h gives byte order, call id and flags, to
// which first and last are added; it usually is Reply of the bind's. results are in the order of the contexts in
// the bind, at most 255; what is longer than MaxPDU is not written at all.
func AppendBindAck(dst []byte, h Header, a Ack, results []Result) []byte {
	return appendAck(dst, h, PTypeBindAck, a, results)
}

// AppendAlterContextResp appends an alter_context_resp, as AppendBindAck does.
func AppendAlterContextResp(dst []byte, h Header, a Ack, results []Result) []byte {
	return appendAck(dst, h, PTypeAlterContextResp, a, results)
}

func appendAck(dst []byte, h Header, ptype byte, a Ack, results []Result) []byte {
	start, big := len(dst), h.BigEndian()
	results = results[:min(len(results), 255)]
	if len(a.SecondaryAddr) >= MaxPDU {
		return dst
	}
	h.Flags |= FlagFirst | FlagLast
	dst = h.append(dst, ptype)
	dst = put16(dst, a.MaxXmit, big)
	dst = put16(dst, a.MaxRecv, big)
	dst = put32(dst, a.AssocGroup, big)
	if n := len(a.SecondaryAddr); n > 0 {
		dst = put16(dst, uint16(n+1), big)
		dst = append(append(dst, a.SecondaryAddr...), 0)
	} else {
		dst = put16(dst, 0, big)
	}
	dst = align(dst, start, 4)
	dst = append(dst, byte(len(results)), 0, 0, 0)
	for i := range results {
		dst = put16(dst, results[i].Result, big)
		dst = put16(dst, results[i].Reason, big)
		dst = results[i].Transfer.append(dst, big)
	}
	return finish(dst, start)
}
