// SPDX-License-Identifier: Apache-2.0

package ndr

// This file owns all that decoding and encoding can find wrong.

import (
	"errors"
	"strconv"
)

// Causes of an Error. A server answers a request that shows one of them with
// the fault RPC_X_BAD_STUB_DATA (0x000006f7, MS-RPCE 2.2.2.10).
var (
	// ErrShort: the value goes beyond the end of the stub.
	ErrShort = errors.New("stub data ends too early")
	// ErrCount: there are more elements than the bytes that are left can hold,
	// more than the array has, more than a 32-bit count says, or another number
	// than the size_is or length_is field.
	ErrCount = errors.New("element count does not fit")
	// ErrOffset: a varying array or string does not begin with its first element.
	ErrOffset = errors.New("first element is not the start of the array")
	// ErrTerminator: a string has no terminator at its end, or, written, one inside.
	ErrTerminator = errors.New("string is not terminated by its last character")
	// ErrRange: a value is outside of what its type or the interface allows.
	ErrRange = errors.New("value is out of range")
	// ErrTag: a union has no arm for its discriminant, or the discriminant is
	// not what switch_is says.
	ErrTag = errors.New("discriminant selects no arm")
	// ErrDepth: referents are nested deeper than MaxDepth.
	ErrDepth = errors.New("pointers are nested too deeply")
	// ErrAlias: a full pointer names a referent of another type, or there are
	// more of them than maxFull.
	ErrAlias = errors.New("full pointer is not acceptable")
	// ErrFloat: a float is not IEEE.
	ErrFloat = errors.New("float representation is not ieee; the peer has to send ieee")
	// ErrCharset: characters are not ASCII.
	ErrCharset = errors.New("character representation is not ascii; the peer has to send ascii")
	// ErrTrailing: bytes follow the last value.
	ErrTrailing = errors.New("stub data is longer than its values")
	// ErrUse: the program walks a structure as if it were a parameter list.
	ErrUse = errors.New("structure is walked outside of Value; pass it to Codec.Value")
)

// Error is what was wrong where. Err is one of the causes above, or what the
// caller gave to Fail.
type Error struct {
	What   string // the primitive: "uint32", "conformant string", ...
	Offset int    // in the stub, bytes
	Err    error
}

func (e *Error) Error() string {
	return "ndr: " + e.What + " at offset " + strconv.Itoa(e.Offset) + ": " + e.Err.Error()
}

// Unwrap gives the cause to errors.Is.
func (e *Error) Unwrap() error { return e.Err }
