// SPDX-License-Identifier: Apache-2.0

// Package event is the event loop of brokers, adaptors and native rpcds, and
// what each of them sends to the service manager.
//
// loop.go owns the loop: epoll, the clock, signals, and the wake-up from other
// goroutines. manager.go owns sd_notify(3). One goroutine runs a Loop and owns all
// that it serves; only Wake, Raise and the signals come from elsewhere. A turn
// of a loop allocates nothing, takes no lock and never waits for the manager.
//
//	for {
//		n, err := l.Wait(due)       // the only place that sleeps
//		for i := range n { ... }    // l.Event(i)
//		...                         // what is due at l.Now
//		manager.Tell(l.Now)
//	}
//
// Its API is for msrpcd alone and may change with any version.
package event
