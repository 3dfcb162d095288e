// SPDX-License-Identifier: Apache-2.0

// Asking rpcds what they serve. A program that cannot be asked costs only
// itself: its last good listing stays, with the reason beside it.

package refresh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"msrpcd/pkg/host/program"
	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/wire/listing"
)

const (
	listLimit    = 5 * time.Second  // for one program
	slowLimit    = 60 * time.Second // for one that failed before, when nothing waits for the refresh
	listParallel = 8                // programs at a time
)

// listAll asks every program at the same time and returns one entry for each,
// in order. old is the last catalogue, nil for none. A program that is not
// there has no entry.
func listAll(ctx context.Context, rpcds []config.Rpcd, samba *config.Samba, old *catalogue.Catalogue, patient bool) []catalogue.Entry {
	entries := make([]*catalogue.Entry, len(rpcds))
	slots := make(chan struct{}, listParallel)
	var wg sync.WaitGroup
	for i, r := range rpcds {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			entries[i] = list(ctx, r, samba, old, patient)
		}()
	}
	wg.Wait()
	var there []catalogue.Entry
	for _, e := range entries {
		if e != nil {
			there = append(there, *e)
		}
	}
	return there
}

// list asks one program; nil when there is none.
func list(ctx context.Context, r config.Rpcd, samba *config.Samba, old *catalogue.Catalogue, patient bool) *catalogue.Entry {
	bin, err := catalogue.Identify(r.Exec)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	e := &catalogue.Entry{Name: r.Name, Exec: r.Exec, Kind: r.Kind, Binary: bin}
	var last *catalogue.Entry
	if old != nil {
		last = old.Entry(r.Name)
	}
	limit := listLimit
	if patient && last != nil && (last.Failure != "" || last.SambaTwin != nil && last.SambaTwin.Failure != "") {
		limit = slowLimit
	}
	if err == nil {
		var l *listing.Listing
		if l, err = ask(ctx, limit, r.Exec, r.Kind, samba); err == nil {
			e.Listing = *l
		}
	}
	if r.Samba != "" {
		e.SambaTwin = twin(ctx, limit, r.Samba, samba, last)
	}
	if r.Kind == config.KindSamba && samba != nil {
		e.SambaVersion = samba.Version // an rpcd cannot be asked for its own
	}
	if last != nil {
		e.Port = last.Port
	}
	if err != nil {
		e.Failure = err.Error()
		if last != nil {
			e.Listing = last.Listing
		}
	}
	return e
}

// twin asks the program of Samba that a native one stands in for; nil when
// there is none.
func twin(ctx context.Context, limit time.Duration, exec string, samba *config.Samba, last *catalogue.Entry) *catalogue.Twin {
	_, err := catalogue.Identify(exec)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	t := &catalogue.Twin{Exec: exec}
	if err == nil {
		var l *listing.Listing
		if l, err = ask(ctx, limit, exec, config.KindSamba, samba); err == nil {
			t.Listing = *l
		}
	}
	if err != nil {
		t.Failure = err.Error()
		if last != nil && last.SambaTwin != nil && last.SambaTwin.Exec == exec {
			t.Listing = last.SambaTwin.Listing
		}
	}
	return t
}

// ask runs a program with --list-interfaces. The error is fit for one line.
func ask(ctx context.Context, limit time.Duration, exec string, kind config.Kind, samba *config.Samba) (*listing.Listing, error) {
	argv := []string{exec, "--list-interfaces"}
	if kind == config.KindSamba && samba != nil {
		argv = append(argv, "--configfile="+samba.ConfigFile)
	}
	text, err := program.Run(ctx, limit, listing.MaxSize, argv...)
	if err != nil {
		return nil, fmt.Errorf("--list-interfaces: %w", err)
	}
	l, err := listing.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--list-interfaces: %w", err)
	}
	return l, nil
}
