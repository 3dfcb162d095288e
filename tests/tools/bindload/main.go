// SPDX-License-Identifier: Apache-2.0

// Command bindload is the load of the tests: it opens connections to one
// listener, binds, and closes, and prints what happened as one line of JSON.
// It shares no code with what it measures.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// result is what is printed.
type result struct {
	Conns   int            `json:"conns"`            // answered with a bind_ack
	Failed  int            `json:"failed"`           // anything else
	Errors  map[string]int `json:"errors,omitempty"` // why
	Rate    float64        `json:"rate"`             // Conns a second
	P50     int64          `json:"p50_us"`           // connect to bind_ack, microseconds
	P99     int64          `json:"p99_us"`
	Max     int64          `json:"max_us"`
	Workers map[uint32]int `json:"workers"` // by the worker's index in the group id
	Group   uint32         `json:"group"`   // association group of the last bind_ack
}

type load struct {
	target
	clients, total, hold int
	duration, silence    time.Duration
	random               bool
	calls, failures      int
	every                time.Duration
	leave                string
	check                bool
	rate                 float64
	indexBits            uint
	stop                 chan struct{} // closed: no more connections
	mu                   sync.Mutex
	res                  result
	latency              []time.Duration
	held                 []net.Conn
}

func main() {
	var l load
	flag.StringVar(&l.network, "net", "tcp", "tcp or unix")
	flag.StringVar(&l.addr, "addr", "", "address or path of the listener")
	flag.StringVar(&l.from, "from", "", "own address, for TCP")
	flag.StringVar(&l.npaFile, "npa", "", "file with a named pipe auth request to send first, as smbd does")
	flag.StringVar(&l.iface, "iface", "338cd001-2244-31f1-aaaa-900038001003", "interface to bind to")
	flag.UintVar(&l.major, "major", 1, "its major version")
	flag.UintVar(&l.group, "group", 0, "association group to join")
	flag.BoolVar(&l.bytewise, "bytewise", false, "send the bind in single bytes")
	flag.DurationVar(&l.pause, "pause", 0, "between these bytes")
	flag.DurationVar(&l.timeout, "timeout", 20*time.Second, "limit for one connection")
	flag.IntVar(&l.clients, "c", 1, "clients at once")
	flag.IntVar(&l.total, "n", 1, "connections in all, 0: as many as fit into -d")
	flag.DurationVar(&l.duration, "d", time.Minute, "stop after this time")
	flag.Float64Var(&l.rate, "rate", 0, "connections a second in all, 0: no limit")
	flag.DurationVar(&l.silence, "silence", 0, "wait between connect and bind")
	flag.BoolVar(&l.random, "random", false, "wait between 0 and -silence")
	flag.IntVar(&l.calls, "session", 0, "calls of winreg_OpenHKLM (opnum 2) after each bind")
	flag.DurationVar(&l.every, "every", 0, "wait before each of these calls")
	flag.IntVar(&l.hold, "hold", 0, "keep this many bound connections until a line comes from standard input")
	flag.BoolVar(&l.check, "check", false, "with -hold: after the line call on each connection, and print that as a second line")
	flag.StringVar(&l.leave, "leave", "", "send the bind and the calls of -session, and go without an answer: by close, reset, half, half-reset or deaf")
	flag.UintVar(&l.indexBits, "index-bits", 16, "high bits of the group id that are the worker's index")
	calls := flag.Bool("calls", false, "bind once for each client and then make null calls (opnum 0, no arguments) until -d")
	flag.IntVar(&l.failures, "failures", 0, "with -silent: connect no more after that many failures, 0: go on")
	silent := flag.Bool("silent", false, "connect -n times, say so, and bind only after a line from standard input")
	flag.Parse()
	l.res.Errors, l.res.Workers = map[string]int{}, map[uint32]int{}
	l.stop = make(chan struct{})
	go func() {
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM) // tells what was until then
		<-term
		close(l.stop)
	}()
	if err := l.prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "bindload:", err)
		os.Exit(2)
	}
	switch {
	case *silent:
		l.runSilent()
	case *calls:
		l.runCalls()
	case l.hold > 0:
		l.total = l.hold
		l.run()
		l.print()
		waitLine()
		if !l.check {
			return
		}
		l.checkHeld()
	default:
		l.run()
	}
	l.print()
}

// run opens connections from l.clients goroutines.
func (l *load) run() {
	start := time.Now()
	end := start.Add(l.duration)
	var taken atomic.Int64
	next := func() bool { // waits until it is time for one more connection
		i := taken.Add(1) - 1
		if l.rate > 0 {
			select {
			case <-time.After(time.Until(start.Add(time.Duration(float64(i) / l.rate * float64(time.Second))))):
			case <-l.stop:
			}
		}
		select {
		case <-l.stop:
			return false
		default:
		}
		return (l.total == 0 || i < int64(l.total)) && time.Now().Before(end)
	}
	var wg sync.WaitGroup
	for range l.clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			buf := make([]byte, 1<<16)
			for next() {
				l.one(buf)
			}
		}()
	}
	wg.Wait()
	l.res.Rate = float64(l.res.Conns) / time.Since(start).Seconds()
}

func (l *load) one(buf []byte) {
	start := time.Now()
	c, err := l.dial()
	var group uint32
	silence := l.silence
	if l.random && silence > 0 {
		silence = rand.N(silence)
	}
	if err == nil && l.leave != "" {
		l.note(nil, 0, 0, l.sendAndLeave(c))
		return
	}
	if err == nil {
		time.Sleep(silence)
		group, err = l.bind(c, buf)
	}
	took := time.Since(start) - silence
	for i := 0; i < l.calls && err == nil; i++ {
		time.Sleep(l.every)
		err = l.call(c, buf)
	}
	l.note(c, group, took, err)
}

// note counts one connection and closes it unless it is to be held.
func (l *load) note(c net.Conn, group uint32, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.res.Failed++
		l.res.Errors[err.Error()]++
	} else {
		l.res.Conns++
		l.res.Workers[group>>(32-l.indexBits)]++
		l.res.Group = group
		l.latency = append(l.latency, took)
		if l.hold > 0 && c != nil {
			l.held = append(l.held, c)
			return
		}
	}
	if c != nil {
		if t, ok := c.(*net.TCPConn); ok {
			t.SetLinger(0) // no TIME_WAIT: ports would run out
		}
		c.Close()
	}
}

// runSilent connects, waits for a line, and binds on what it has.
func (l *load) runSilent() {
	var conns []net.Conn
	for range l.total {
		c, err := l.dial()
		if err != nil {
			l.note(nil, 0, 0, err)
			if l.res.Failed == l.failures {
				break
			}
			continue
		}
		conns = append(conns, c)
	}
	fmt.Println("connected", len(conns))
	waitLine()
	buf := make([]byte, 1<<16)
	for _, c := range conns {
		start := time.Now()
		c.SetDeadline(start.Add(l.timeout))
		group, err := l.bind(c, buf)
		l.note(c, group, time.Since(start), err)
	}
}

func waitLine() { bufio.NewReader(os.Stdin).ReadString('\n') }

func (l *load) print() {
	sort.Slice(l.latency, func(a, b int) bool { return l.latency[a] < l.latency[b] })
	at := func(q float64) int64 {
		if len(l.latency) == 0 {
			return 0
		}
		return l.latency[int(q*float64(len(l.latency)-1))].Microseconds()
	}
	l.res.P50, l.res.P99, l.res.Max = at(.5), at(.99), at(1)
	json.NewEncoder(os.Stdout).Encode(l.res)
}
