package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// sendSync sends to a topic that does not exist yet, and checks every result against the stored message.
func sendSync(r *run) string {
	const messages = 100
	expectEqual("queues before the first send", 0, len(r.queues(r.topic)))
	var results []*primitive.SendResult
	for number := 0; number < messages; number++ {
		results = append(results, r.send(numbered(r.topic, fmt.Sprintf("Tag%d", number%3), number)))
	}
	r.awaitQueues(r.topic, 4*len(r.brokers))
	stored := readContents(r, endsOf(results))
	stored.expectExactly(0, messages)
	for number, result := range results {
		message := stored[keyOf(result.MessageQueue)][result.QueueOffset]
		expectEqual("message of a result", number, checkNumbered(message))
		expectEqual("unique id", result.MsgID, message.MsgId)
		expectEqual("offset id", result.OffsetMsgID, message.OffsetMsgId)
		expectEqual("tags", fmt.Sprintf("Tag%d", number%3), message.GetTags())
	}
	return fmt.Sprintf("sent %d queues %d", messages, len(stored))
}

// sendAsync keeps many sends in flight; each callback gets its own message's result.
func sendAsync(r *run) string {
	const messages, inFlight = 1000, 64
	r.createTopic(4)
	results := make([]*primitive.SendResult, messages)
	var open sync.WaitGroup
	window := make(chan struct{}, inFlight)
	for number := 0; number < messages; number++ {
		sent := number
		open.Add(1)
		window <- struct{}{}
		err := r.producer().SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
			defer func() { <-window; open.Done() }()
			if err != nil {
				report("async send of %d failed: %v", sent, err)
				return
			}
			results[sent] = result
		}, numbered(r.topic, "", number))
		expectOK("an async send", err)
	}
	open.Wait()
	throwReported()
	stored := readContents(r, endsOf(results))
	stored.expectExactly(0, messages)
	for number, result := range results {
		expectEqual("send status", primitive.SendOK, result.Status)
		expectEqual("message of a result", number, checkNumbered(stored[keyOf(result.MessageQueue)][result.QueueOffset]))
	}
	return fmt.Sprintf("sent %d in flight %d", messages, inFlight)
}

// sendOneway has no answers; a consumer tells that all were stored, once each.
func sendOneway(r *run) string {
	const messages = 200
	r.createTopic(4)
	for number := 0; number < messages; number++ {
		expectOK("a one-way send", r.producer().SendOneWay(context.Background(), numbered(r.topic, "", number)))
	}
	reader := r.pullConsumer(r.group)
	got := newReceived()
	await(fmt.Sprintf("%d messages", messages), 30*time.Second, func() bool { pollInto(reader, got); return got.distinct() == messages },
		func() any { return got.distinct() })
	got.expectExactlyOnce("stored messages", 0, messages)
	return fmt.Sprintf("sent %d", messages)
}

// sendBatch checks that a batch lies in one queue at consecutive offsets in batch order.
func sendBatch(r *run) string {
	const batches, size = 10, 50
	r.createTopic(4)
	results := make([]*primitive.SendResult, batches)
	ends := map[queueKey]int64{}
	for batch := range results {
		var messages []*primitive.Message
		for number := batch * size; number < (batch+1)*size; number++ {
			messages = append(messages, numbered(r.topic, "", number))
		}
		result, err := r.producer().SendSync(context.Background(), messages...)
		expectOK("a batch send", err)
		expectEqual("send status", primitive.SendOK, result.Status)
		expectEqual("offset ids of a batch", size, len(strings.Split(result.OffsetMsgID, ",")))
		results[batch] = result
		ends[keyOf(result.MessageQueue)] += size
	}
	stored := readContents(r, ends)
	stored.expectExactly(0, batches*size)
	for batch, result := range results {
		ids := strings.Split(result.OffsetMsgID, ",")
		for i := 0; i < size; i++ {
			message := stored[keyOf(result.MessageQueue)][result.QueueOffset+int64(i)]
			expectEqual("message of a batch", batch*size+i, checkNumbered(message))
			expectEqual("offset id of a batch's message", ids[i], message.OffsetMsgId)
		}
	}
	return fmt.Sprintf("batches %d messages %d", batches, batches*size)
}

// sendSelector shards by key: all steps of an order lie in one queue in the order they were sent.
func sendSelector(r *run) string {
	const orders, steps = 40, 5
	r.createTopic(4)
	sender := r.newProducer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	queueOf := map[int]queueKey{}
	var results []*primitive.SendResult
	for number := 0; number < orders*steps; number++ {
		message := numbered(r.topic, "", number).WithShardingKey(fmt.Sprintf("order-%d", number%orders))
		result, err := sender.SendSync(context.Background(), message)
		expectOK("a send", err)
		if queue, known := queueOf[number%orders]; known {
			expectEqual(fmt.Sprintf("queue of order %d", number%orders), queue, keyOf(result.MessageQueue))
		}
		queueOf[number%orders] = keyOf(result.MessageQueue)
		results = append(results, result)
	}
	stored := readContents(r, endsOf(results))
	stored.expectExactly(0, orders*steps)
	for key, messages := range stored {
		previous := -1
		for _, message := range messages {
			number := checkNumbered(message)
			expectEqual("queue of a stored order", queueOf[number%orders], key)
			expect(number > previous, fmt.Sprintf("a number above %d next in %v", previous, key), number)
			previous = number
		}
	}
	return fmt.Sprintf("orders %d steps %d queues %d", orders, steps, len(stored))
}
