package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

func collect(into *received) handler {
	return func(_ context.Context, message *primitive.MessageExt) consumer.ConsumeResult {
		into.add(message)
		return consumer.ConsumeSuccess
	}
}

// pushConcurrent expects every message of several senders exactly once.
func pushConcurrent(r *run) string {
	const messages, senders = 2000, 4
	r.createTopic(4)
	got := newReceived()
	r.pushConsumer(r.group, "*", collect(got))
	r.producer()
	var sending sync.WaitGroup
	for sender := 0; sender < senders; sender++ {
		sending.Add(1)
		go func(first int) {
			defer sending.Done()
			for number := first; number < messages; number += senders {
				if _, err := r.producer().SendSync(context.Background(), numbered(r.topic, "", number)); err != nil {
					report("send of %d failed: %v", number, err)
				}
			}
		}(sender)
	}
	sending.Wait()
	got.awaitDistinct(messages, deliveredWithin)
	got.expectExactlyOnce("consumed messages", 0, messages)
	return fmt.Sprintf("consumed %d exactly once", messages)
}

// pushOrderly expects each queue in the order of its offsets, one message at a time, and so each order in its order.
// (No suspending here: this client goes on with a suspended queue only when its next message comes.)
func pushOrderly(r *run) string {
	const messages, orders = 600, 20
	r.createTopic(4)
	got := newReceived()
	var mutex sync.Mutex
	next := map[queueKey]int64{}
	busy := map[queueKey]bool{}
	handle := func(ctx context.Context, message *primitive.MessageExt) consumer.ConsumeResult {
		orderly, ok := primitive.GetOrderlyCtx(ctx)
		if !ok {
			report("expected an orderly context")
			return consumer.ConsumeSuccess
		}
		key := keyOf(&orderly.MQ)
		mutex.Lock()
		if busy[key] {
			report("two messages of %v in the listener at once", key)
		}
		if message.QueueOffset != next[key] {
			report("expected offset %d next in %v, saw %d", next[key], key, message.QueueOffset)
		}
		busy[key], next[key] = true, message.QueueOffset+1
		mutex.Unlock()
		got.add(message)
		mutex.Lock()
		busy[key] = false
		mutex.Unlock()
		return consumer.ConsumeSuccess
	}
	r.pushConsumer(r.group, "*", handle, consumer.WithConsumerOrder(true))
	sender := r.newProducer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	for number := 0; number < messages; number++ {
		message := numbered(r.topic, "", number).WithShardingKey(fmt.Sprintf("order-%d", number%orders))
		_, err := sender.SendSync(context.Background(), message)
		expectOK("a send", err)
	}
	got.awaitDistinct(messages, deliveredWithin)
	got.expectExactlyOnce("consumed messages", 0, messages)
	last := map[int]int{}
	for _, arrival := range got.all() {
		order := arrival.number % orders
		previous, seen := last[order]
		expect(!seen || previous < arrival.number, fmt.Sprintf("order %d to go on after %d", order, previous), arrival.number)
		last[order] = arrival.number
	}
	return fmt.Sprintf("consumed %d in order, queues %d", messages, len(next))
}

// broadcast has two consumers of one group that both get everything.
func broadcast(r *run) string {
	const messages = 300
	r.createTopic(4)
	got := []*received{newReceived(), newReceived()}
	for _, each := range got {
		r.pushConsumer(r.group, "*", collect(each), consumer.WithConsumerModel(consumer.BroadCasting))
	}
	r.sendNumbers(0, messages)
	for i, each := range got {
		each.awaitDistinct(messages, deliveredWithin)
		each.expectExactlyOnce(fmt.Sprintf("messages of consumer %d", i), 0, messages)
	}
	return fmt.Sprintf("each of %d consumers got %d", len(got), messages)
}

// tags filters with "A || B"; "AaAa" and "BBBB" have the same hash, so the client drops what the broker lets through.
func tags(r *run) string {
	const rounds = 60
	all := []string{"A", "B", "C", "", "AaAa", "BBBB"}
	r.createTopic(4)
	expected := map[string]int{"A || B": 2 * rounds, "AaAa": rounds, "Nothing": 0}
	got := map[string]*received{}
	for expression := range expected {
		got[expression] = newReceived()
		r.pushConsumer(r.group+"-"+strings.ReplaceAll(expression, " || ", "-"), expression, collect(got[expression]))
	}
	var results []*primitive.SendResult
	for number := 0; number < rounds*len(all); number++ {
		results = append(results, r.send(numbered(r.topic, all[number%len(all)], number)))
	}
	for expression, count := range expected {
		got[expression].awaitDistinct(count, deliveredWithin)
	}
	// The group that matches nothing has to get to the end all the same.
	for key, end := range endsOf(results) {
		await(fmt.Sprintf("the group without a match to commit %v", key), 60*time.Second,
			func() bool { return committed(r, r.group+"-Nothing", key) == end },
			func() any { return committed(r, r.group+"-Nothing", key) })
	}
	for expression, count := range expected {
		expectEqual("messages for "+expression, count, len(got[expression].all()))
		for _, arrival := range got[expression].all() {
			tag := all[arrival.number%len(all)]
			expect(tag != "" && strings.Contains(" "+expression+" ", " "+tag+" "), "only "+expression, tag)
		}
	}
	return fmt.Sprintf("sent %d, A || B got %d, AaAa got %d, Nothing got 0", rounds*len(all), 2*rounds, rounds)
}

// resume expects a group that was away to continue where it stopped.
func resume(r *run) string {
	const before, meanwhile, after = 300, 200, 100
	r.createTopic(4)
	first := newReceived()
	away := r.pushConsumer(r.group, "*", collect(first))
	var results []*primitive.SendResult
	for number := 0; number < before; number++ {
		results = append(results, r.send(numbered(r.topic, "", number)))
	}
	first.awaitDistinct(before, deliveredWithin)
	// This client's shutdown drops what its handlers are just finishing, so the periodic commit is awaited first.
	for key, end := range endsOf(results) {
		await(fmt.Sprintf("the commit of %v", key), 30*time.Second, func() bool { return committed(r, r.group, key) == end },
			func() any { return committed(r, r.group, key) })
	}
	expectOK("shutdown", away.Shutdown())
	first.expectExactlyOnce("messages before the pause", 0, before)

	r.sendNumbers(before, before+meanwhile)
	second := newReceived()
	r.pushConsumer(r.group, "*", collect(second))
	r.sendNumbers(before+meanwhile, before+meanwhile+after)
	second.awaitDistinct(meanwhile+after, deliveredWithin)
	second.expectExactlyOnce("messages after the pause", before, before+meanwhile+after)
	return fmt.Sprintf("consumed %d then %d", before, meanwhile+after)
}

// retry refuses message n n mod 4 times; it comes again after delay level 1 with the count.
func retry(r *run) string {
	const messages, delay = 20, time.Second
	refusals := func(number int) int { return number % 4 }
	r.createTopic(4)
	// A group's retry topic exists from its first heartbeat on, but a running client looks for new routes every 30 s
	// only. So the group is there once before.
	expectOK("shutdown", r.pushConsumer(r.group, "*", collect(newReceived())).Shutdown())
	r.awaitQueues("%RETRY%"+r.group, len(r.brokers))

	got := newReceived()
	r.pushConsumer(r.group, "*", func(ctx context.Context, message *primitive.MessageExt) consumer.ConsumeResult {
		got.add(message)
		context, ok := primitive.GetConcurrentlyCtx(ctx)
		if !ok {
			report("expected a concurrent context")
			return consumer.ConsumeSuccess
		}
		if int(message.ReconsumeTimes) >= refusals(checkNumbered(message)) {
			return consumer.ConsumeSuccess
		}
		context.DelayLevelWhenNextConsume = 1
		return consumer.ConsumeRetryLater
	})
	deliveries := 0
	var results []*primitive.SendResult
	for number := 0; number < messages; number++ {
		results = append(results, r.send(numbered(r.topic, "Retried", number)))
		deliveries += 1 + refusals(number)
	}
	await(fmt.Sprintf("%d deliveries", deliveries), 60*time.Second, func() bool { return len(got.all()) >= deliveries },
		func() any { return len(got.all()) })
	attempts := map[int][]arrival{}
	for _, arrival := range got.all() {
		attempts[arrival.number] = append(attempts[arrival.number], arrival)
	}
	for number, result := range results {
		expectEqual(fmt.Sprintf("deliveries of %d", number), 1+refusals(number), len(attempts[number]))
		for i, attempt := range attempts[number] {
			expectEqual("reconsume times", int32(i), attempt.message.ReconsumeTimes)
			expectEqual("topic of a redelivery", r.topic, attempt.message.Topic)
			expectEqual("tags of a redelivery", "Retried", attempt.message.GetTags())
			expectEqual("unique id of a redelivery", result.MsgID, attempt.message.MsgId)
			if i > 0 {
				waited := attempt.at.Sub(attempts[number][i-1].at)
				expect(waited >= delay, "at least 1 s between deliveries", waited)
				expectEqual("origin of a redelivery", result.OffsetMsgID, attempt.message.GetProperty(primitive.PropertyOriginMessageId))
			}
		}
	}
	return fmt.Sprintf("messages %d deliveries %d", messages, deliveries)
}

// delayed expects levels 1 and 2 not early and not much late.
func delayed(r *run) string {
	const messages, lateMax = 20, 1500 * time.Millisecond
	delays := []time.Duration{0, time.Second, 5 * time.Second}
	level := func(number int) int { return 1 + number%2 }
	r.createTopic(4)
	got := newReceived()
	r.pushConsumer(r.group, "*", collect(got))
	r.producer()
	results := make([]*primitive.SendResult, messages)
	for number := range results {
		results[number] = r.send(numbered(r.topic, "Later", number).WithDelayTimeLevel(level(number)))
	}
	got.awaitDistinct(messages, deliveredWithin)
	got.expectExactlyOnce("delayed messages", 0, messages)
	var latest time.Duration
	for _, arrival := range got.all() {
		due := time.UnixMilli(arrival.message.BornTimestamp).Add(delays[level(arrival.number)])
		late := arrival.at.Sub(due)
		expect(late >= 0, fmt.Sprintf("message %d not early", arrival.number), late)
		expect(late < lateMax, fmt.Sprintf("message %d less than %v late", arrival.number, lateMax), late)
		expect(arrival.message.StoreTimestamp >= due.UnixMilli(), "no delivery stored early", arrival.message.StoreTimestamp)
		expectEqual("unique id", results[arrival.number].MsgID, arrival.message.MsgId)
		expectEqual("queue of a delayed message", results[arrival.number].MessageQueue.QueueId, arrival.message.Queue.QueueId)
		if late > latest {
			latest = late
		}
	}
	return fmt.Sprintf("messages %d at levels 1 and 2, latest %v late", messages, latest)
}
