// SPDX-License-Identifier: Apache-2.0

package ntlm

// This file owns keys and ciphers (MS-NLMP 3.3.2, 3.4).

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/subtle"
	"strings"
)

func hmacMD5(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// Check checks an NTLMv2 response of an account, whose NT hash is known, to a
// challenge, and returns SessionBaseKey.
func Check(hash [16]byte, account, domain string, challenge [8]byte, response []byte) (key [16]byte, ok bool) {
	if len(response) < proofSize+blobHead {
		return key, false
	}
	proof, key := prove(hash, account, domain, challenge[:], response[proofSize:])
	if subtle.ConstantTimeCompare(proof, response[:proofSize]) != 1 {
		return [16]byte{}, false
	}
	return key, true
}

// prove makes the proof of an NTLMv2 response, and SessionBaseKey.
func prove(hash [16]byte, account, domain string, challenge, blob []byte) (proof []byte, key [16]byte) {
	owf := hmacMD5(hash[:], utf16le(strings.ToUpper(account)+domain))
	defer clear(owf)
	proof = hmacMD5(owf, challenge, blob)
	return proof, [16]byte(hmacMD5(owf, proof))
}

// Constants that make a key of the session's for one direction and use.
const (
	signToServer = "session key to client-to-server signing key magic constant\x00"
	sealToServer = "session key to client-to-server sealing key magic constant\x00"
	signToClient = "session key to server-to-client signing key magic constant\x00"
	sealToClient = "session key to server-to-client sealing key magic constant\x00"
)

func derive(key []byte, magic string) [16]byte {
	return md5.Sum(append(append(make([]byte, 0, 96), key...), magic...))
}
