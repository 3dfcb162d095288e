// SPDX-License-Identifier: Apache-2.0

// Which directory has Samba's msg.sock: upstream it is the private directory,
// Debian's build uses the lock directory, and no program says which. So a Samba
// program is run on a smb.conf of its own, whose directories all lie below a
// fresh one that only root can enter, and makes the directory where its build
// has it.

package refresh

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"msrpcd/pkg/host/program"
	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/plan/config"
)

const (
	probeLimit  = 5 * time.Second
	probeOutput = 64 << 10 // bytes
	msgSock     = "msg.sock"
)

// messagingDir returns the directory that has msg.sock and msg.lock on this
// host, and what could not be found out.
func messagingDir(ctx context.Context, global config.Global, samba *config.Samba) (dir string, problem *config.Problem) {
	if global.MessagingDirectory != "" {
		return global.MessagingDirectory, nil
	}
	smbcontrol, err := findSmbcontrol(global.Testparm)
	if err == nil {
		var lockDir bool
		if lockDir, err = probeMessaging(ctx, smbcontrol); err == nil {
			if lockDir {
				return samba.LockDir, nil
			}
			return samba.PrivateDir, nil
		}
	}
	dir = guessMessagingDir(samba)
	return dir, &config.Problem{
		What:   fmt.Sprintf("where Samba has its msg.sock cannot be found out (%v): %s is assumed", sys.Hint(err), dir),
		Remedy: "if workers cannot be reached, set MessagingDirectory= in msrpcd.conf",
	}
}

// guessMessagingDir prefers a directory that has a msg.sock already.
func guessMessagingDir(samba *config.Samba) string {
	for _, dir := range []string{samba.LockDir, samba.PrivateDir} {
		if st, err := os.Lstat(filepath.Join(dir, msgSock)); dir != "" && err == nil && st.IsDir() {
			return dir
		}
	}
	return samba.LockDir
}

// findSmbcontrol looks beside testparm first.
func findSmbcontrol(testparm string) (string, error) {
	if filepath.IsAbs(testparm) {
		path := filepath.Join(filepath.Dir(testparm), "smbcontrol")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath("smbcontrol")
	if err != nil {
		return "", fmt.Errorf("smbcontrol: %w", err)
	}
	return path, nil
}

// probeMessaging makes smbcontrol ping itself and looks where it made msg.sock.
func probeMessaging(ctx context.Context, smbcontrol string) (lockDir bool, err error) {
	tmp, err := os.MkdirTemp("", "msrpcctl-") // 0700
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp)
	var conf strings.Builder
	conf.WriteString("[global]\n")
	for _, dir := range []string{"lock", "private", "state", "cache", "pid", "ncalrpc", "log"} {
		path := filepath.Join(tmp, dir)
		if err := os.Mkdir(path, 0o755); err != nil {
			return false, err
		}
		switch dir {
		case "private", "ncalrpc":
			fmt.Fprintf(&conf, "%s dir = %s\n", dir, path)
		case "log":
			fmt.Fprintf(&conf, "log file = %s/log\n", path)
		default:
			fmt.Fprintf(&conf, "%s directory = %s\n", dir, path)
		}
	}
	file := filepath.Join(tmp, "smb.conf")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		return false, err
	}
	_, runErr := program.Run(ctx, probeLimit, probeOutput, smbcontrol, "--configfile="+file, "self", "ping")
	found := map[string]bool{}
	for _, dir := range []string{"lock", "private"} {
		st, err := os.Lstat(filepath.Join(tmp, dir, msgSock))
		found[dir] = err == nil && st.IsDir()
	}
	if found["lock"] != found["private"] {
		return found["lock"], nil
	}
	if runErr != nil {
		return false, fmt.Errorf("%s: %w", smbcontrol, runErr)
	}
	return false, fmt.Errorf("%s made msg.sock neither in the lock directory nor in the private dir", smbcontrol)
}
