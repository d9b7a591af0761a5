package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// sqlFilter has consumers with expressions over properties; each gets exactly what a function here says too, and the one
// that matches nothing gets to the end all the same. (This client does not ask whether an expression is right.)
func sqlFilter(r *run) string {
	const messages = 300
	r.createTopic(4)
	selects := []struct {
		name, expression string
		wants            func(number int) bool
	}{
		{"above", "number > 200", func(number int) bool { return number > 200 }},
		{"red", "colour = 'red' AND number BETWEEN 10 AND 99", func(number int) bool { return number%3 == 0 && number >= 10 && number <= 99 }},
		{"colourless", "colour IS NULL", func(number int) bool { return number%3 == 2 }},
		{"nothing", "colour IN ('green') OR weight > 1", func(int) bool { return false }},
	}
	got := map[string]*received{}
	for _, each := range selects {
		got[each.name] = newReceived()
		r.selectingConsumer(r.group+"-"+each.name, consumer.MessageSelector{Type: consumer.SQL92, Expression: each.expression}, collect(got[each.name]))
	}
	var results []*primitive.SendResult
	for number := 0; number < messages; number++ {
		message := numbered(r.topic, "", number)
		message.WithProperty("number", strconv.Itoa(number))
		if number%3 != 2 {
			message.WithProperty("colour", []string{"red", "blue"}[number%3])
		}
		results = append(results, r.send(message))
	}
	facts := ""
	for _, each := range selects {
		wanted := 0
		for number := 0; number < messages; number++ {
			if each.wants(number) {
				wanted++
			}
		}
		got[each.name].awaitDistinct(wanted, 60*time.Second)
		for key, end := range endsOf(results) {
			group := r.group + "-" + each.name
			await(fmt.Sprintf("%s to commit %v", group, key), 60*time.Second,
				func() bool { return committed(r, group, key) == end },
				func() any { return committed(r, group, key) })
		}
		expectEqual("messages for "+each.expression, wanted, len(got[each.name].all()))
		for _, arrival := range got[each.name].all() {
			expect(each.wants(arrival.number), "only "+each.expression, arrival.number)
		}
		facts += fmt.Sprintf(", %s got %d", each.name, wanted)
	}
	return fmt.Sprintf("sent %d%s", messages, facts)
}
