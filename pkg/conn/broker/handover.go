// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/endpoint"
	"msrpcd/pkg/conn/handoff"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/host/sys"
)

// inbox is the way to one worker: a datagram socket, made when it is first
// needed and never connected, and the conns that wait until it has room, in
// order.
type inbox struct {
	fd       int // -1: not made yet
	to       *sys.Address
	queue    []waiter
	retryAt  time.Duration // not to be tried before, 0: now
	fullAt   time.Duration // full: to be tried by then, if epoll has not reported room
	unread   int           // full: bytes of the broker that nothing had read then
	seen     uint64        // Received of the worker at the last look
	seenAt   time.Duration // when that grew, or when nothing was in flight
	missing  bool          // it could not be reached at the last try
	goneAt   time.Duration // missing: since when
	startID  uint64        // of the worker that was alive at the last look
	alive    bool
	watching bool // epoll says when it has room
	gone     int  // of queue, those that left it elsewhere than at its head
}

// waiter names a conn; one whose id no longer fits has gone.
type waiter struct {
	fd int32
	id uint64
}

// open makes the socket for inbox i. It is one of its own: what is on its way
// through it is on its way to that worker.
func (b *Broker) open(i int) sys.Errno {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err.(sys.Errno)
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<20) // cut to net.core.wmem_max
	b.workers.inboxes[i].fd = fd
	return 0
}

// send hands conn fd to worker i and forgets it, or returns why not.
func (b *Broker) send(fd, i int) sys.Errno {
	c, in := &b.conns[fd], &b.workers.inboxes[i]
	bind := &b.bindings[c.binding]
	m := handoff.Message{
		ConnID: c.id, AssocGroup: c.groupID, FragLength: c.frag, NPALevel: c.npaLevel, Binding: bind.text, Head: c.head(),
	}
	if bind.raw {
		m.Flags |= handoff.FlagNoPDU
	}
	fds := [2]int32{int32(fd), -1}
	n := 1
	if bind.Transport.Relayed() {
		m.NPA = c.npa()[npaHeader:]
		m.NPALength = uint32(len(m.NPA))
		if m.Size() > handoff.MaxDatagram {
			memfd, err := memfdOf(m.NPA)
			if err != nil {
				return err.(sys.Errno)
			}
			defer sys.Close(memfd)
			m.NPA, fds[1], n = nil, int32(memfd), 2
			m.Flags |= handoff.FlagNPAInMemfd
		}
	}
	b.out = m.Append(b.out[:0])
	if in.fd < 0 {
		if errno := b.open(i); errno != 0 {
			return errno
		}
	}
	return b.workers.msg.SendTo(in.fd, in.to, b.out, fds[:n])
}

// memfdOf makes a memfd with these bytes.
func memfdOf(data []byte) (int, error) {
	fd, err := unix.MemfdCreate("npa", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	if n, err := unix.Pwrite(fd, data, 0); err != nil || n != len(data) {
		unix.Close(fd)
		return -1, unix.ENOSPC
	}
	return fd, nil
}

// handOver brings a decided conn to a worker, or lets it wait for one.
func (b *Broker) handOver(fd int) {
	c := &b.conns[fd]
	for range len(b.workers.inboxes) + 1 {
		i := b.choose(c)
		if i == none {
			break
		}
		in := &b.workers.inboxes[i]
		if len(in.queue) > 0 {
			b.enqueue(fd, i)
			return
		}
		errno := b.deliver(fd, i)
		switch errno {
		case 0:
			return
		case unix.EAGAIN:
			in.full(b.loop.Now)
			b.enqueue(fd, i)
			return
		case unix.ETOOMANYREFS, unix.ENOMEM, unix.ENOBUFS, unix.EMFILE, unix.ENFILE:
			in.retryAt = b.loop.Now + inboxRetry
			b.enqueue(fd, i)
			return
		}
		b.unreachable(i, errno)
		if c.groupID != 0 && !notThere(errno) {
			b.enqueue(fd, i) // its group lives there, if anywhere
			return
		}
	}
	b.wait(fd, wantSpare)
}

// deliver takes the conn out of the parking and sends it; a conn that could not
// be sent is put back. Where descriptors are short, a silent conn makes room, and
// where too many are in flight, the parking does: to be served comes first.
func (b *Broker) deliver(fd, i int) sys.Errno {
	b.unpark(fd)
	errno := b.send(fd, i)
	switch {
	case errno == unix.ETOOMANYREFS && b.parking.lot.Shed():
		b.noteIncomplete()
		errno = b.send(fd, i)
	case endpoint.OutOfDescriptors(errno):
		b.needRoom = true // for the next try: now another conn may be in hand
	}
	if errno != 0 {
		if b.conns[fd].stage == loose {
			b.park(fd)
		}
		return errno
	}
	b.workers.inboxes[i].missing = false
	b.status.Sent(i).Sent.Add(1)
	b.drop(fd)
	return 0
}

// notThere says of an inbox that systemd has not opened it. Right after systemd made
// the node it is still root's alone.
func notThere(errno sys.Errno) bool { return errno == unix.ENOENT || errno == unix.EACCES }

// unreachable notes that inbox i cannot be reached and when to try again.
func (b *Broker) unreachable(i int, errno sys.Errno) {
	in := &b.workers.inboxes[i]
	if !in.missing {
		in.missing, in.goneAt = true, b.loop.Now
	}
	in.retryAt = b.loop.Now + inboxRetry
	if notThere(errno) && !b.cfg.FromStart(i) || b.loop.Now-in.goneAt < inboxPatience {
		return // its worker was not needed yet, or systemd is about to open it
	}
	b.limiter.Log(b.log, slog.LevelWarn, fmt.Sprint("inbox ", i), journal.IDInboxGone,
		"inbox of a worker cannot be reached; look at systemctl status "+layout.WorkerSocket(b.cfg.Name, i),
		journal.Worker, i, journal.Error, errno.Error())
}

// enqueue lets conn fd wait for inbox i.
func (b *Broker) enqueue(fd, i int) {
	c, in := &b.conns[fd], &b.workers.inboxes[i]
	b.wait(fd, wantInbox)
	c.worker = int16(i)
	in.queue = append(in.queue, waiter{int32(fd), c.id})
	if in.fd >= 0 && !in.watching {
		b.loop.Add(in.fd, unix.EPOLLOUT|unix.EPOLLET, event.Token(kindInbox, 0, i))
		in.watching = true
	}
}

// full notes that an inbox has no room.
func (in *inbox) full(now time.Duration) {
	in.fullAt = now + inboxRetry
	in.unread, _ = sys.SendQueue(in.fd)
}

// readAgain tries inbox i again, of which epoll says that its worker has read.
// epoll says so after each try that found no room, too.
func (b *Broker) readAgain(i int) {
	in := &b.workers.inboxes[i]
	if n, _ := sys.SendQueue(in.fd); in.fullAt == 0 || n != in.unread {
		b.flush(i)
	}
}

// flush hands over what waits for inbox i, as far as it has room. epoll says
// when something that this process sent was read; what others have sent, such as
// the broker before, may fill an inbox too, so it is tried now and then.
func (b *Broker) flush(i int) {
	in := &b.workers.inboxes[i]
	if in.retryAt > b.loop.Now {
		return
	}
	in.retryAt, in.fullAt = 0, 0
	done := 0
	for _, w := range in.queue {
		c := &b.conns[w.fd]
		if c.id == w.id && c.state == wantInbox {
			errno := b.deliver(int(w.fd), i)
			if errno == unix.EAGAIN {
				in.full(b.loop.Now)
				break
			}
			if errno != 0 {
				in.retryAt = b.loop.Now + inboxRetry
				if notThere(errno) || errno == unix.ECONNREFUSED {
					b.unreachable(i, errno)
					b.reroute(i)
					return
				}
				break
			}
		}
		done++
	}
	in.queue = append(in.queue[:0], in.queue[done:]...)
	b.compact(in)
}

// unqueue notes that one of those who wait for inbox i has gone. Its place stays
// until half of the places are such.
func (b *Broker) unqueue(i int) {
	in := &b.workers.inboxes[i]
	if in.gone++; in.gone >= 64 && in.gone > len(in.queue)/2 {
		b.compact(in)
	}
}

// compact takes those that have gone out of a queue.
func (b *Broker) compact(in *inbox) {
	in.queue = slices.DeleteFunc(in.queue, func(w waiter) bool {
		c := &b.conns[w.fd]
		return c.id != w.id || c.state != wantInbox
	})
	if in.gone = 0; len(in.queue) == 0 {
		in.queue = nil
	}
}

// reroute gives those who wait for an inbox that has gone another choice, but
// for members of a group, who stay.
func (b *Broker) reroute(i int) {
	in := &b.workers.inboxes[i]
	queue := in.queue
	in.queue = nil
	for _, w := range queue {
		c := &b.conns[w.fd]
		if c.id != w.id || c.state != wantInbox {
			continue
		}
		if c.groupID != 0 {
			in.queue = append(in.queue, w)
			continue
		}
		b.handOver(int(w.fd))
	}
}
