// SPDX-License-Identifier: Apache-2.0

package ndr

import "msrpcd/pkg/wire/uuid"

// This file owns UUIDs and context handles, which are 4-aligned and of fixed
// size in both syntaxes.

// ContextHandle is ndr_context_handle of C706: 20 bytes.
type ContextHandle struct {
	Attributes uint32 // reserved, 0
	UUID       [16]byte
}

// IsNil says that the handle stands for no context.
func (h ContextHandle) IsNil() bool { return h == ContextHandle{} }

// UUID reads a UUID (C706 appendix A) and returns it in text order, whatever
// the byte order of the stub.
func (d *Decoder) UUID() (u [16]byte) {
	p := d.next("uuid", 4, 16)
	if p == nil {
		return u
	}
	return uuid.FromWire([16]byte(p), d.big)
}

// UUID writes a UUID given in text order.
func (e *Encoder) UUID(u [16]byte) {
	e.align(4)
	e.b = uuid.UUID(u).AppendWire(e.b, e.big)
}

// ContextHandle reads a context handle.
func (d *Decoder) ContextHandle() ContextHandle {
	return ContextHandle{Attributes: d.u32("context handle"), UUID: d.UUID()}
}

// ContextHandle writes a context handle.
func (e *Encoder) ContextHandle(h ContextHandle) {
	e.Uint32(h.Attributes)
	e.UUID(h.UUID)
}
