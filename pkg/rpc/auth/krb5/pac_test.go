// SPDX-License-Identifier: Apache-2.0

package krb5

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"msrpcd/tests/tools/check"
)

// newPAC has a buffer of a type, which nothing reads, and both signatures.
func newPAC(t testing.TB, k types.EncryptionKey, kind uint32) []byte {
	t.Helper()
	e, err := crypto.GetEtype(k.KeyType)
	check.OK(t, err)
	le, n := binary.LittleEndian, e.GetHMACBitLength()/8
	b := le.AppendUint32(le.AppendUint32(nil, 3), 0)
	at := 8 + 3*16
	for i, size := range []int{24, 4 + n, 4 + n + 2} {
		b = le.AppendUint32(b, []uint32{kind, pacServerChecksum, pacKDCChecksum}[i])
		b = le.AppendUint64(le.AppendUint32(b, uint32(size)), uint64(at))
		at += size
	}
	b = append(b, "what KERB_VALIDATION_INF"...)
	server := len(b) + 4
	for range 2 {
		b = append(le.AppendUint32(b, uint32(e.GetHashID())), make([]byte, n)...)
	}
	b = append(b, 7, 7)
	sum, err := e.GetChecksumHash(k.KeyValue, b, usePAC)
	check.OK(t, err)
	copy(b[server:], sum)
	return b
}

func TestPACsThatTheKeyDidNotSignAreRefused(t *testing.T) {
	for kind, size := range keySizes {
		k := types.EncryptionKey{KeyType: kind, KeyValue: bytes.Repeat([]byte{9}, size)}
		pac := newPAC(t, k, pacLogonInfo)
		if !signedPAC(pac, k) {
			t.Fatalf("type %d: a good PAC is refused", kind)
		}
		n := (len(pac) - 8 - 48 - 24 - 2) / 2
		for at := range pac {
			bad := bytes.Clone(pac)
			bad[at] ^= 1
			if last := len(pac) - 2 - n + 4; signedPAC(bad, k) && (at < last || at >= len(pac)-2) { // the KDC's is not ours to check
				t.Errorf("type %d: byte %d changed: taken", kind, at)
			}
			if signedPAC(pac[:at], k) {
				t.Errorf("type %d: cut to %d bytes: taken", kind, at)
			}
		}
		k.KeyValue = bytes.Repeat([]byte{8}, size)
		if signedPAC(pac, k) {
			t.Errorf("type %d: another key", kind)
		}
	}
}

func FuzzPAC(f *testing.F) {
	k := types.EncryptionKey{KeyType: aes256SHA1, KeyValue: make([]byte, 32)}
	good := newPAC(f, k, pacLogonInfo)
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		if signedPAC(b, k) && !bytes.Equal(b[:len(b)-14], good[:len(good)-14]) {
			t.Errorf("%x is taken", b)
		}
		pacOf(types.AuthorizationData{{ADType: adIfRelevant, ADData: b}})
	})
}
