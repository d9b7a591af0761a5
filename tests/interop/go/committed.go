package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	queryConsumerOffset = 14
	queryNotFound       = 22
)

// committed asks a broker for a group's offset of a queue, -1 if it has none. The frame is made by hand, because
// the client lets only members of the group ask.
func committed(r *run, group string, key queueKey) int64 {
	connection, err := net.DialTimeout("tcp", r.brokers[key.broker], 5*time.Second)
	expectOK("connecting to "+key.broker, err)
	defer connection.Close()
	expectOK("a socket time limit", connection.SetDeadline(time.Now().Add(5*time.Second)))
	header, err := json.Marshal(map[string]any{
		"code": queryConsumerOffset, "flag": 0, "language": "GO", "opaque": 1, "serializeTypeCurrentRPC": "JSON", "version": 317,
		"extFields": map[string]string{"consumerGroup": group, "topic": r.topic, "queueId": strconv.Itoa(key.queue)},
	})
	expectOK("a request header", err)
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(header)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(header)))
	_, err = connection.Write(append(frame, header...))
	expectOK("an offset query", err)

	var lengths [8]byte
	_, err = io.ReadFull(connection, lengths[:])
	expectOK("an offset answer", err)
	answer := make([]byte, binary.BigEndian.Uint32(lengths[4:])&0xFFFFFF)
	_, err = io.ReadFull(connection, answer)
	expectOK("an offset answer's header", err)
	var response struct {
		Code      int
		Remark    string
		ExtFields map[string]string
	}
	expectOK("an offset answer's JSON", json.Unmarshal(answer, &response))
	if response.Code == queryNotFound {
		return -1
	}
	expectEqual("code of an offset answer ("+response.Remark+")", 0, response.Code)
	offset, err := strconv.ParseInt(response.ExtFields["offset"], 10, 64)
	expectOK("the offset of an answer", err)
	return offset
}
