// SPDX-License-Identifier: Apache-2.0

package dcerpc

// This file owns bind and alter_context, which are alike (C706 12.6.4.3 and
// 12.6.4.1), and the cursor over their presentation contexts.

// Offer is what a client proposes in a bind. In an alter_context nothing of it
// has a meaning.
type Offer struct {
	MaxXmit    uint16 // max_xmit_frag, longest fragment that the client sends, bytes
	MaxRecv    uint16 // max_recv_frag, longest fragment that it takes, bytes
	AssocGroup uint32 // assoc_group_id, 0 asks for a new group
}

// Presentation is one presentation context of a client: an interface, the
// transfer syntaxes it can use for it, best first, and the number that stands
// for both in requests.
type Presentation struct {
	ID        uint16
	Abstract  SyntaxID
	Transfers []SyntaxID
}

// Context is a Presentation in the bytes of a PDU.
type Context struct {
	ID        uint16
	Abstract  SyntaxID
	Transfers SyntaxList
}

// ContextList is a cursor over the presentation contexts of a bind. It is a
// value; a copy starts where the original is.
type ContextList struct {
	b    []byte
	left int
	big  bool
}

// Len returns how many contexts are left.
func (l *ContextList) Len() int { return l.left }

// Next returns the next context; ok is false when there is none.
func (l *ContextList) Next() (c Context, ok bool) {
	if l.left == 0 {
		return c, false
	}
	n := contextSize + syntaxSize*int(l.b[2])
	c = Context{
		ID:        u16(l.b, l.big),
		Abstract:  readSyntax(l.b[4:], l.big),
		Transfers: SyntaxList{l.b[contextSize:n:n], l.big},
	}
	l.b = l.b[n:]
	l.left--
	return c, true
}

// SyntaxList is a list of syntaxes in the bytes of a PDU.
type SyntaxList struct {
	b   []byte
	big bool
}

// Len returns how many syntaxes there are, 0 to 255.
func (l SyntaxList) Len() int { return len(l.b) / syntaxSize }

// At returns the i-th, from 0 to Len()-1; the zero SyntaxID where there is none.
func (l SyntaxList) At(i int) SyntaxID {
	if i < 0 || i >= l.Len() {
		return SyntaxID{}
	}
	return readSyntax(l.b[i*syntaxSize:], l.big)
}

// Contains reports whether s is in the list.
func (l SyntaxList) Contains(s SyntaxID) bool {
	for i := range l.Len() {
		if l.At(i) == s {
			return true
		}
	}
	return false
}

// ParseBind reads a bind or an alter_context. There is at least one context,
// and all lie in the PDU. Whether each has a transfer syntax (ErrNoTransfer)
// and what it stands for is the server's business.
func ParseBind(p PDU) (o Offer, l ContextList, rej *Reject) {
	b, big := p.Body, p.BigEndian()
	if p.Type != PTypeBind && p.Type != PTypeAlterContext {
		return o, l, ErrUnexpected
	}
	if len(b) < minBind-HeaderSize {
		return o, l, ErrTruncated
	}
	o = Offer{MaxXmit: u16(b, big), MaxRecv: u16(b[2:], big), AssocGroup: u32(b[4:], big)}
	n := int(b[8])
	if n == 0 {
		return o, l, ErrNoContext
	}
	if len(b) < contextsOff-HeaderSize {
		return o, l, ErrContexts
	}
	b = b[contextsOff-HeaderSize:]
	rest := b
	for range n {
		if len(rest) < contextSize || len(rest) < contextSize+syntaxSize*int(rest[2]) {
			return o, l, ErrContexts
		}
		rest = rest[contextSize+syntaxSize*int(rest[2]):]
	}
	return o, ContextList{b, n, big}, nil
}

// AppendBind appends a bind. h gives byte order, call id and flags, to which
// first and last are added. At most 255 contexts with 255 transfer syntaxes
// each are written, and if that is longer than MaxPDU, nothing.
func AppendBind(dst []byte, h Header, o Offer, contexts []Presentation) []byte {
	return appendOffer(dst, h, PTypeBind, o, contexts)
}

// AppendAlterContext appends an alter_context, as AppendBind does.
func AppendAlterContext(dst []byte, h Header, o Offer, contexts []Presentation) []byte {
	return appendOffer(dst, h, PTypeAlterContext, o, contexts)
}

func appendOffer(dst []byte, h Header, ptype byte, o Offer, contexts []Presentation) []byte {
	start, big := len(dst), h.BigEndian()
	contexts = contexts[:min(len(contexts), 255)]
	h.Flags |= FlagFirst | FlagLast
	dst = h.append(dst, ptype)
	dst = put16(dst, o.MaxXmit, big)
	dst = put16(dst, o.MaxRecv, big)
	dst = put32(dst, o.AssocGroup, big)
	dst = append(dst, byte(len(contexts)), 0, 0, 0)
	for i := range contexts {
		c := &contexts[i]
		transfers := c.Transfers[:min(len(c.Transfers), 255)]
		dst = put16(dst, c.ID, big)
		dst = append(dst, byte(len(transfers)), 0)
		dst = c.Abstract.append(dst, big)
		for _, t := range transfers {
			dst = t.append(dst, big)
		}
	}
	return finish(dst, start)
}
