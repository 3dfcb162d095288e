// SPDX-License-Identifier: Apache-2.0

// Package ndr is the transfer syntax of DCE/RPC: NDR (C706 chapter 14, with
// MS-RPCE 2.2.4) and NDR64 (MS-RPCE 2.2.5), in either byte order.
//
// # Basics
//
// A Decoder reads the stub of a request or response, an Encoder appends one.
// Their methods are the primitives, in the order of the IDL, aligned by
// themselves. Errors stick: read everything, then ask once.
//
//	d := ndr.NewDecoder(stub, format) // format from ndr.FormatOf
//	level := d.Uint32()
//	name := d.WString()               // points into stub
//	if err := d.Err(); err != nil {
//		... // fault 0x6f7, or nca_s_fault_ndr
//	}
//
// What follows the arguments is ignored, as in Windows and Samba: d.Close is for
// those who want to know.
//
// As parameters, a [ref] pointer is nothing, a [unique] pointer is d.Unique()
// and, when that is true, what it points to.
//
// # Structures with pointers
//
// What a member of a structure points to comes after the whole structure, after
// the whole array that the structure is an element of, after the whole
// structure that this array is a member of. A type therefore describes itself
// once, for both directions and both passes, in a method NDR (see Value):
//
//	/*  typedef struct {                            typedef struct {
//	        long kind;                                  hyper   id;
//	        [string,unique] wchar_t *number;            [string,unique] wchar_t *name;
//	    } phone;                                        [string,unique] char *mail;
//	                                                    long    n;
//	                                                    [size_is(n),unique] phone *phones;
//	                                                } person;                            */
//
//	type Phone struct {
//		Kind      int32
//		HasNumber bool
//		Number    ndr.WText
//	}
//
//	func (p *Phone) NDR(c *ndr.Codec) {
//		c.Struct(ndr.AlignPtr)
//		c.Int32(&p.Kind)
//		c.Unique(&p.HasNumber, &p.Number)
//		c.EndStruct(ndr.AlignPtr)
//	}
//
//	func (*Phone) MinSize() int { return 8 } // a long and a pointer in NDR
//
//	type Person struct {
//		ID               uint64
//		HasName, HasMail bool
//		Name             ndr.WText
//		Mail             ndr.Text
//		N                uint32
//		HasPhones        bool
//		Phones           ndr.Array[Phone, *Phone]
//	}
//
//	func (p *Person) NDR(c *ndr.Codec) {
//		c.Struct(ndr.Align8)
//		c.Uint64(&p.ID)
//		c.Unique(&p.HasName, &p.Name)
//		c.Unique(&p.HasMail, &p.Mail)
//		c.SizeIs(&p.N, len(p.Phones))
//		c.Unique(&p.HasPhones, &p.Phones)
//		c.Match(p.N, len(p.Phones))
//		c.EndStruct(ndr.Align8)
//	}
//
// Then d.Value(&person) reads one and e.Value(&person) writes one. The same
// person as a structure that ends in the array, phone phones[size_is(n)], names
// c.Value(&p.Phones) instead of the pointer and has
//
//	func (p *Person) Conformance(c *ndr.Codec) { p.Phones.Conformance(c) }
//
// which puts the count where it belongs, before everything else. A parameter
// list can be a Value too, for Params; a client and a server then share it.
//
// # Safety
//
// No input makes the package panic, and none makes it read outside the stub. A
// count is held against the bytes that are left before it is returned, so that
// allocations and loops by it are bounded by the length of the stub times what
// one element takes in memory, given honest minimum sizes. Referents nest to
// MaxDepth at most; what recursion there is beside that is the caller's.
// Nothing uses reflection. Primitives, views and Values without Go pointers do
// not allocate while the caller's slices are large enough, as long as the
// Decoder or Encoder is kept by the caller: Value and Params make it escape.
//
// # Caveats
//
//   - Octets, String, Text, Bytes, UTF16 and the like point into the stub. Copy
//     what is to outlive it.
//   - After an error, what was being read is filled in part.
//   - Gaps are not looked at when reading, and are 0 when written.
//   - NDR aligns a structure to its largest member as Windows and Samba do,
//     and pads it at the end only in NDR64.
//   - A linked list of more than MaxDepth members is refused.
//   - Full pointers that share a referent need FullPtr; Unique is enough for
//     peers that never alias, and reads an alias wrongly.
//   - Varying arrays in a Codec start with their first element; Decoder.Varying
//     takes any start. Arrays of several dimensions are read count by count,
//     then asked for by Decoder.Fits.
//   - Pipes, arrays of strings without pointers (C706 14.3.5) and type
//     serialization (MS-RPCE 2.2.6) are not part of it.
//   - Samba (seen in 4.17) departs from MS-RPCE 2.2.5.3 in NDR64: the counts
//     of a fixed [string] array, such as an annotation, have 4 bytes instead of
//     8, and the length inside of an endpoint mapper's tower 8 instead of 4.
//     This package does as MS-RPCE says.
//
// Its API is for others to import.
package ndr
