// Command interop runs one scenario against a live cluster:
//
//	interop <scenario> --namesrv host:port --brokers name=host:port,... --topic t --group g
//
// The last line on stdout is "PASS <scenario> <facts>" (exit 0) or "FAIL <scenario> <what>" (exit 1).
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

var scenarios = map[string]func(*run) string{
	"send-sync":       sendSync,
	"send-async":      sendAsync,
	"send-oneway":     sendOneway,
	"send-batch":      sendBatch,
	"send-selector":   sendSelector,
	"push-concurrent": pushConcurrent,
	"push-orderly":    pushOrderly,
	"broadcast":       broadcast,
	"tags":            tags,
	"sql-filter":      sqlFilter,
	"pull-from":       pullFrom,
	"pull-poll":       pullPoll,
	"retry":           retry,
	"resume":          resume,
	"delayed":         delayed,
	"transactions":    transactions,
}

func main() {
	rlog.SetLogLevel("error")
	if len(os.Args) < 2 || scenarios[os.Args[1]] == nil {
		names := make([]string, 0, len(scenarios))
		for name := range scenarios {
			names = append(names, name)
		}
		sort.Strings(names)
		verdict("FAIL usage expected one of " + strings.Join(names, " "))
	}
	name := os.Args[1]
	defer func() {
		if problem := recover(); problem != nil {
			if known, ok := problem.(failure); ok {
				verdict("FAIL " + name + " " + string(known))
			}
			fmt.Fprintln(os.Stderr, problem)
			verdict(fmt.Sprintf("FAIL %s unexpected %v", name, problem))
		}
	}()
	run := newRun(os.Args[2:])
	limit := time.Duration(run.number("deadline-s", 120)) * time.Second
	time.AfterFunc(limit, func() {
		verdict(fmt.Sprintf("FAIL %s not done after %v, waiting for %v", name, limit, waitingFor.Load()))
	})
	facts := scenarios[name](run)
	run.close()
	throwReported()
	verdict("PASS " + name + " " + facts)
}

func verdict(line string) {
	fmt.Println(strings.Join(strings.Fields(line), " "))
	if strings.HasPrefix(line, "PASS ") {
		os.Exit(0)
	}
	os.Exit(1)
}
