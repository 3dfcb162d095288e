// SPDX-License-Identifier: Apache-2.0

// Package status is the status file of one rpcd: a small mapped file in which
// broker and workers each keep their own totals.
//
// Every 64-byte line has exactly one writer. Totals only grow, so a reader
// needs no lock and loses nothing by looking late. A line's writer holds an
// open-file-description lock on the line while it lives.
//
//	line 0            header: magic, version, capacity (number of indices)
//	line 1            broker: pid, start id, counters
//	line 2 + 2*I      what the broker sent to worker I
//	line 3 + 2*I      what worker I received and closed
//
// The file is made by root (msrpc-preflight.service), mode 0660, group msrpc for
// the broker; it belongs to the workers' user, which is root for Samba's rpcds.
// Nobody else may open it: who can read a file can lock it, and its writers
// could not. Whoever maps it treats what others wrote as untrusted: numbers are
// only compared and shown, never used as sizes or indices.
package status

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	lineSize = 64
	magic    = 0x315453_4352534d // in host order, as all numbers of the file: nobody maps it on another machine
	version  = 1

	// MaxWorkers bounds workers plus spares of one rpcd.
	MaxWorkers = 4096
	// minCapacity leaves room to add workers while processes have the file mapped.
	minCapacity = 64
)

// ErrFormat says that a file is not a status file of this version.
var ErrFormat = errors.New("not a status file of this version")

type header struct {
	magic    uint64
	version  uint32
	capacity uint32
	_        [48]byte
}

// BrokerLine is written by the broker alone.
type BrokerLine struct {
	StartID  atomic.Uint64 // changes with every incarnation
	PID      atomic.Uint32
	Pending  atomic.Uint32 // connections that are not handed over yet
	Accepted atomic.Uint64 // connections, in all incarnations
	Refused  atomic.Uint64 // closed or answered by the broker itself
	Parked   atomic.Uint32 // of Pending, those in the parking
	_        uint32
	_        [24]byte
}

// SentLine is written by the broker alone, one for each worker.
type SentLine struct {
	Sent atomic.Uint64 // connections handed over, added after the send
	_    [56]byte
}

// Flags of a WorkerLine.
const (
	Ready    = 1 << 0 // serves
	Draining = 1 << 1 // takes new groups only where no other worker can
	Leaving  = 1 << 2 // with Draining: takes no new group at all
)

// DrainSignal asks a worker to drain. A program that does not know it ignores it.
const DrainSignal = unix.SIGWINCH

// WorkerLine is written by the worker alone.
type WorkerLine struct {
	StartID  atomic.Uint64 // changes with every incarnation
	Received atomic.Uint64 // connections taken from the inbox, in all incarnations
	Closed   atomic.Uint64 // of Received, those that ended; Received - Closed are open
	PID      atomic.Uint32 // main process of the unit
	Flags    atomic.Uint32
	Groups   atomic.Uint32 // association groups
	ChildPID atomic.Uint32 // the unmodified rpcd, 0 for native ones
	Serving  atomic.Uint64 // native: the kept connection that is in a call right now, else 0
	Drains   atomic.Uint64 // CLOCK_MONOTONIC in ns since when it drains, 0: it does not
	_        [8]byte
}

// File is a mapped status file.
type File struct {
	f        *os.File
	mem      []byte
	capacity int
}

func size(lines int) int { return (2 + 2*lines) * lineSize }

// Prepare makes the status file at path for indices below workers (spares
// included): uid is that of the workers, gid the group of the broker. A file
// with room enough is given to them at most, since processes may have it
// mapped; any other is replaced by a new one.
func Prepare(path string, workers, uid, gid int) error {
	if workers < 1 || workers > MaxWorkers {
		return fmt.Errorf("status file %s: %d workers are out of range 1 to %d", path, workers, MaxWorkers)
	}
	if f, err := Open(path, false); err == nil {
		room := f.capacity >= workers
		if room {
			err = give(f.f, uid, gid)
		}
		f.Close()
		if room {
			return err
		}
	}
	capacity := minCapacity
	for capacity < workers {
		capacity *= 2
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".status-")
	if err != nil {
		return fmt.Errorf("make status file: %w", err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	b := make([]byte, size(capacity))
	binary.NativeEndian.PutUint64(b, magic)
	binary.NativeEndian.PutUint32(b[8:], version)
	binary.NativeEndian.PutUint32(b[12:], uint32(capacity))
	if _, err = tmp.Write(b); err == nil {
		if err = give(tmp, uid, gid); err == nil {
			err = os.Rename(tmp.Name(), path)
		}
	}
	if err != nil {
		return fmt.Errorf("make status file: %w", err)
	}
	return nil
}

// give sets owner and mode where they differ: two accounts write into one file,
// and neither is a member of the other's group.
func give(f *os.File, uid, gid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("status file %s: %w", f.Name(), err)
	}
	if int(st.Uid) != uid || int(st.Gid) != gid {
		if err := f.Chown(uid, gid); err != nil {
			return fmt.Errorf("status file: %w", err)
		}
	}
	if st.Mode&0o7777 != 0o660 {
		if err := f.Chmod(0o660); err != nil {
			return fmt.Errorf("status file: %w", err)
		}
	}
	return nil
}

// Open maps the status file at path. Without write, no line may be changed or
// locked. A symbolic link, a file of another size or another format is refused
// with an error that wraps ErrFormat.
func Open(path string, write bool) (*File, error) {
	flag, prot := os.O_RDONLY, unix.PROT_READ
	if write {
		flag, prot = os.O_RDWR, unix.PROT_READ|unix.PROT_WRITE
	}
	f, err := os.OpenFile(path, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open status file: %w", err)
	}
	s, err := mapFile(f, prot)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("status file %s: %w", path, err)
	}
	return s, nil
}

func mapFile(f *os.File, prot int) (*File, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() < int64(size(1)) || st.Size() > int64(size(MaxWorkers)) {
		return nil, ErrFormat
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), prot, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	h := (*header)(unsafe.Pointer(&mem[0]))
	n := int(h.capacity)
	if h.magic != magic || h.version != version || n < 1 || n > MaxWorkers || size(n) != len(mem) {
		unix.Munmap(mem)
		return nil, ErrFormat
	}
	return &File{f: f, mem: mem, capacity: n}, nil
}

// Close unmaps the file and gives up its locks. No line may be used after it.
func (f *File) Close() error {
	unix.Munmap(f.mem)
	f.mem = nil
	return f.f.Close()
}

// Len is the number of indices that the file has room for.
func (f *File) Len() int { return f.capacity }

// Broker returns the broker's line.
func (f *File) Broker() *BrokerLine { return (*BrokerLine)(unsafe.Pointer(&f.mem[lineSize])) }

// Sent returns the broker's line for worker i, 0 <= i < Len().
func (f *File) Sent(i int) *SentLine {
	return (*SentLine)(unsafe.Pointer(&f.mem[(2+2*i)*lineSize]))
}

// Worker returns the line of worker i, 0 <= i < Len().
func (f *File) Worker(i int) *WorkerLine {
	return (*WorkerLine)(unsafe.Pointer(&f.mem[(3+2*i)*lineSize]))
}
