package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// pullFrom reads queues at chosen offsets, and commits by hand.
func pullFrom(r *run) string {
	const messages = 300
	r.createTopic(4)
	var results []*primitive.SendResult
	for number := 0; number < messages; number++ {
		results = append(results, r.send(numbered(r.topic, "", number)))
	}
	ends := endsOf(results)
	readContents(r, ends).expectExactly(0, messages)

	client := r.pullConsumer(r.group)
	for key, end := range ends {
		queue := &primitive.MessageQueue{Topic: r.topic, BrokerName: key.broker, QueueId: key.queue}
		result, err := client.PullFrom(context.Background(), queue, end+100, pullBatch)
		expectOK("a pull past the end", err)
		expectEqual("status past the end", primitive.PullOffsetIllegal, result.Status)
		expectEqual("offset to go on from, past the end", end, result.NextBeginOffset)
	}
	return fmt.Sprintf("pulled %d from %d queues", messages, len(ends))
}

// pullPoll reads with rebalanced queues; acknowledged messages are committed.
func pullPoll(r *run) string {
	const messages = 300
	r.createTopic(4)
	var results []*primitive.SendResult
	for number := 0; number < messages; number++ {
		results = append(results, r.send(numbered(r.topic, "", number)))
	}
	client := r.pullConsumer(r.group)
	got := newReceived()
	await(fmt.Sprintf("%d polled messages", messages), 60*time.Second, func() bool { pollInto(client, got); return got.distinct() == messages },
		func() any { return got.distinct() })
	for key, end := range endsOf(results) {
		await(fmt.Sprintf("the commit of %v", key), 30*time.Second, func() bool { return committed(r, r.group, key) == end },
			func() any { return committed(r, r.group, key) })
	}
	got.expectExactlyOnce("polled messages", 0, messages)
	return fmt.Sprintf("polled %d", messages)
}

func pollInto(client rocketmq.PullConsumer, into *received) {
	request, err := client.Poll(context.Background(), 100*time.Millisecond)
	if consumer.IsNoNewMsgError(err) {
		return
	}
	expectOK("a poll", err)
	for _, message := range request.GetMsgList() {
		into.add(message)
	}
	client.ACK(context.Background(), request, consumer.ConsumeSuccess)
}
