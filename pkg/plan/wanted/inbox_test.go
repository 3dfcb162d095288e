// SPDX-License-Identifier: Apache-2.0

package wanted

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"msrpcd/tests/tools/check"
)

// A worker that ends while verify looks has no socket any more, which is no
// finding: whether it is there is told apart from whether it holds the inbox.
func TestAProcessThatEndedHoldsNothingAndIsNoFinding(t *testing.T) {
	l := check.Listen(t, "tcp", "127.0.0.1:0")
	f, err := l.(*net.TCPListener).File()
	check.OK(t, err)
	defer f.Close()
	var st unix.Stat_t
	check.OK(t, unix.Fstat(int(f.Fd()), &st))
	ended := exec.Command("true")
	check.OK(t, ended.Run())
	s := &State{Host: Host{Proc: "/proc"}}
	for _, tt := range []struct {
		name    string
		pid     int
		inode   uint64
		has, ok bool
	}{
		{"its socket", os.Getpid(), st.Ino, true, true},
		{"another socket", os.Getpid(), 1, false, true},
		{"a process that ended", ended.Process.Pid, st.Ino, false, false},
	} {
		if has, ok := s.holds(tt.pid, tt.inode); has != tt.has || ok != tt.ok {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, has, ok, tt.has, tt.ok)
		}
	}
}
