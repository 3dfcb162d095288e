// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns Values of simple types, to be pointed to or to be elements of
// arrays: c.Unique(&x.HasName, &x.Name) with Name of type Text.

// Integers, UUIDs (in text order) and strings as Values. Text and WText are
// conformant varying [string]s; read, they point into the stub. They are not
// Conformant: neither may be the last member of a structure by itself.
type (
	U8    uint8
	U16   uint16
	U32   uint32
	U64   uint64
	UUID  [16]byte
	Text  []byte
	WText struct{ UTF16 }
)

// WChars is a conformant varying array of wchar_t that is not a [string], of which
// Max could be there: what an RPC_UNICODE_STRING points to (MS-DTYP 2.3.10).
type WChars struct {
	Max uint32
	UTF16
}

// NDR names the value.
func (v *U8) NDR(c *Codec) { c.Uint8((*uint8)(v)) }

// NDR names the value.
func (v *U16) NDR(c *Codec) { c.Uint16((*uint16)(v)) }

// NDR names the value.
func (v *U32) NDR(c *Codec) { c.Uint32((*uint32)(v)) }

// NDR names the value.
func (v *U64) NDR(c *Codec) { c.Uint64((*uint64)(v)) }

// NDR names the value.
func (v *UUID) NDR(c *Codec) { c.UUID((*[16]byte)(v)) }

// NDR names the string.
func (v *Text) NDR(c *Codec) { c.String((*[]byte)(v)) }

// NDR names the string.
func (v *WText) NDR(c *Codec) { c.WString(&v.UTF16) }

// NDR names the characters.
func (v *WChars) NDR(c *Codec) { c.WChars(&v.Max, &v.UTF16) }

// NDR names the handle.
func (h *ContextHandle) NDR(c *Codec) { c.ContextHandle(h) }

// MinSize is the size in bytes.
func (*U8) MinSize() int { return 1 }

// MinSize is the size in bytes.
func (*U16) MinSize() int { return 2 }

// MinSize is the size in bytes.
func (*U32) MinSize() int { return 4 }

// MinSize is the size in bytes.
func (*U64) MinSize() int { return 8 }

// MinSize is the size in bytes.
func (*UUID) MinSize() int { return 16 }

// MinSize is the size in bytes.
func (*ContextHandle) MinSize() int { return 20 }
