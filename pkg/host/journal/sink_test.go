// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

// fakeJournal is a socket like journald's, read by the test.
type fakeJournal struct {
	t    testing.TB
	fd   int
	path string
}

func newFakeJournal(t testing.TB) *fakeJournal {
	path := filepath.Join(t.TempDir(), "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	check.OK(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	check.OK(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	return &fakeJournal{t, fd, path}
}

// read takes one message, nil when there is none.
func (j *fakeJournal) read() map[string]string {
	b, oob := make([]byte, 1<<20), make([]byte, 64)
	n, oobn, _, _, err := unix.Recvmsg(j.fd, b, oob, unix.MSG_CMSG_CLOEXEC)
	if err == unix.EAGAIN {
		return nil
	}
	check.OK(j.t, err)
	if oobn > 0 {
		cmsgs, err := unix.ParseSocketControlMessage(oob[:oobn])
		check.OK(j.t, err)
		fds, err := unix.ParseUnixRights(&cmsgs[0])
		check.OK(j.t, err)
		defer unix.Close(fds[0])
		if seals, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GET_SEALS, 0); err != nil || seals&unix.F_SEAL_WRITE == 0 {
			j.t.Fatalf("seals %x, %v", seals, err)
		}
		n, _ = unix.Pread(fds[0], b, 0)
	}
	return fields(j.t, b[:n])
}

// fields takes a message apart.
func fields(t testing.TB, b []byte) map[string]string {
	m := map[string]string{}
	for len(b) > 0 {
		i := strings.IndexAny(string(b), "=\n")
		key := string(b[:i])
		if b[i] == '=' {
			value, rest, _ := strings.Cut(string(b[i+1:]), "\n")
			m[key], b = value, []byte(rest)
			continue
		}
		n := int(binary.LittleEndian.Uint64(b[i+1:]))
		m[key], b = string(b[i+9:i+9+n]), b[i+9+n+1:]
	}
	return m
}

func (j *fakeJournal) logger(attrs ...slog.Attr) (*slog.Logger, *sink) {
	s := openSink(j.path)
	if s == nil {
		j.t.Fatal("no journal")
	}
	j.t.Cleanup(func() { unix.Close(s.fd) })
	for _, a := range attrs {
		s.of = appendAttr(s.of, "", a)
	}
	return slog.New((&handler{to: s}).WithAttrs(attrs)), s
}

func TestFieldsOfAMessage(t *testing.T) {
	j := newFakeJournal(t)
	log, _ := j.logger(slog.String(Rpcd, "winreg"))
	log.Debug("not seen")
	log.WithGroup("g").Warn("two\nlines", "some-key", 7, "_x", "hidden", slog.Group("in", "y", time.Second), Error, fmt.Errorf("bad"))
	got := j.read()
	for key, want := range map[string]string{
		"MESSAGE": "two\nlines", "PRIORITY": "4", Rpcd: "winreg", "G_SOME_KEY": "7", "G__X": "hidden", "G_IN_Y": "1s", "G_ERROR": "bad",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if got["SYSLOG_IDENTIFIER"] == "" || !strings.HasSuffix(got["CODE_FILE"], "sink_test.go") || got["SYSLOG_TIMESTAMP"] == "" {
		t.Errorf("%v", got)
	}
	if more := j.read(); more != nil {
		t.Errorf("one more: %v", more)
	}
}

func TestKeysAreThoseThatTheJournalKeeps(t *testing.T) {
	for in, want := range map[string]string{
		"uid": "UID", "some-key": "SOME_KEY", "__x": "X", "9a": "A", "ä": "", "": "", strings.Repeat("x", 70): strings.Repeat("X", 64),
	} {
		check.Is(t, fmt.Sprint(in), want, key(in))
	}
}

func TestLongMessageGoesInASealedFile(t *testing.T) {
	j := newFakeJournal(t)
	log, s := j.logger()
	unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 8192)
	text := strings.Repeat("x", 60000)
	log.Info(text)
	if got := j.read(); got["MESSAGE"] != text {
		t.Errorf("%d bytes arrived", len(got["MESSAGE"]))
	}
}

// TestJournalThatDoesNotRead: nothing waits, all that fits the queue arrives in
// order, and a last message counts the rest.
func TestJournalThatDoesNotRead(t *testing.T) {
	j := newFakeJournal(t)
	log, s := j.logger(slog.String(Rpcd, "winreg"))
	const n = 2000
	long := strings.Repeat("x", 300<<10) // needs a file, and does not fit the queue
	start := time.Now()
	for i := range n {
		log.Info(fmt.Sprint(i))
	}
	log.Info(long)
	if d := time.Since(start); d > time.Second {
		t.Errorf("%v for %d messages that nobody reads", d, n)
	}
	s.mu.Lock()
	if s.bytes > queueBytes || len(s.queue) > queueMessages {
		t.Errorf("%d messages, %d bytes are queued", len(s.queue), s.bytes)
	}
	s.mu.Unlock()
	next, limit := 0, time.Now().Add(20*time.Second)
	for time.Now().Before(limit) {
		m := j.read()
		switch {
		case m == nil:
			time.Sleep(time.Millisecond)
		case m[MessageID] == IDMessagesDropped:
			if want := fmt.Sprintf("%d messages were dropped", n+1-next); !strings.HasPrefix(m["MESSAGE"], want) || m[Rpcd] != "winreg" {
				t.Errorf("%v, want %s", m, want)
			}
			if next < queueMessages {
				t.Errorf("%d messages arrived", next)
			}
			s.flush(time.Second)
			log.Info("again")
			if m := j.read(); m["MESSAGE"] != "again" {
				t.Errorf("after all: %v", m)
			}
			return
		case m["MESSAGE"] != fmt.Sprint(next):
			t.Fatalf("message %q, want %d", m["MESSAGE"], next)
		default:
			next++
		}
	}
	t.Fatalf("after %d messages nothing says how many were dropped", next)
}

func TestFlushIsBounded(t *testing.T) {
	j := newFakeJournal(t)
	log, s := j.logger()
	for range 2 * queueMessages {
		log.Info("x")
	}
	start := time.Now()
	s.flush(50 * time.Millisecond)
	if d := time.Since(start); d < 50*time.Millisecond || d > 2*time.Second {
		t.Errorf("flush took %v", d)
	}
}

func TestJournalSocketThatIsMadeAnewGetsTheRest(t *testing.T) {
	j := newFakeJournal(t)
	log, s := j.logger()
	os.Remove(j.path)
	log.Info("kept")
	check.OK(t, unix.Bind(j.rebind(), &unix.SockaddrUnix{Name: j.path}))
	s.flush(5 * time.Second)
	if m := j.read(); m["MESSAGE"] != "kept" {
		t.Errorf("%v", m)
	}
}

// rebind makes another socket the journal's.
func (j *fakeJournal) rebind() int {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	check.OK(j.t, err)
	j.t.Cleanup(func() { unix.Close(fd) })
	j.fd = fd
	return fd
}

// TestStreamToAJournalThatDoesNotRead: standard error waits a second in all.
func TestStreamToAJournalThatDoesNotRead(t *testing.T) {
	p := check.Pair(t, unix.SOCK_STREAM)
	f := os.NewFile(uintptr(p[0]), "stderr")
	defer f.Close()
	defer unix.Close(p[1])
	if IsStream(f) || Output(f) != any(f) {
		t.Error("a socket that is not the journal's is one")
	}
	var st unix.Stat_t
	check.OK(t, unix.Fstat(p[0], &st))
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	w := Output(f)
	start := time.Now()
	line := []byte(strings.Repeat("x", 1000) + "\n")
	for range 1000 {
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if d := time.Since(start); d < outputTime/2 || d > 5*outputTime {
		t.Errorf("1 MB that nobody reads took %v", d)
	}
	if flags, _ := unix.FcntlInt(uintptr(p[0]), unix.F_GETFL, 0); flags&unix.O_NONBLOCK != 0 {
		t.Error("children that have the same stream find it non-blocking")
	}
}
