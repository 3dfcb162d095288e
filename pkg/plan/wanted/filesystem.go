// SPDX-License-Identifier: Apache-2.0

// Items of the file systems that msrpcd writes to.

package wanted

import (
	"context"
	"fmt"

	"msrpcd/pkg/host/sys"
)

// What a refresh and a start of all units need, with room to spare.
const (
	neededRoom  = 256 << 10 // bytes
	neededFiles = 64
)

// fileSystemID names the finding about any of them: what is not as it should be
// may follow from it.
const fileSystemID = "file system"

// fileSystem is that of a directory: it can be written.
type fileSystem struct{ dir string }

func (f fileSystem) Check(_ context.Context, s *State) []Finding {
	is, err := sys.FileSystemOf(f.dir)
	if err != nil {
		s.unknown(checkFileSystems, err, true)
		return nil
	}
	bad := found(checkFileSystems, "").named(fileSystemID)
	switch {
	case is.ReadOnly:
		bad.What = fmt.Sprintf("the file system %s is read-only: nothing can be written below %s", is.Mount, f.dir)
		return []Finding{bad.remedy(fmt.Sprintf("make it writable (mount -o remount,rw %s), then %s", is.Mount, runRefresh), refreshCommand)}
	case is.Free < neededRoom:
		bad.What = fmt.Sprintf("the file system %s is full (%d of %d KiB are free): not all can be written that is needed below %s", is.Mount, is.Free>>10, is.Total>>10, f.dir)
	case is.FreeFiles < neededFiles:
		bad.What = fmt.Sprintf("the file system %s takes only %d files more: not all can be made that are needed below %s", is.Mount, is.FreeFiles, f.dir)
	default:
		return nil
	}
	return []Finding{bad.remedy(fmt.Sprintf("make room on it (du -xa %s | sort -n shows what fills it), then %s", is.Mount, runRefresh), refreshCommand)}
}
