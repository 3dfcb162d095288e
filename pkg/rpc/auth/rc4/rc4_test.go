// SPDX-License-Identifier: Apache-2.0

package rc4

import (
	"bytes"
	"crypto/rc4"
	"testing"
)

func TestStreamsAreThoseOfTheStandardLibrary(t *testing.T) {
	for n := 1; n <= 32; n++ {
		key := bytes.Repeat([]byte{byte(n * 37)}, n)
		key[0] = 1
		want, _ := rc4.NewCipher(key)
		var got Cipher
		got.Init(key)
		for _, size := range []int{1, 16, 300} {
			a, b := make([]byte, size), make([]byte, size)
			want.XORKeyStream(a, a)
			if got.Crypt(b); !bytes.Equal(a, b) {
				t.Fatalf("key of %d bytes: %x, want %x", n, b, a)
			}
		}
	}
}
