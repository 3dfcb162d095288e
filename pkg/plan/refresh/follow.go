// SPDX-License-Identifier: Apache-2.0

// Following the network: systemd holds a netlink socket (msrpc-network.socket)
// and starts this when something arrives there. It looks when the network has
// been quiet for a moment, and ends when it stays quiet; as long as it does not,
// the pauses between looks grow, however often an address comes and goes.

package refresh

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

const (
	settleTime = 200 * time.Millisecond // without a message, before the first look
	firstPause = 2 * time.Second        // between looks, at least; the next one is twice as long
	lastPause  = 15 * time.Second
)

// Follow looks until the network is quiet. heard waits for a message at most so
// long, takes all there are, and reports whether there was one; look does what
// has to be done. An error of look does not end it: the retry timer has that.
func Follow(ctx context.Context, c func() time.Time, heard func(time.Duration) (bool, error), look func(context.Context)) error {
	deadline := c().Add(firstPause)
	for c().Before(deadline) {
		if some, err := heard(settleTime); err != nil || !some {
			if err != nil {
				return err
			}
			break
		}
	}
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		look(ctx)
		next := c().Add(pause)
		some := false
		for {
			left := next.Sub(c())
			if left <= 0 || ctx.Err() != nil {
				break
			}
			s, err := heard(left)
			if err != nil {
				return err
			}
			some = some || s
		}
		if !some {
			return nil
		}
	}
	return nil
}

// Heard waits for messages on a netlink socket and throws them away: what they
// say is looked up. Messages that were lost (ENOBUFS) are messages.
func Heard(fd int) func(time.Duration) (bool, error) {
	buf := make([]byte, 64<<10)
	return func(limit time.Duration) (bool, error) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(p, int(max(limit.Milliseconds(), 1))); n == 0 || err == unix.EINTR {
			return false, nil
		} else if err != nil {
			return false, err
		}
		for range 1000 { // then the next call goes on
			if _, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT); err == unix.EAGAIN {
				break
			} else if err != nil && err != unix.ENOBUFS && err != unix.EINTR {
				return false, err
			}
		}
		time.Sleep(drainPause) // a storm is taken in handfuls
		return true, nil
	}
}

const drainPause = 50 * time.Millisecond
