// SPDX-License-Identifier: Apache-2.0

package status

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	lineSize = 64
	magic    = 0x315453_4352534d // in host order, as all numbers of the file: it is not mapped on another machine
	version  = 1

	// MaxWorkers bounds workers plus spares of one rpcd.
	MaxWorkers = 4096
	// minCapacity leaves room to add workers while processes have the file mapped.
	minCapacity = 64
)

// ErrFormat says that a file is not a status file of this version.
var ErrFormat = errors.New("not a status file of this version")

// BrokerLine is written by the broker alone.
type BrokerLine struct {
	StartID  atomic.Uint64 // changes with every incarnation
	PID      atomic.Uint32
	Pending  atomic.Uint32 // connections that are not handed over yet
	Accepted atomic.Uint64 // connections, in all incarnations
	Refused  atomic.Uint64 // closed or answered by the broker itself
	Parked   atomic.Uint32 // of Pending, those in the parking
	_        uint32
	Left     atomic.Uint64 // left while they waited for a worker
	_        [16]byte
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
	Kept     = 1 << 3 // native, ended: it left connections and their groups to the next process
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
	copied   bool // mem is not a mapping
}

func size(lines int) int { return (2 + 2*lines) * lineSize }

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
	n, err := checkHeader(mem, len(mem))
	if err != nil {
		unix.Munmap(mem)
		return nil, err
	}
	return &File{f: f, mem: mem, capacity: n}, nil
}

// checkHeader reads the capacity from a file's start; the file has length bytes.
func checkHeader(b []byte, length int) (capacity int, err error) {
	n := int(binary.NativeEndian.Uint32(b[12:]))
	if binary.NativeEndian.Uint64(b) != magic || binary.NativeEndian.Uint32(b[8:]) != version || n < 1 || n > MaxWorkers || size(n) != length {
		return 0, ErrFormat
	}
	return n, nil
}

// Close unmaps the file and gives up its locks. No line may be used after it.
func (f *File) Close() error {
	if !f.copied {
		unix.Munmap(f.mem)
	}
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
