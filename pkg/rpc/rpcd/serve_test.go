// SPDX-License-Identifier: Apache-2.0

package rpcd

import (
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/npa"
	"msrpcd/tests/tools/loopback"
)

// guestClient is the client at the other end of a connection.
func guestClient(t *testing.T, conn net.Conn) *client {
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	c := &client{Conn: conn, t: t, max: dcerpc.FragSizeTCP, h: dcerpc.Header{Flags: dcerpc.FlagFirst | dcerpc.FlagLast, Drep: dcerpc.LittleEndian}}
	if got := results(t, c.exchange(c.bind(0, presentTest))); got[0] != dcerpc.Accept(dcerpc.NDR) {
		t.Fatal(got)
	}
	return c
}

// A program serves what it likes: listeners, and streams that it has
// authenticated itself.
func TestAnotherProgramCanServe(t *testing.T) {
	loopback.Need(t)
	t.Setenv("NOTIFY_SOCKET", "@nobody")
	s, _ := newTestServer()
	s.Interfaces[0].Bindings = nil
	ended := make(chan error, 3)
	var clients []*client
	for _, where := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", filepath.Join(t.TempDir(), "X")}} {
		ln, err := net.Listen(where[0], where[1])
		must(t, err)
		go func() { ended <- s.Serve(ln) }()
		conn, err := net.Dial(where[0], ln.Addr().String())
		must(t, err)
		clients = append(clients, guestClient(t, conn))
	}
	near, far := net.Pipe()
	go func() {
		ended <- s.ServeConn(far, &Caller{Domain: "SMB", Account: "user1", SIDs: []npa.SID{npa.SIDGuests}, Level: dcerpc.LevelPrivacy})
	}()
	user1 := guestClient(t, near)
	user1.identity(`SMB\user1`)
	clients[0].identity("anonymous")
	if got, status := user1.call(opCaller, nil); status != 0 || got[7] != 0 {
		t.Errorf("caller %x, %v", got, status)
	}
	near.Close()
	if err := <-ended; err != nil {
		t.Errorf("the end of a connection: %v", err)
	}
	for _, c := range clients {
		c.works()
	}
	s.Shutdown()
	for range 2 {
		if err := <-ended; !errors.Is(err, ErrShutdown) {
			t.Error(err)
		}
	}
	if a, b := net.Pipe(); s.ServeConn(b, nil) != ErrShutdown {
		t.Error("a connection is served after the end")
		a.Close()
	}
}
