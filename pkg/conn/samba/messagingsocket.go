// SPDX-License-Identifier: Apache-2.0

package samba

// Where Samba processes find each other: the socket msg.sock/PID, and the lock
// file msg.lock/PID, whose POSIX lock is held while the process lives and whose
// content is its unique id. Nothing in this process may open its own lock file
// a second time: closing that descriptor would drop the lock.

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// MessagingSocket is this process's place on the messaging bus.
type MessagingSocket struct {
	ID      ServerID
	FD      int // datagram socket, non-blocking
	lock    int
	sockDir string
	lockDir string
}

// Modes that every Samba process demands of the two directories, exactly.
const (
	sockDirMode = 0o700
	lockDirMode = 0o755
)

// OpenMessagingSocket takes the place of this process below messagingDir (parent of
// msg.sock) and lockDir (parent of msg.lock). It makes msg.sock and msg.lock
// when they are missing, and refuses directories that the rpcd would refuse.
func OpenMessagingSocket(messagingDir, lockDir string) (*MessagingSocket, error) {
	r := &MessagingSocket{
		ID:      ServerID{PID: uint64(os.Getpid()), Unique: uniqueID()},
		sockDir: filepath.Join(messagingDir, "msg.sock"),
		lockDir: filepath.Join(lockDir, "msg.lock"),
	}
	if err := ensureDir(r.sockDir, sockDirMode); err != nil {
		return nil, err
	}
	if err := ensureDir(r.lockDir, lockDirMode); err != nil {
		return nil, err
	}
	if err := r.takeLock(); err != nil {
		return nil, &os.PathError{Op: "lock", Path: r.lockPath(os.Getpid()), Err: err}
	}
	if err := r.bind(); err != nil {
		unix.Close(r.lock)
		return nil, &os.PathError{Op: "messaging socket", Path: r.sockPath(os.Getpid()), Err: err}
	}
	return r, nil
}

// uniqueID is any number but 0 and the one that means "not unique".
func uniqueID() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])>>1 | 1
}

func ensureDir(path string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make directory for Samba's messaging: %w", err)
	}
	err := os.Mkdir(path, mode)
	if err == nil {
		err = os.Chmod(path, mode) // whatever the umask is
	}
	if err != nil && !os.IsExist(err) {
		return fmt.Errorf("make directory for Samba's messaging: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fmt.Errorf("directory of Samba's messaging %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o777 != uint32(mode) || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s has mode %04o and owner %d, Samba takes only a directory of mode %04o and owner %d; run: chown %d %s; chmod %o %s",
			path, st.Mode&0o7777, st.Uid, mode, os.Geteuid(), os.Geteuid(), path, mode, path)
	}
	return nil
}

func (r *MessagingSocket) sockPath(pid int) string {
	return filepath.Join(r.sockDir, strconv.Itoa(pid))
}
func (r *MessagingSocket) lockPath(pid int) string {
	return filepath.Join(r.lockDir, strconv.Itoa(pid))
}

func wholeFile() *unix.Flock_t { return &unix.Flock_t{Type: unix.F_WRLCK} }

func (r *MessagingSocket) takeLock() error {
	path := r.lockPath(os.Getpid())
	for range 8 { // a process that clears up may unlink the file before it is locked
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		var here, there unix.Stat_t
		if err = unix.FcntlFlock(uintptr(fd), unix.F_SETLK, wholeFile()); err == nil {
			if err = unix.Fstat(fd, &here); err == nil {
				err = unix.Fchmod(fd, 0o644)
			}
		}
		if err != nil {
			unix.Close(fd)
			return err
		}
		if unix.Lstat(path, &there) == nil && here.Ino == there.Ino && here.Dev == there.Dev {
			r.lock = fd
			text := strconv.AppendUint(nil, r.ID.Unique, 10)
			if err = unix.Ftruncate(fd, 0); err == nil {
				_, err = unix.Write(fd, append(text, '\n'))
			}
			return err
		}
		unix.Close(fd)
	}
	return unix.EAGAIN
}

func (r *MessagingSocket) bind() error {
	path := r.sockPath(os.Getpid())
	unix.Unlink(path) // of an earlier process of this pid: the lock is ours
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		unix.Close(fd)
		return err
	}
	r.FD = fd
	return nil
}

// Connect returns a socket of its own for messages to process pid: being
// connected, it is writable when the peer's queue has room.
func (r *MessagingSocket) Connect(pid int) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: r.sockPath(pid)}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connect to messaging socket %s: %w", r.sockPath(pid), err)
	}
	return fd, nil
}

// RemoveStale removes socket and lock file that process pid has left; rpcds
// leave them on every way to exit. What a living process holds stays.
func (r *MessagingSocket) RemoveStale(pid int) {
	if pid <= 0 || pid == os.Getpid() {
		return
	}
	fd, err := unix.Open(r.lockPath(pid), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if unix.FcntlFlock(uintptr(fd), unix.F_SETLK, wholeFile()) == nil {
		unix.Unlink(r.sockPath(pid))
		unix.Unlink(r.lockPath(pid))
	}
}

// Close leaves the bus and removes this process's files.
func (r *MessagingSocket) Close() {
	unix.Unlink(r.sockPath(os.Getpid()))
	unix.Unlink(r.lockPath(os.Getpid()))
	unix.Close(r.FD)
	unix.Close(r.lock)
}
