// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"io"
	"testing"
)

// TestAPipeIsRefusedAtTheFirstWrongByte: it is not waited for more of what cannot
// become a named pipe auth request.
func TestAPipeIsRefusedAtTheFirstWrongByte(t *testing.T) {
	r := newRig(t).start()
	for _, bad := range []string{"G", "\x00\x00\x01\x00NPAX"} {
		c := connect(t, r.np.Addr())
		c.Write([]byte(bad))
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("after %q the client reads %d bytes, %v; want the end", bad, n, err)
		}
	}
}
