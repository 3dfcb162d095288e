// SPDX-License-Identifier: Apache-2.0

// Command authload is a load of protected calls on an endpoint mapper: each client
// authenticates itself once and then makes calls until the time is over. It prints
// one line of JSON as bindload does, with a call for a connection.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"msrpcd/pkg/rpc/rpcclient"
	"msrpcd/pkg/wire/dcerpc"
	"msrpcd/pkg/wire/uuid"
)

var (
	epm  = dcerpc.SyntaxID{UUID: uuid.MustParse("e1af8308-5d1f-11c9-91a4-08002b14a0fa"), Version: 3}
	mgmt = dcerpc.SyntaxID{UUID: uuid.MustParse("afa8bd80-7d8a-11c9-bef4-08002b102989"), Version: 1}
)

// result is what is printed.
type result struct {
	Conns   int            `json:"conns"`
	Failed  int            `json:"failed"`
	Errors  map[string]int `json:"errors,omitempty"`
	Rate    float64        `json:"rate"`
	P50     int64          `json:"p50_us"`
	P99     int64          `json:"p99_us"`
	Max     int64          `json:"max_us"`
	Entries uint32         `json:"entries"` // of the last listing
}

// load is what the clients do.
type load struct {
	address string
	options rpcclient.Options
	entries uint
}

func main() {
	var l load
	flag.StringVar(&l.address, "binding", "ncacn_ip_tcp:127.0.0.1[135]", "string binding of the mapper")
	name := flag.String("mechanism", "", "ntlm or krb5; none without")
	level := flag.Uint("level", 6, "authentication level")
	flag.UintVar(&l.entries, "entries", 0, "list that many entries with each call, and free the handle, instead of null calls")
	clients := flag.Int("c", 1, "clients at once")
	length := flag.Duration("d", time.Second, "how long")
	flag.Int("n", 0, "as of bindload, and not looked at")
	keys := flag.String("make-keytab", "", "write the key of the service there, and end")
	flag.Parse()
	m, err := mechanism(*name)
	if *keys != "" {
		err = writeKeytab(*keys)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "authload:", err)
		os.Exit(1)
	}
	if l.options.Level = byte(*level); m != nil {
		l.options.Auth = m
	}
	if *keys == "" {
		json.NewEncoder(os.Stdout).Encode(l.run(*clients, *length))
	}
}

func (l *load) run(clients int, length time.Duration) result {
	res := result{Errors: map[string]int{}}
	var all []time.Duration
	var mu sync.Mutex
	var ready, wait sync.WaitGroup
	start := make(chan struct{})
	for range clients {
		ready.Add(1)
		wait.Add(1)
		go func() {
			defer wait.Done()
			c, err := l.dial()
			ready.Done()
			<-start
			var took []time.Duration
			var entries uint32
			for begin := time.Now(); err == nil && time.Since(begin) < length; {
				now := time.Now()
				if entries, err = l.call(c); err == nil {
					took = append(took, time.Since(now))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			res.Entries = max(res.Entries, entries)
			if err != nil {
				res.Failed++
				res.Errors[err.Error()]++
			}
		}()
	}
	ready.Wait()
	begin := time.Now()
	close(start)
	wait.Wait()
	res.Conns, res.Rate = len(all), float64(len(all))/time.Since(begin).Seconds()
	if slices.Sort(all); len(all) > 0 {
		at := func(share float64) int64 { return all[int(share*float64(len(all)-1))].Microseconds() }
		res.P50, res.P99, res.Max = at(0.5), at(0.99), at(1)
	}
	return res
}

// dial connects and authenticates one client.
func (l *load) dial() (*rpcclient.Conn, error) {
	b, err := rpcclient.ParseBinding(l.address)
	if err != nil {
		return nil, err
	}
	c, err := rpcclient.Dial(context.Background(), b, l.options)
	if err != nil {
		return nil, err
	}
	iface := mgmt
	if l.entries > 0 {
		iface = epm
	}
	return c, c.Bind(context.Background(), 0, iface)
}

// call makes a null call, or lists entries and frees the handle.
func (l *load) call(c *rpcclient.Conn) (entries uint32, err error) {
	if l.entries == 0 {
		_, _, err = c.CallStub(context.Background(), rpcclient.Operation{Interface: mgmt}, nil) // inq_if_ids
		return 0, err
	}
	le := binary.LittleEndian
	stub := le.AppendUint32(make([]byte, 12, 40), 1) // all, of any version
	stub = le.AppendUint32(append(stub, make([]byte, 20)...), uint32(l.entries))
	answer, _, err := c.CallStub(context.Background(), rpcclient.Operation{Interface: epm, Opnum: 2}, stub)
	if err != nil {
		return 0, err
	}
	if len(answer) < 24 {
		return 0, fmt.Errorf("a listing of %d bytes", len(answer))
	}
	if handle := answer[:20]; string(handle) != string(make([]byte, 20)) {
		_, _, err = c.CallStub(context.Background(), rpcclient.Operation{Interface: epm, Opnum: 4}, handle)
	}
	return le.Uint32(answer[20:]), err
}
