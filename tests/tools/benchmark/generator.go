// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"msrpcd/tests/tools/benchmark/report"
	"msrpcd/tests/tools/sandbox"
)

// This file owns the generator, which PID 1 waits for at boot and at every
// daemon-reload, on hosts with few and many rpcds.

const titleGenerator = "Generator"

// manyRpcds makes a host of $1 rpcds: the two native ones that are installed and
// as many programs as are missing, which list an interface on all three
// transports, as Samba's do. Then it asks them.
const manyRpcds = `mkdir -p /opt/rpcds /etc/msrpcd/rpcd.d
i=2
while [ $i -lt $1 ]; do
	i=$((i + 1))
	name=many$i
	printf '#!/bin/sh\necho 5\necho 60\necho "338cd001-2244-31f1-aaaa-%012x/0x00000001 %s"\necho " ncacn_np:[\\\\pipe\\\\%s]"\necho " ncacn_ip_tcp:"\necho " ncalrpc:"\n' \
		$i $name $name >/opt/rpcds/rpcd_$name
	chmod 755 /opt/rpcds/rpcd_$name
done
printf '[Rpcd]\nKind=samba\nExec=/opt/rpcds/rpcd_*\n' >/etc/msrpcd/rpcd.d/50-samba.conf
msrpcctl refresh`

// timeGenerator runs the generator $1 times and prints microseconds, then the
// number of files.
const timeGenerator = `d=$(mktemp -d)
for i in $(seq $1); do
	rm -rf $d; mkdir $d
	start=${EPOCHREALTIME/./}
	/usr/lib/systemd/system-generators/msrpc-generator $d $d $d
	end=${EPOCHREALTIME/./}
	echo $((end - start))
done
find $d -not -type d | wc -l`

// generator uses a box of its own, whose target is not started.
func (b *bench) generator() error {
	box, err := sandbox.Boot(b.options(os.Getenv("MSRPCD_STAGE")))
	if err != nil {
		return err
	}
	err = sh(box, "systemd-sysusers; systemd-tmpfiles --create; systemctl daemon-reload")
	for _, n := range []int{8, 20, 200} {
		if err == nil {
			err = b.generatorOf(box, n)
		}
	}
	return errors.Join(err, box.Close())
}

func (b *bench) generatorOf(box *sandbox.Box, rpcds int) error {
	if _, stderr, rc := box.Run(context.Background(), "bash", "-ec", manyRpcds, "bash", fmt.Sprint(rpcds)); rc != 0 {
		return fmt.Errorf("%d rpcds: exit status %d: %s", rpcds, rc, stderr)
	}
	out, stderr, rc := box.Run(context.Background(), "bash", "-ec", timeGenerator, "bash", fmt.Sprint(4*b.rounds+1))
	lines := strings.Fields(out)
	if rc != 0 || len(lines) < 2 {
		return fmt.Errorf("%d rpcds: exit status %d: %s", rpcds, rc, stderr)
	}
	g := report.Generator{Rpcds: rpcds}
	if list, _, _ := box.Run(context.Background(), "msrpcctl", "list", "--json"); strings.Count(list, `"kind":`) != rpcds {
		return fmt.Errorf("the catalogue has %d rpcds instead of %d", strings.Count(list, `"kind":`), rpcds)
	}
	var ms []float64
	for _, l := range lines[:len(lines)-1] {
		us := 0.0
		fmt.Sscan(l, &us)
		ms = append(ms, us/1000)
	}
	fmt.Sscan(lines[len(lines)-1], &g.Files)
	g.MedianMS, g.BestMS = report.Median(ms), report.Spread(ms).Low
	b.res.Generator = append(b.res.Generator, g)
	return nil
}
