// SPDX-License-Identifier: Apache-2.0

package catalogue

import (
	"fmt"
	"os"
	"syscall"
)

// Identify distinguishes one version of a program from the next.
func Identify(path string) (Binary, error) {
	st, err := os.Stat(path)
	if err != nil {
		return Binary{}, err
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0 {
		return Binary{}, fmt.Errorf("%s is not an executable file", path)
	}
	b := Binary{Size: st.Size(), MTimeNS: st.ModTime().UnixNano()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		b.Inode = sys.Ino
	}
	return b, nil
}
