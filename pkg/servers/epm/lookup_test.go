// SPDX-License-Identifier: Apache-2.0

package epm

// ept_lookup over the wire: pages, handles, and the map that changes meanwhile.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"msrpcd/pkg/plan/catalogue"
	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/ndr"
	"msrpcd/pkg/wire/uuid"
	"msrpcd/tests/tools/check"
)

// list looks all up in pages and returns what came, and the pages as text.
func (c *client) list(max uint32) (lines []string, pages string) {
	c.t.Helper()
	in := LookupRequest{Versions: VersionsAll, MaxEntries: max}
	for range 1000 {
		var out LookupResponse
		c.call(OpLookup, &in, &out)
		end := ""
		if out.Handle.IsNil() {
			end = "."
		}
		pages += fmt.Sprintf(" %d%s%s", len(out.Entries.Elem), strings.Repeat("!", int(min(out.Status, 1))), end)
		for _, e := range out.Entries.Elem {
			lines = append(lines, string(e.Annotation)+" "+bindingOf(c.t, e.Tower).String())
		}
		if in.Handle = out.Handle; in.Handle.IsNil() {
			break
		}
	}
	slices.Sort(lines)
	return lines, pages
}

// plain are the lines of the whole table, for clients with an address.
func plain(t *testing.T, address string) (lines []string) {
	for _, l := range endpoints(t, table417(t).entries) {
		l = strings.TrimSuffix(l, " NDR64")
		lines = append(lines, strings.Replace(l, "ncacn_ip_tcp:[", "ncacn_ip_tcp:"+address+"[", 1))
	}
	slices.Sort(lines)
	return lines
}

// How clients find the end: pages of entries, "!" with ept_s_not_registered,
// "." with the zero handle.
func TestLookupInPages(t *testing.T) {
	s := start(t)
	c := s.dial(false, 0, 0)
	want := plain(t, "127.0.0.1")
	n := len(want)
	ones := strings.Repeat(" 1", n)
	for max, pages := range map[uint32]string{
		500:           fmt.Sprintf(" %d.", n),
		0xffffffff:    fmt.Sprintf(" %d.", n),
		1:             ones + " 0!.",                                            // rpcclient
		10:            strings.Repeat(" 10", n/10) + fmt.Sprintf(" %d!.", n%10), // smbtorture
		uint32(n):     fmt.Sprintf(" %d 0!.", n),                                // all, but the server cannot know
		30:            strings.Repeat(" 30", n/30) + fmt.Sprintf(" %d.", n%30),  // by the handle
		uint32(n - 1): fmt.Sprintf(" %d 1.", n-1),
	} {
		lines, got := c.list(max)
		if d := cmp.Diff(want, lines); d != "" || got != pages {
			t.Errorf("max_ents %d: pages%s, want%s; (-want +got)\n%s", max, got, pages, d)
		}
	}
	for _, format := range []ndr.Format{ndr.BigEndian, ndr.NDR64} {
		if lines, _ := s.dial(false, 0, format).list(500); cmp.Diff(want, lines) != "" {
			t.Errorf("format %d: %s", format, cmp.Diff(want, lines))
		}
	}
	if lines, _ := s.dial(true, 0, 0).list(500); cmp.Diff(plain(t, ""), lines) != "" {
		t.Errorf("ncalrpc: %s", cmp.Diff(plain(t, ""), lines))
	}
	var out LookupResponse
	c.call(OpLookup, &LookupRequest{Inquiry: MatchByObject, HasObject: true, Object: [16]byte(uuid.New()), MaxEntries: 5}, &out)
	if out.Status != NotRegistered || !out.Handle.IsNil() || len(out.Entries.Elem) > 0 {
		t.Errorf("nothing matches: %+v", out)
	}
	for want, in := range map[Status]*LookupRequest{CantPerformOp: {}, InvalidInquiryType: {Inquiry: 9, MaxEntries: 1}} {
		if c.call(OpLookup, in, &out); out.Status != want {
			t.Errorf("%+v: %s", in, out.Status)
		}
	}
}

// freed are the results of ept_lookup_handle_free.
type freed struct {
	HandleFree
	result
}

func (r *freed) NDR(c *ndr.Codec) { r.HandleFree.NDR(c); r.result.NDR(c) }

func TestHandlesOfLookups(t *testing.T) {
	s := start(t)
	c := s.dial(false, 0, 0)
	member, stranger := s.dial(false, c.Group(), 0), s.dial(false, 0, 0)
	var out LookupResponse
	c.call(OpLookup, &LookupRequest{MaxEntries: 2}, &out)
	next := LookupRequest{MaxEntries: 2, Handle: out.Handle}
	mismatch := func(what string, err error) {
		t.Helper()
		var fault *rpcclient.Fault
		if !errors.As(err, &fault) || fault.Status != dcerpc.NcaContextMismatch {
			t.Errorf("%s: %v", what, err)
		}
	}
	mismatch("another group", stranger.try(OpLookup, &next, &out))
	mismatch("another call", c.try(OpMap, &MapRequest{Handle: next.Handle, MaxTowers: 1}, &MapResponse{}))
	if member.call(OpLookup, &next, &out); out.Handle != next.Handle || len(out.Entries.Elem) != 2 {
		t.Errorf("the group's other connection: %+v", out)
	}
	var free freed
	member.call(OpLookupHandleFree, &HandleFree{next.Handle}, &free)
	if free.Status != OK || !free.Handle.IsNil() {
		t.Errorf("%+v", free)
	}
	mismatch("freed", c.try(OpLookup, &next, &out))
	mismatch("freed twice", c.try(OpLookupHandleFree, &HandleFree{next.Handle}, &free))
	if c.call(OpLookupHandleFree, &HandleFree{}, &free); free.Status != OK {
		t.Errorf("the zero handle: %+v", free)
	}
}

// A listing goes on in what it began with; the next one is of today.
func TestRefreshDuringALookup(t *testing.T) {
	s := start(t)
	c := s.dial(false, 0, 0)
	var out LookupResponse
	c.call(OpLookup, &LookupRequest{MaxEntries: 1}, &out)
	s.write(func(c *catalogue.Catalogue) {
		c.Rpcds = slices.DeleteFunc(c.Rpcds, func(e catalogue.Entry) bool { return e.Name != "winreg" })
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		if lines, _ := c.list(500); len(lines) == 3 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("still %d endpoints", len(lines))
		}
	}
	c.call(OpLookup, &LookupRequest{MaxEntries: 500, Handle: out.Handle}, &out)
	if n := len(table417(t).entries); len(out.Entries.Elem) != n-1 || out.Status != OK {
		t.Errorf("%d entries more, %s; want %d", len(out.Entries.Elem), out.Status, n-1)
	}
	check.OK(t, os.WriteFile(filepath.Join(s.dir, "catalogue.db"), []byte("x"), 0o644))
	for range 50 {
		if lines, _ := c.list(500); len(lines) != 3 {
			t.Fatalf("a damaged catalogue: %v", lines)
		}
	}
}
