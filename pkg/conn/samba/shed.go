// SPDX-License-Identifier: Apache-2.0

package samba

import (
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/inbox"
	"msrpcd/pkg/conn/source"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
)

// This file owns when the adaptor does something about a source that holds too
// many connections. They are the rpcd's, whose statuses say that one has ended
// and not which. So nothing is known of them until, once in many clients, a share
// or the total may be used up: then the adaptor looks at the rpcd's sockets
// (sockets.go), beside its loop, and shuts down the longest idle ones of the
// sources that have too many. To the rpcd it is as if the client had left.
//
// A quarter of the descriptors is for root and for the rpcd itself.

// shedder knows when to look.
type shedder struct {
	limit source.Limit
	most  uint64 // connections of any kind
	dirs  *inbox.Directories
	ports []uint16      // that TCP clients came to
	at    atomic.Uint64 // how many clients are given to the child before the next look
	began time.Duration // the last look
	looks atomic.Bool   // one is being taken
	blind atomic.Bool   // there is no way to look
}

// ownFDs are the rpcd's own: files, databases, connections to others.
const ownFDs = 256

// lookPause is the least time between looks, unless there are more than the total.
const lookPause = 500 * time.Millisecond

// fit makes limits fit a number of descriptors.
func (s *shedder) fit(limit source.Limit, descriptors int) {
	s.most = uint64(max(descriptors-min(ownFDs, descriptors/4), 1))
	s.limit = limit
	for _, n := range []*int{&s.limit.Total, &s.limit.Address, &s.limit.User} {
		if most := max(descriptors/4*3, 1); *n == 0 || *n > most {
			*n = most
		}
	}
}

// blindAndFull keeps a share of the descriptors from clients of TCP where sources
// cannot be distinguished.
func (w *worker) blindAndFull(t layout.Transport) bool {
	return t.IP() && w.shed.blind.Load() && w.line.Open() > uint64(w.shed.limit.Total)
}

// notePort remembers the port of a TCP client.
func (s *shedder) notePort(port uint16) {
	if !slices.Contains(s.ports, port) {
		s.ports = append(slices.Clone(s.ports), port) // a look may be reading the old ones
	}
}

// shedSome looks, where that may find something. It costs nothing before there
// are as many connections as one source may have.
func (w *worker) shedSome() {
	s := &w.shed
	least := min(s.limit.Address, s.limit.User, s.limit.Total)
	if w.line.Open() <= uint64(least) || w.taken < s.at.Load() || w.loop.Now-s.began < lookPause && w.line.Open() <= uint64(s.limit.Total) || s.looks.Swap(true) {
		return
	}
	s.began = w.loop.Now
	ports, taken := s.ports, w.taken
	go func() {
		// What is served comes before: a look at many thousand sockets takes a while.
		runtime.LockOSThread() // the thread ends with it
		unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 10)
		defer s.looks.Store(false)
		shut, left, err := s.look(w.child.pid, w.child.pidfd, ports)
		if err != nil {
			s.blind.Store(true)
			w.causes.Log(w.log, slog.LevelWarn, "look", journal.IDLimit,
				"cannot look at the connections of the rpcd, a single source may take them all; Linux 5.6 and CAP_SYS_PTRACE are needed", journal.Error, err.Error())
		}
		s.at.Store(taken + uint64(left))
		if shut > 0 {
			w.causes.Log(w.log, slog.LevelWarn, "shed", journal.IDLimit, fmt.Sprintf(
				"too many connections (of one source more than %d, in all %d): the longest idle ones of the sources that have the most are closed; see MaxBound= in msrpcd.conf(5)",
				s.limit.Address, s.limit.Total))
		}
	}()
}
