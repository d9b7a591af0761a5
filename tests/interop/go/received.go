package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// deliveredWithin is longer than the interval of this client's rebalances and heartbeats: what the first one misses comes with
// the next.
const deliveredWithin = 60 * time.Second

type arrival struct {
	number  int
	at      time.Time
	message *primitive.MessageExt
}

// received collects what consumers got, from any goroutine, and checks the content on the way in.
type received struct {
	mutex    sync.Mutex
	arrivals []arrival
	times    map[int]int
}

func newReceived() *received { return &received{times: map[int]int{}} }

// add never panics: see report.
func (r *received) add(message *primitive.MessageExt) {
	defer func() {
		if problem := recover(); problem != nil {
			report("%v", problem)
		}
	}()
	number := checkNumbered(message)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.arrivals = append(r.arrivals, arrival{number, time.Now(), message})
	r.times[number]++
}

func (r *received) distinct() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return len(r.times)
}

func (r *received) all() []arrival {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return append([]arrival(nil), r.arrivals...)
}

func (r *received) awaitDistinct(count int, limit time.Duration) {
	await(fmt.Sprintf("%d different messages", count), limit, func() bool { return r.distinct() >= count },
		func() any { return fmt.Sprintf("%d different ones, %d in all", r.distinct(), len(r.all())) })
}

func (r *received) expectExactlyOnce(what string, first, end int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for number := first; number < end; number++ {
		if r.times[number] != 1 {
			r.print(number)
			fail("%s: expected message %d once, saw it %d times", what, number, r.times[number])
		}
	}
	expectEqual(what+", different messages", end-first, len(r.times))
}

// print tells where and when a message came from: stored twice is another fault than delivered twice.
func (r *received) print(number int) {
	for _, arrival := range r.arrivals {
		if message := arrival.message; arrival.number == number {
			fmt.Printf("%d came at %d from %v offset %d, born %d, stored %d, consumed %d times before\n", number, arrival.at.UnixMilli(),
				message.Queue, message.QueueOffset, message.BornTimestamp, message.StoreTimestamp, message.ReconsumeTimes)
		}
	}
}
