package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// What becomes of message n: n modulo fates says.
const (
	commitAtOnce = iota
	rollbackAtOnce
	commitWhenAsked
	rollbackWhenAsked
	commitWhenAskedTwice
	fates
)

// halves answers as the numbers of messages say, and counts how often it was asked.
type halves struct {
	run   *run
	mutex sync.Mutex
	asked map[int]int
}

func (h *halves) ExecuteLocalTransaction(message *primitive.Message) primitive.LocalTransactionState {
	number, err := strconv.Atoi(message.GetProperty("number"))
	if err != nil {
		report("a half message without a number: %v", err)
	}
	switch number % fates {
	case commitAtOnce:
		return primitive.CommitMessageState
	case rollbackAtOnce:
		return primitive.RollbackMessageState
	}
	return primitive.UnknowState
}

func (h *halves) CheckLocalTransaction(message *primitive.MessageExt) (state primitive.LocalTransactionState) {
	state = primitive.UnknowState
	defer func() {
		if problem := recover(); problem != nil {
			report("%v", problem)
		}
	}()
	number := checkNumbered(message)
	expectEqual("topic that a check is about", h.run.topic, message.Topic)
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.asked[number]++
	switch number % fates {
	case commitWhenAsked:
		state = primitive.CommitMessageState
	case rollbackWhenAsked:
		state = primitive.RollbackMessageState
	case commitWhenAskedTwice:
		if h.asked[number] > 1 {
			state = primitive.CommitMessageState
		}
	default:
		report("nobody has to ask about message %d", number)
	}
	return state
}

func (h *halves) times(number int) int {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.asked[number]
}

// transactions are committed, rolled back and left open at once; the broker asks soon about what is left open.
func transactions(r *run) string {
	const messages = 50
	checks := []int{0, 0, 1, 1, 2}
	isDelivered := func(number int) bool {
		return number%fates != rollbackAtOnce && number%fates != rollbackWhenAsked
	}
	r.createTopic(4)
	got := newReceived()
	r.pushConsumer(r.group, "*", collect(got))
	listener := &halves{run: r, asked: map[int]int{}}
	sender, err := rocketmq.NewTransactionProducer(listener, producer.WithNsResolver(r.resolver()),
		producer.WithGroupName(r.group+"-transactions"), producer.WithInstanceName(r.instance()))
	expectOK("a producer of transactions", err)
	expectOK("starting a producer of transactions", sender.Start())
	r.shutdowns = append(r.shutdowns, sender.Shutdown)
	results := make([]*primitive.TransactionSendResult, messages)
	for number := range results {
		results[number], err = sender.SendMessageInTransaction(context.Background(), numbered(r.topic, "Halved", number))
		expectOK("a half message", err)
		expectEqual("send status", primitive.SendOK, results[number].Status)
	}
	delivered := 0
	for number := range results {
		wanted := checks[number%fates]
		await(fmt.Sprintf("message %d to be asked about %d times", number, wanted), 90*time.Second,
			func() bool { return listener.times(number) >= wanted }, func() any { return listener.times(number) })
		if isDelivered(number) {
			delivered++
		}
	}
	got.awaitDistinct(delivered, deliveredWithin)
	// What is still to come would be there by the time a later message is.
	r.send(numbered(r.topic, "", messages))
	got.awaitDistinct(delivered+1, deliveredWithin)
	expectEqual("deliveries", delivered+1, len(got.all()))
	for _, arrival := range got.all() {
		if arrival.number == messages {
			continue
		}
		message := arrival.message
		expect(isDelivered(arrival.number), "only what is committed", arrival.number)
		expectEqual("unique id", results[arrival.number].MsgID, message.MsgId)
		expectEqual("queue", results[arrival.number].MessageQueue.QueueId, message.Queue.QueueId)
		expectEqual("tags", "Halved", message.GetTags())
		expectEqual("flags", 8, message.SysFlag&12)
		if checks[arrival.number%fates] == 0 {
			half, err := strconv.ParseInt(results[arrival.number].OffsetMsgID[16:], 16, 64)
			expectOK("the offset in "+results[arrival.number].OffsetMsgID, err)
			expectEqual("offset of the half message", half, message.PreparedTransactionOffset)
		}
		expectEqual("transaction id", message.MsgId, message.GetProperty("__transactionId__"))
	}
	return fmt.Sprintf("half messages %d, delivered %d", messages, delivered)
}
