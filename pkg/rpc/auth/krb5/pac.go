// SPDX-License-Identifier: Apache-2.0

package krb5

// This file owns the PAC of a ticket (MS-PAC): where it is, and that it is signed
// with the key of the service. Who the client is in it is for package auth's
// Accounts to read; winbindd does that also for a PAC whose signature is wrong.

import (
	"bytes"
	"encoding/binary"

	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/crypto/etype"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// Types of authorization data.
const (
	adIfRelevant = 1
	adPAC        = 128
)

// pacOf is the PAC in the authorization data of a ticket.
func pacOf(list types.AuthorizationData) []byte {
	for _, outer := range list {
		var inner types.AuthorizationData
		if outer.ADType != adIfRelevant || inner.Unmarshal(outer.ADData) != nil {
			continue
		}
		for _, e := range inner {
			if e.ADType == adPAC {
				return e.ADData
			}
		}
	}
	return nil
}

// Buffers of a PAC.
const (
	pacLogonInfo      = 1
	pacServerChecksum = 6
	pacKDCChecksum    = 7
	maxPACBuffers     = 64

	usePAC = 17 // KERB_NON_KERB_CKSUM_SALT
)

// signedPAC checks the server's checksum (MS-PAC 2.8.1), which is over the PAC with
// zeros in the places of both signatures.
func signedPAC(pac []byte, k types.EncryptionKey) bool {
	le := binary.LittleEndian
	if len(pac) < 8 || le.Uint32(pac) > maxPACBuffers || len(pac) < 8+16*int(le.Uint32(pac)) {
		return false
	}
	plain := bytes.Clone(pac)
	var server etype.EType
	var signature []byte
	for i := range int(le.Uint32(pac)) {
		b := pac[8+16*i:]
		kind, size, at := le.Uint32(b), uint64(le.Uint32(b[4:])), le.Uint64(b[8:])
		if at > uint64(len(pac)) || size > uint64(len(pac))-at {
			return false
		}
		if kind != pacServerChecksum && kind != pacKDCChecksum {
			continue
		}
		if size < 4 || kind == pacServerChecksum && signature != nil {
			return false
		}
		e, err := crypto.GetChksumEtype(int32(le.Uint32(pac[at:])))
		if err != nil || size-4 < uint64(e.GetHMACBitLength()/8) {
			return false
		}
		sum := pac[at+4:][:e.GetHMACBitLength()/8] // an RODC has its number behind it
		clear(plain[at+4:][:len(sum)])
		if kind == pacServerChecksum {
			server, signature = e, sum
		}
	}
	return server != nil && server.GetETypeID() == k.KeyType && server.VerifyChecksum(k.KeyValue, plain, signature, usePAC)
}

// hasAccount reports whether a PAC, which is signed, says what account and groups
// the client has. That of MIT's KDC repeats the name and the time of the ticket.
func hasAccount(pac []byte) bool {
	le := binary.LittleEndian
	for i := range int(le.Uint32(pac)) {
		if le.Uint32(pac[8+16*i:]) == pacLogonInfo {
			return true
		}
	}
	return false
}
