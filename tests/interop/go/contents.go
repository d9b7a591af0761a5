package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

const pullBatch = 32

// queueKey names a queue of the scenario's topic.
type queueKey struct {
	broker string
	queue  int
}

func keyOf(queue *primitive.MessageQueue) queueKey {
	return queueKey{queue.BrokerName, queue.QueueId}
}

// contents is everything stored in the topic, each queue in queue order.
type contents map[queueKey][]*primitive.MessageExt

// readContents reads queues up to the given ends. A pull at the very end would be held by the broker, so there is none.
func readContents(r *run, ends map[queueKey]int64) contents {
	reader := r.pullConsumer(r.group + "-reader")
	all := contents{}
	for key, end := range ends {
		all[key] = readQueue(reader, &primitive.MessageQueue{Topic: r.topic, BrokerName: key.broker, QueueId: key.queue}, end)
	}
	return all
}

func readQueue(reader rocketmq.PullConsumer, queue *primitive.MessageQueue, end int64) []*primitive.MessageExt {
	var messages []*primitive.MessageExt
	for int64(len(messages)) < end {
		offset := int64(len(messages))
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		result, err := reader.PullFrom(ctx, queue, offset, pullBatch)
		cancel()
		expectOK(fmt.Sprintf("a pull at %d of %v, which ends at %d,", offset, queue, end), err)
		expectEqual(fmt.Sprintf("pull status at %d of %v", offset, queue), primitive.PullFound, result.Status)
		expectEqual("minimum offset in a pull result", 0, result.MinOffset)
		expectEqual("maximum offset in a pull result", end, result.MaxOffset)
		for _, message := range result.GetMessageExts() {
			expectEqual(fmt.Sprintf("queue offset read from %v", queue), int64(len(messages)), message.QueueOffset)
			messages = append(messages, message)
		}
		expectEqual("next offset", int64(len(messages)), result.NextBeginOffset)
	}
	return messages
}

func (c contents) expectExactly(first, end int) {
	all := newReceived()
	for _, messages := range c {
		for _, message := range messages {
			all.add(message)
		}
	}
	throwReported()
	all.expectExactlyOnce("stored messages", first, end)
}

// endsOf is one more than the highest offset of each queue in send results.
func endsOf(results []*primitive.SendResult) map[queueKey]int64 {
	ends := map[queueKey]int64{}
	for _, result := range results {
		if key := keyOf(result.MessageQueue); result.QueueOffset >= ends[key] {
			ends[key] = result.QueueOffset + 1
		}
	}
	return ends
}
