// SPDX-License-Identifier: Apache-2.0

package samba

// From the start of the rpcd to the first client: which layouts it speaks, and
// what clients of TCP and ncalrpc are to it.

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"msrpcd/pkg/conn/status"
	"msrpcd/pkg/host/event"
	"msrpcd/pkg/host/journal"
	"msrpcd/pkg/wire/abi"
)

// chooseLayout selects the layouts by the version that the unit names, or by
// what the program says of itself when it is another program by now.
func (w *worker) chooseLayout() error {
	if w.opt.SambaVersion == "" || w.opt.ExecID != "" && w.opt.ExecID != w.execID.String() {
		v, err := askVersion(w.opt.Exec)
		if err != nil && w.opt.SambaVersion == "" {
			return err
		}
		if err == nil {
			return w.useVersion(v)
		}
	}
	v, err := abi.ParseVersion(w.opt.SambaVersion)
	if err != nil {
		return fmt.Errorf("MSRPC_SAMBA_VERSION: %w; run msrpcctl refresh", err)
	}
	return w.useVersion(v)
}

func (w *worker) useVersion(v abi.Version) error {
	l, err := v.Layout()
	if err != nil {
		return err
	}
	if w.opt.Index >= 1<<l.IndexBits {
		return fmt.Errorf("worker %d cannot have association groups, Samba %v has room for %d workers; run msrpcctl refresh", w.opt.Index, v, 1<<l.IndexBits)
	}
	if !v.Known() {
		w.causes.Log(w.log, slog.LevelWarn, "version", journal.IDLayoutUnknown,
			fmt.Sprintf("Samba %v is newer than this program knows, it is served like 4.%d; update msrpcd if clients are refused", v, abi.Newest))
	}
	w.layout = l
	return nil
}

// firstStatus makes the worker ready. A status of another length than the
// version's shows that the unit was written for another Samba.
func (w *worker) firstStatus(m *Message) error {
	if len(m.Body) != w.layout.StatusSize {
		v, err := askVersion(w.opt.Exec)
		if err == nil {
			err = w.useVersion(v)
		}
		if err == nil && len(m.Body) != w.layout.StatusSize {
			err = fmt.Errorf("%s of Samba %v sends its status in %d bytes, %d were expected", w.opt.Exec, v, len(m.Body), w.layout.StatusSize)
		}
		if err != nil {
			return &layoutError{err}
		}
	}
	w.useGuest()
	w.childID = m.Src
	var err error
	if w.childQ, err = w.bus.Connect(w.child.pid); err != nil {
		return err
	}
	if err = w.loop.Watch(w.childQ, unix.EPOLLONESHOT, event.Token(kindChildQ, 0, 0)); err != nil {
		return err
	}
	if err = w.loop.Watch(w.inbox.FD, unix.EPOLLIN|unix.EPOLLET, event.Token(kindInbox, 0, 0)); err != nil {
		return err
	}
	w.phase, w.ready = serving, true
	w.lastActive = w.loop.Now
	w.line.Flags.Store(status.Ready)
	if w.wantHUP {
		w.child.signal(unix.SIGHUP)
	}
	if w.wantDrain {
		w.drain("asked for by SIGWINCH", status.Leaving)
	}
	openNext(&w.opt, w.log)
	w.log.Log(context.Background(), journal.Notice, fmt.Sprintf("%s is ready as process %d", w.opt.Exec, w.child.pid), journal.MessageID, journal.IDWorkerReady)
	return w.manager.Ready(w.loop.Now)
}

// useGuest encodes the session of anonymous clients. Without the account only
// clients of named pipes can be served.
func (w *worker) useGuest() {
	guest, err := lookupGuest(w.opt.GuestAccount)
	if err != nil {
		w.log.Error(fmt.Sprintf("%v; clients of TCP and ncalrpc are refused until guest account= in smb.conf is a local user and msrpcctl refresh was run", err),
			journal.MessageID, journal.IDHandoverRefused)
		return
	}
	guest.NetbiosName = w.opt.NetbiosName
	rand.Read(guest.GUID[:])
	w.anon = NewAnonymous(w.layout, guest)
}

type layoutError struct{ error }

func (*layoutError) MessageID() string { return journal.IDLayoutUnknown }

// lookupGuest reads the guest account from the local user database.
func lookupGuest(name string) (Guest, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return Guest{}, fmt.Errorf("guest account %s: %w", name, err)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return Guest{}, fmt.Errorf("groups of guest account %s: %w", name, err)
	}
	g := Guest{Account: name}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err = errors.Join(err, err2); err != nil {
		return Guest{}, fmt.Errorf("guest account %s: %w", name, err)
	}
	g.UID, g.GIDs = uint32(uid), []uint32{uint32(gid)}
	for _, s := range groups {
		n, err := strconv.ParseUint(s, 10, 32)
		if err == nil && !slices.Contains(g.GIDs, uint32(n)) && len(g.GIDs) < maxGuestGroups {
			g.GIDs = append(g.GIDs, uint32(n))
		}
	}
	return g, nil
}

// maxGuestGroups bounds the token of anonymous clients.
const maxGuestGroups = 32
