// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHintNamesTheFileSystem(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "open", Path: "/proc/self/x/y", Err: unix.ENOSPC}, "; make room on the file system /proc"},
		{fmt.Errorf("keep: %w", &os.LinkError{Op: "rename", Old: "/a", New: "/proc/b", Err: unix.EROFS}), "; make the file system /proc writable"},
		{fmt.Errorf("send: %w", unix.EDQUOT), "; make room on that file system"},
		{unix.ENOENT, ""},
	} {
		got := Hint(tt.err)
		if !errors.Is(got, tt.err) || got.Error() != tt.err.Error()+tt.want {
			t.Errorf("%v, want it with %q", got, tt.want)
		}
	}
}

func TestFileSystemOf(t *testing.T) {
	s, err := FileSystemOf(filepath.Join(t.TempDir(), "not", "there"))
	if err != nil || s.Mount == "" || s.ReadOnly || s.Total < s.Free || s.FreeFiles == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := FileSystemOf("/proc/self/status"); err != nil || !strings.HasPrefix(s.Mount, "/proc") {
		t.Errorf("%+v, %v", s, err)
	}
}
