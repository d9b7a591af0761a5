package main

import (
	"fmt"
	"math/rand"
	"strconv"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// numbered makes a message all of whose content follows from its number, so that it can be checked byte by byte.
func numbered(topic, tag string, number int) *primitive.Message {
	message := primitive.NewMessage(topic, numberedBody(number))
	message.WithKeys([]string{numberedKey(number)})
	if tag != "" {
		message.WithTag(tag)
	}
	message.WithProperty("number", strconv.Itoa(number))
	message.WithProperty("text", numberedText(number))
	return message
}

// checkNumbered returns the message's number after checking body, keys and properties.
func checkNumbered(message *primitive.MessageExt) int {
	number, err := strconv.Atoi(message.GetProperty("number"))
	expectOK("the number property", err)
	expectEqual("keys", numberedKey(number), message.GetKeys())
	expectEqual("text property", numberedText(number), message.GetProperty("text"))
	expectBytes(fmt.Sprintf("body of %d", number), numberedBody(number), message.Body)
	return number
}

func numberedKey(number int) string { return "key-" + strconv.Itoa(number) }

// numberedText is not only ASCII, and has the characters JSON would escape.
func numberedText(number int) string { return fmt.Sprintf("nümber \"%d\" {数} \\ /", number) }

// numberedBody is 40 to 1,040 bytes, of all values; every fifth is 8 KiB and compressible, which the client compresses.
func numberedBody(number int) []byte {
	random := rand.New(rand.NewSource(int64(number)))
	if number%5 == 4 {
		body := make([]byte, 8192)
		for i := range body {
			body[i] = byte('a' + (i+number)%7)
		}
		return body
	}
	body := make([]byte, 40+random.Intn(1000))
	random.Read(body)
	return body
}
