// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
)

// crowd is a bindload that holds connections until it is told to leave.
type crowd struct {
	cmd          *exec.Cmd
	stdin        io.Closer
	stderr       bytes.Buffer
	held, failed int
}

// crowd opens n connections from the loopback address 127.0.0.host and returns
// once they are there: bound ones, or silent ones, which are only connected.
func (c contender) crowd(n, host int, bound bool) (*crowd, error) {
	args := []string{"-from", fmt.Sprintf("127.0.0.%d", host)}
	if bound {
		args = append(args, "-hold", fmt.Sprint(n), "-c", "16", "-d", "1m", "-timeout", "5s")
	} else {
		args = append(args, "-silent", "-n", fmt.Sprint(n), "-timeout", "5s", "-failures", "3")
	}
	r := &crowd{cmd: c.box.Command(context.Background(), c.bindload(args...)...)}
	r.cmd.Stderr = &r.stderr
	stdin, err := r.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	r.stdin = stdin
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		r.held, r.failed, err = parseCrowd(line, n, bound)
	}
	if err != nil {
		r.leave()
		return nil, fmt.Errorf("hold connections: %w: %s%s", err, line, &r.stderr)
	}
	return r, nil
}

// parseCrowd reads the line that bindload prints when it holds n connections.
func parseCrowd(line []byte, n int, bound bool) (held, failed int, err error) {
	if !bound {
		_, err = fmt.Sscanf(string(line), "connected %d", &held)
		return held, n - held, err
	}
	var r loadResult
	if err := json.Unmarshal(line, &r); err != nil {
		return 0, 0, err
	}
	return r.Conns, n - r.Conns, nil
}

// leave closes all connections of the crowd.
func (c *crowd) leave() {
	c.cmd.Cancel()
	c.stdin.Close()
	c.cmd.Wait()
}
