package main

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"time"
)

// failure is an assertion that does not hold: what was expected, what was seen. It travels as a panic to main.
type failure string

var (
	// reported keeps the first failure of a client's own goroutine, where a panic would only make the client redeliver.
	reported   atomic.Pointer[failure]
	waitingFor atomic.Value
)

const pollInterval = 5 * time.Millisecond

func fail(format string, arguments ...any) {
	panic(failure(fmt.Sprintf(format, arguments...)))
}

// report is for callbacks; await and main throw it where it counts.
func report(format string, arguments ...any) {
	first := failure(fmt.Sprintf(format, arguments...))
	reported.CompareAndSwap(nil, &first)
}

func throwReported() {
	if first := reported.Load(); first != nil {
		panic(*first)
	}
}

func expectEqual[T comparable](what string, expected, seen T) {
	if expected != seen {
		fail("%s: expected %v, saw %v", what, expected, seen)
	}
}

func expectBytes(what string, expected, seen []byte) {
	if !bytes.Equal(expected, seen) {
		fail("%s: expected %d bytes, saw %d that differ", what, len(expected), len(seen))
	}
}

func expect(holds bool, claim string, seen any) {
	if !holds {
		fail("expected %s, saw %v", claim, seen)
	}
}

func expectOK(what string, err error) {
	if err != nil {
		fail("%s failed: %v", what, err)
	}
}

// await waits for a condition, never for a time: it polls until the condition holds or the limit has passed.
func await(what string, limit time.Duration, holds func() bool, seen func() any) {
	waitingFor.Store(what)
	start := time.Now()
	for {
		throwReported()
		if holds() {
			waitingFor.Store("the scenario's own steps after: " + what)
			return
		}
		if time.Since(start) > limit {
			fail("waited %v for %s, saw %v", limit, what, seen())
		}
		time.Sleep(pollInterval)
	}
}
