// SPDX-License-Identifier: Apache-2.0

// This file owns the box's first process from the clone to the exec of
// systemd. It runs in the new namespaces, so whatever it mounts or configures
// ends with the box.

package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// searchPath of everything that runs in a box.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Inside turns the calling process into the box's systemd. It returns only
// with an error, which belongs on the console.
func Inside() error {
	runtime.LockOSThread()
	f := os.NewFile(configFD, "config")
	c, err := readConfig(f)
	if err != nil {
		return fmt.Errorf("sandbox: inside: no configuration: %w", err)
	}
	f.Close()
	if err := unix.Sethostname([]byte(c.Hostname)); err != nil {
		return fmt.Errorf("sandbox: host name: %w", err)
	}
	if err := network(c.Addresses); err != nil {
		return err
	}
	if err := mountRoot(c); err != nil {
		return err
	}
	if err := populate(c); err != nil {
		return err
	}
	if c.Setup != "" {
		setup := exec.Command("/bin/sh", "-ec", c.Setup)
		setup.Env = []string{"PATH=" + searchPath, "LANG=C.UTF-8", "SYSTEMD_OFFLINE=1"}
		setup.Stdout, setup.Stderr = os.Stdout, os.Stderr
		if err := setup.Run(); err != nil {
			return fmt.Errorf("sandbox: setup script: %w", err)
		}
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	return execSystemd(c.Unit)
}

// network brings up loopback and, for addresses, a pair of connected
// interfaces, since the kernel may have no dummy driver.
func network(addresses []string) error {
	if err := linkUp("lo"); err != nil {
		return fmt.Errorf("sandbox: loopback: %w", err)
	}
	if addresses == nil {
		return nil
	}
	steps := [][]string{{"link", "add", "lan0", "type", "veth", "peer", "name", "lan1"}}
	for _, a := range addresses {
		steps = append(steps, []string{"address", "add", a, "dev", "lan0"})
	}
	steps = append(steps, []string{"link", "set", "lan0", "up"}, []string{"link", "set", "lan1", "up"})
	for _, s := range steps {
		if out, err := exec.Command("ip", s...).CombinedOutput(); err != nil {
			return fmt.Errorf("sandbox: ip %s (is iproute2 installed?): %w: %s", strings.Join(s, " "), err, out)
		}
	}
	return nil
}

func linkUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// populate writes the files that make the box a host of its own.
func populate(c Config) error {
	if !c.Enabled {
		for _, kind := range []string{"wants", "requires"} {
			links, _ := filepath.Glob("/etc/systemd/system/*." + kind)
			for _, dir := range links {
				if err := os.RemoveAll(dir); err != nil {
					return err
				}
			}
		}
	}
	files := map[string][]byte{
		"/run/systemd/journald.conf.d/sandbox.conf": []byte("[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n"),
		"/etc/machine-id": []byte("uninitialized\n"),
		"/etc/hostname":   []byte(c.Hostname + "\n"),
	}
	if !c.FirstBoot {
		id, err := os.ReadFile("/proc/sys/kernel/random/uuid")
		if err != nil {
			return err
		}
		files["/etc/machine-id"] = []byte(strings.ReplaceAll(string(id), "-", ""))
		files["/etc/.updated"], files["/var/.updated"] = nil, nil
	}
	for path, content := range c.Files {
		files[path] = content
	}
	for path, content := range files {
		if err := write(path, content); err != nil {
			return fmt.Errorf("sandbox: file of the box: %w", err)
		}
	}
	for _, unit := range c.Mask {
		path := filepath.Join("/etc/systemd/system", unit)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.RemoveAll(path), os.Symlink("/dev/null", path)); err != nil {
			return fmt.Errorf("sandbox: mask %s: %w", unit, err)
		}
	}
	return nil
}

// write makes missing directories; a file that begins with "#!" can be run.
func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(string(content), "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// dropCapabilities takes away what reaches beyond namespaces: the clock,
// kernel modules, raw devices.
func dropCapabilities() error {
	for _, c := range []uintptr{unix.CAP_SYS_TIME, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_WAKE_ALARM} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("sandbox: drop capability %d: %w", c, err)
		}
	}
	return nil
}

func execSystemd(unit string) error {
	env := []string{
		"container=sandbox", "NOTIFY_SOCKET=/run/host/notify", "TERM=dumb", "PATH=" + searchPath,
	}
	var err error
	for _, path := range []string{"/usr/lib/systemd/systemd", "/lib/systemd/systemd"} {
		if err = unix.Exec(path, []string{path, "--unit=" + unit}, env); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	return fmt.Errorf("sandbox: cannot start systemd (install the package systemd in the root): %w", err)
}
