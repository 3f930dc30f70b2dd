package broker_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// rawClient speaks any version of any request over one connection.
type rawClient struct {
	t    testing.TB
	conn net.Conn
	id   int32
}

func dialRaw(t testing.TB, addr string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &rawClient{t: t, conn: conn}
}

// send writes a request in the version it has.
func (c *rawClient) send(req kmsg.Request) {
	c.t.Helper()
	c.id++
	h := protocol.RequestHeader{Key: protocol.Key(req.Key()), Version: req.GetVersion(),
		CorrelationID: c.id, ClientID: []byte("raw")}
	frame := req.AppendTo(h.Append(make([]byte, 4)))
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatalf("send %v: %v", h.Key, err)
	}
}

// receive reads the response to req, which the server must answer next.
func (c *rawClient) receive(req kmsg.Request) (kmsg.Response, error) {
	var size [4]byte
	if _, err := io.ReadFull(c.conn, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.conn, frame); err != nil {
		return nil, err
	}
	id, body, err := protocol.ParseResponseHeader(frame, protocol.Key(req.Key()), req.GetVersion())
	if err != nil {
		return nil, err
	}
	if id != c.id {
		return nil, fmt.Errorf("response to request %d, want %d", id, c.id)
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%s v%d response of %d bytes: %w",
			kmsg.NameForKey(req.Key()), req.GetVersion(), len(body), err)
	}
	return resp, nil
}

// bytes asks with a body that kmsg has not written and returns the response's.
func (c *rawClient) bytes(key protocol.Key, version int16, body []byte) []byte {
	c.t.Helper()
	c.id++
	h := protocol.RequestHeader{Key: key, Version: version, CorrelationID: c.id}
	frame := append(h.Append(make([]byte, 4)), body...)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(c.conn, size[:]); err != nil {
		c.t.Fatal(err)
	}
	frame = make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.conn, frame); err != nil {
		c.t.Fatal(err)
	}
	_, body, err := protocol.ParseResponseHeader(frame, key, version)
	if err != nil {
		c.t.Fatal(err)
	}
	return body
}

func (c *rawClient) ask(req kmsg.Request) (kmsg.Response, error) {
	c.send(req)
	return c.receive(req)
}

// call asks in a version and fails the test if no response comes.
func call[Resp kmsg.Response](c *rawClient, version int16, req kmsg.Request) Resp {
	c.t.Helper()
	req.SetVersion(version)
	resp, err := c.ask(req)
	if err != nil {
		c.t.Fatalf("%s v%d: %v", kmsg.NameForKey(req.Key()), version, err)
	}
	return resp.(Resp)
}

// newBatch is a record batch with one record for each value.
func newBatch(h wire.BatchHeader, values ...string) []byte {
	b := make([]byte, wire.BatchHeaderSize)
	for i, v := range values {
		body := wire.RecordBodySize(0, int32(i), nil, []byte(v), 0, 0)
		b = wire.AppendRecord(b, body, 0, int32(i), nil, []byte(v), 0)
	}
	h.LastOffsetDelta, h.Count = int32(len(values)-1), int32(len(values))
	h.Seal(b)
	return b
}

// plain is the header of a batch without producer id.
func plain() wire.BatchHeader {
	now := time.Now().UnixMilli()
	return wire.BatchHeader{LeaderEpoch: wire.NoLeaderEpoch, BaseTimestamp: now, MaxTimestamp: now,
		ProducerID: wire.NoProducerID, ProducerEpoch: wire.NoProducerEpoch,
		BaseSequence: wire.NoSequence}
}

// topicID is the id of a topic.
func topicID(c *rawClient, topic string) [16]byte {
	c.t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	resp := call[*kmsg.MetadataResponse](c, 13, req)
	if code := resp.Topics[0].ErrorCode; code != 0 {
		c.t.Fatalf("metadata of %s: error %d", topic, code)
	}
	return resp.Topics[0].TopicID
}

// produceRequest carries one batch.
func produceRequest(topic string, id [16]byte, batch []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 1000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = topic, id
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = batch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// fetchRequest reads one partition from an offset on.
func fetchRequest(topic string, id [16]byte, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 0, 1, 1<<20
	req.ReplicaID = -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = topic, id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes = offset, 1<<20
	rp.CurrentLeaderEpoch, rp.LastFetchedEpoch = -1, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// advertised is what the broker says it speaks.
func advertised(c *rawClient) map[int16]protocol.Range {
	c.t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "raw", "1"
	resp := call[*kmsg.ApiVersionsResponse](c, 3, req)
	ranges := make(map[int16]protocol.Range)
	for _, k := range resp.ApiKeys {
		ranges[k.ApiKey] = protocol.Range{Min: k.MinVersion, Max: k.MaxVersion}
	}
	return ranges
}

func start(t testing.TB, topics map[string]int) *broker.Broker {
	t.Helper()
	return broker.Run(t, broker.Config{Topics: topics})
}

// sendAs writes a request with another version in its header; the function it
// returns reads the response in a version.
func sendAs(c *rawClient, req kmsg.Request, version int16) func(int16) (kmsg.Response, error) {
	c.t.Helper()
	c.id++
	h := protocol.RequestHeader{Key: protocol.Key(req.Key()), Version: version,
		CorrelationID: c.id, ClientID: []byte("raw")}
	frame := req.AppendTo(h.Append(make([]byte, 4)))
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatal(err)
	}
	return func(version int16) (kmsg.Response, error) {
		req.SetVersion(version)
		return c.receive(req)
	}
}
