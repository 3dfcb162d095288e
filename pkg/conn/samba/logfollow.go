// SPDX-License-Identifier: Apache-2.0

package samba

// The rpcd's log file, read along: what the rpcd writes there goes to the journal
// too. Samba logs as it does under samba-dcerpcd, where smb.conf or its build
// says, and has its log file as standard error, as its scripts do. So no program has
// a pipe or socket of the adaptor, which could fill up or lose its reader, and
// smb.conf keeps its meaning. While the journal does not read, nothing is read
// here: the file keeps it.

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/program"
)

const (
	openEvery   = 5 * time.Millisecond  // between looks for the file while the rpcd starts
	gatherTime  = 20 * time.Millisecond // from a change of the file until it is read
	busyTime    = 200 * time.Millisecond
	followBurst = 32 << 10 // bytes read before others have a turn
	followLast  = 1 << 20  // bytes read after the end of the rpcd
	followBack  = 64 << 10 // bytes before the end of a file that is found
)

type follower struct {
	to       *logParser
	standard string        // standard error of the rpcd, in /proc
	node     *program.File // the same
	file     int           // -1 = none
	dev, ino uint64
	ofRpcd   bool // no other program has it
	at       int64
	notify   int           // inotify
	watched  int           // watch descriptor
	due      time.Duration // when there is something to do
	buf      []byte
}

// followLog begins to look for the log file of the rpcd. Without inotify the
// journal goes without.
func (w *worker) followLog() error {
	f := &w.logs
	f.to = newLogParser(w.log, filepath.Base(w.opt.Exec), w.child.pid)
	f.to.since = time.Now().Format("2006/01/02 15:04:05")
	f.standard = fmt.Sprintf("/proc/%d/fd/2", w.child.pid)
	f.due = 0
	var err error
	if f.node, err = program.NewFile(f.standard); err != nil {
		return err
	}
	if f.notify, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		f.due = event.Never
		w.log.Warn("messages of the rpcd are in its log file only; raise fs.inotify.max_user_instances", journal.MessageID, journal.IDLogNotRead, journal.Error, err)
		return nil
	}
	return w.loop.Watch(f.notify, unix.EPOLLIN|unix.EPOLLET, event.Token(kindLog, 0, 0))
}

// logChanged is an edge: no more come before inotify was read.
func (w *worker) logChanged() {
	if w.logs.due == event.Never {
		w.logs.due = w.loop.Now + gatherTime
	}
}

func (w *worker) logTimer() {
	f := &w.logs
	w.findLog()
	if f.file < 0 {
		f.due = event.Never
		if w.phase == starting {
			f.due = w.loop.Now + openEvery
		}
		return
	}
	for n := 1; n > 0; { // what is written from here on is an edge again
		n, _ = unix.Read(f.notify, f.buf)
	}
	before := f.at
	switch end := f.read(followBurst); {
	case journal.Busy():
		f.due = w.loop.Now + busyTime
	case !end:
		f.due = w.loop.Now
	case f.at != before:
		f.due = w.loop.Now + gatherTime // text may follow
	default:
		f.to.flush()
		f.due = event.Never
	}
}

// findLog opens the file that the rpcd has as its log file now, if it is another
// one than before, and reads the old one to its end.
func (w *worker) findLog() {
	f := &w.logs
	if f.node == nil {
		return // no log is followed
	}
	now, ok := f.node.Stat()
	if !ok || now.Mode&unix.S_IFMT != unix.S_IFREG || f.file >= 0 && now.Ino == f.ino && unix.Mkdev(now.Dev_major, now.Dev_minor) == f.dev {
		return
	}
	var st unix.Stat_t
	fd, err := unix.Open(f.standard, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return
	}
	if f.buf == nil {
		f.buf = make([]byte, 16<<10)
	}
	back := int64(followBack)
	if f.file >= 0 {
		f.finish()
		back = followLast
	}
	f.file, f.dev, f.ino, f.at, f.due = fd, st.Dev, st.Ino, max(0, st.Size-back), 0
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	name, _ := os.Readlink(path)
	program := filepath.Base(w.opt.Exec)
	f.ofRpcd = filepath.Base(name) == "log."+program
	if f.to.alone = f.lock(); f.to.alone {
		f.skip(program, st.Size)
	}
	if f.watched, err = unix.InotifyAddWatch(f.notify, path, unix.IN_MODIFY); err != nil {
		w.causes.Log(w.log, slog.LevelWarn, "log file", journal.IDLogNotRead, "messages of the rpcd are in "+name+" only, which cannot be watched; raise fs.inotify.max_user_watches", journal.Error, err)
	}
}

// read gives up to limit bytes to the journal, and reports whether that was all.
func (f *follower) read(limit int) (end bool) {
	for limit > 0 && !journal.Busy() {
		n, err := unix.Pread(f.file, f.buf, f.at)
		if n <= 0 || err != nil {
			f.to.since = ""
			f.to.alone = f.to.alone || f.lock() // only now: what is there was read by who had it
			var st unix.Stat_t
			if unix.Fstat(f.file, &st) == nil && st.Size < f.at { // it was cut
				f.at = 0
			}
			return true
		}
		n = f.to.write(f.buf[:n])
		f.at += int64(n)
		limit -= n
	}
	return false
}

// lock decides which worker gives messages without pid to the journal: Samba 4.17
// writes none, into a file of all workers of an rpcd.
func (f *follower) lock() bool {
	return f.ofRpcd && unix.Flock(f.file, unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK
}

// skip goes to the header of the last banner, where headers have no pid: what is
// before it was read when it was written.
func (f *follower) skip(program string, size int64) {
	text := make([]byte, size-f.at)
	n, _ := unix.Pread(f.file, text, f.at)
	text = text[:max(n, 0)]
	text = text[:max(bytes.LastIndex(text, []byte("\n  "+program+" version ")), 0)]
	head := bytes.LastIndexByte(text, '\n') + 1
	if !bytes.Contains(text[head:], []byte(", pid=")) {
		f.at += int64(head)
	}
}

// last is for the end of the rpcd, whose reason is what it wrote last: a journal
// that is only slow gets a second.
func (f *follower) last() {
	for start := time.Now(); f.file >= 0 && !f.read(followLast) && time.Since(start) < time.Second; {
		if journal.Flush(); journal.Busy() {
			break
		}
	}
	f.finish()
}

// finish reads to the end, and is done with the file.
func (f *follower) finish() {
	if f.file < 0 {
		return
	}
	f.read(followLast)
	f.to.end()
	unix.InotifyRmWatch(f.notify, uint32(f.watched))
	unix.Close(f.file)
	f.file, f.to.alone, f.to.since = -1, false, f.to.last
}
