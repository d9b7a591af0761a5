package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// run is what a scenario works with: its options, and clients that are shut down at its end.
// Each client has its own instance name and so its own connections.
type run struct {
	topic, group string
	options      map[string]string
	brokers      map[string]string // name -> host:port
	instances    int
	shutdowns    []func() error
	started      rocketmq.Producer
}

func newRun(arguments []string) *run {
	r := &run{options: map[string]string{}, brokers: map[string]string{}}
	for i := 0; i+1 < len(arguments); i += 2 {
		r.options[strings.TrimPrefix(arguments[i], "--")] = arguments[i+1]
	}
	for _, key := range []string{"namesrv", "topic", "group", "brokers"} {
		expect(r.options[key] != "", "--"+key, arguments)
	}
	r.topic, r.group = r.options["topic"], r.options["group"]
	for _, broker := range strings.Split(r.options["brokers"], ",") {
		name, address, ok := strings.Cut(broker, "=")
		expect(ok, "--brokers name=host:port,...", broker)
		r.brokers[name] = address
	}
	return r
}

func (r *run) number(key string, otherwise int) int {
	if r.options[key] == "" {
		return otherwise
	}
	number, err := strconv.Atoi(r.options[key])
	expectOK("--"+key, err)
	return number
}

func (r *run) instance() string {
	r.instances++
	return fmt.Sprintf("%d-%d", os.Getpid(), r.instances)
}

func (r *run) resolver() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{r.options["namesrv"]})
}

// producer is one started producer for the whole scenario.
func (r *run) producer() rocketmq.Producer {
	if r.started == nil {
		r.started = r.newProducer()
	}
	return r.started
}

func (r *run) newProducer(extra ...producer.Option) rocketmq.Producer {
	options := append([]producer.Option{
		producer.WithNsResolver(r.resolver()), producer.WithGroupName(r.group + "-producer"), producer.WithInstanceName(r.instance()),
	}, extra...)
	created, err := rocketmq.NewProducer(options...)
	expectOK("a producer", err)
	expectOK("starting a producer", created.Start())
	r.shutdowns = append(r.shutdowns, created.Shutdown)
	return created
}

type handler func(ctx context.Context, message *primitive.MessageExt) consumer.ConsumeResult

// pushConsumer starts a consumer that begins at the first message.
func (r *run) pushConsumer(group, expression string, handle handler, extra ...consumer.Option) rocketmq.PushConsumer {
	return r.selectingConsumer(group, consumer.MessageSelector{Type: consumer.TAG, Expression: expression}, handle, extra...)
}

func (r *run) selectingConsumer(group string, selector consumer.MessageSelector, handle handler, extra ...consumer.Option) rocketmq.PushConsumer {
	options := append([]consumer.Option{
		consumer.WithNsResolver(r.resolver()), consumer.WithGroupName(group), consumer.WithInstance(r.instance()),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, extra...)
	created, err := rocketmq.NewPushConsumer(options...)
	expectOK("a push consumer", err)
	err = created.Subscribe(r.topic, selector, func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		result := consumer.ConsumeSuccess
		for _, message := range messages {
			result = handle(ctx, message)
		}
		return result, nil
	})
	expectOK("subscribing", err)
	expectOK("starting a push consumer", created.Start())
	r.shutdowns = append(r.shutdowns, created.Shutdown)
	return created
}

func (r *run) pullConsumer(group string) rocketmq.PullConsumer {
	created, err := rocketmq.NewPullConsumer(
		consumer.WithNsResolver(r.resolver()), consumer.WithGroupName(group), consumer.WithInstance(r.instance()),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	expectOK("a pull consumer", err)
	expectOK("subscribing", created.Subscribe(r.topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}))
	expectOK("starting a pull consumer", created.Start())
	r.shutdowns = append(r.shutdowns, created.Shutdown)
	return created
}

// createTopic makes the scenario's topic with that many queues on every broker and waits until the route shows them.
func (r *run) createTopic(queues int) {
	for _, address := range r.brokers {
		err := r.admin(func(tool admin.Admin) error {
			return tool.CreateTopic(context.Background(), admin.WithTopicCreate(r.topic), admin.WithBrokerAddrCreate(address),
				admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues))
		})
		expectOK("creating "+r.topic+" on "+address, err)
	}
	r.awaitQueues(r.topic, queues*len(r.brokers))
}

func (r *run) awaitQueues(topic string, count int) {
	await(fmt.Sprintf("%d queues in the route of %s", count, topic), 30*time.Second,
		func() bool { return len(r.queues(topic)) == count }, func() any { return r.queues(topic) })
}

// queues is the topic's route, empty if it has none.
func (r *run) queues(topic string) []*primitive.MessageQueue {
	var queues []*primitive.MessageQueue
	_ = r.admin(func(tool admin.Admin) (err error) {
		queues, err = tool.FetchPublishMessageQueues(context.Background(), topic)
		return err
	})
	return queues
}

func (r *run) admin(use func(admin.Admin) error) error {
	tool, err := admin.NewAdmin(admin.WithResolver(r.resolver()))
	expectOK("an admin client", err)
	defer tool.Close()
	return use(tool)
}

func (r *run) send(message *primitive.Message) *primitive.SendResult {
	result, err := r.producer().SendSync(context.Background(), message)
	expectOK("a send", err)
	expectEqual("send status", primitive.SendOK, result.Status)
	return result
}

func (r *run) sendNumbers(first, end int) {
	for number := first; number < end; number++ {
		r.send(numbered(r.topic, "", number))
	}
}

func (r *run) close() {
	var closing sync.WaitGroup
	for _, shutdown := range r.shutdowns {
		closing.Add(1)
		go func(shutdown func() error) {
			defer closing.Done()
			if err := shutdown(); err != nil {
				report("shutdown failed: %v", err)
			}
		}(shutdown)
	}
	closing.Wait()
}
