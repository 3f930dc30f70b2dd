package scriptedbroker

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// answer is what goes back for one request, in the order of the requests.
type answer struct {
	bytes []byte // nil closes the connection
	wait  <-chan struct{}
	delay time.Duration
}

// serve carries out the requests of one connection in turn, and answers them in
// turn.
func (c *Cluster) serve(n *node, nc net.Conn) {
	answers := make(chan answer, 1024)
	gone := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.write(nc, answers, gone)
	}()
	for {
		frame, err := readFrame(nc)
		if err != nil {
			break
		}
		a, ok := c.take(n, frame)
		if !ok {
			continue
		}
		answers <- a
	}
	close(gone)
	nc.Close()
	<-done
}

func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(r, frame)
	return frame, err
}

// write sends answers when they are due, until the connection ends.
func (c *Cluster) write(nc net.Conn, answers <-chan answer, gone <-chan struct{}) {
	for {
		select {
		case <-gone:
			return
		case a := <-answers:
			if a.wait != nil {
				select {
				case <-a.wait:
				case <-gone:
					return
				}
			}
			if a.delay > 0 {
				t := time.NewTimer(a.delay)
				select {
				case <-t.C:
				case <-gone:
				}
				t.Stop()
			}
			if a.bytes == nil {
				nc.Close()
				continue // until the reader has noticed
			}
			if _, err := nc.Write(a.bytes); err != nil {
				nc.Close()
			}
		}
	}
}

// take carries one request out; ok is false if it has no answer (acks=0).
func (c *Cluster) take(n *node, frame []byte) (answer, bool) {
	h, body, err := protocol.ParseRequestHeader(frame)
	req := kmsg.RequestForKey(int16(h.Key))
	if err != nil || req == nil {
		c.t.Errorf("a request that cannot be read: key %d, %v", h.Key, err)
		return answer{}, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x := &Exchange{
		Node: n.id, Key: h.Key, Version: h.Version, ClientID: string(h.ClientID),
		Request: req, cluster: c,
	}
	if !c.versions[h.Key].Has(h.Version) {
		return c.unsupported(x, h), true
	}
	req.SetVersion(h.Version)
	if err := req.ReadFrom(body); err != nil {
		c.t.Errorf("%v v%d cannot be read: %v", h.Key, h.Version, err)
		return answer{}, true
	}
	if !c.blind || h.Key != protocol.Produce {
		c.note(h.Key, "%s", c.describe(x))
	}
	c.step(h.Key)(x)
	if x.close {
		return answer{wait: x.wait, delay: x.delay}, true
	}
	if p, ok := req.(*kmsg.ProduceRequest); ok && p.Acks == 0 {
		return answer{}, false
	}
	if x.Response == nil { // silent
		return answer{wait: x.wait}, true
	}
	return answer{encode(x.Response, h), x.wait, x.delay}, true
}

func (c *Cluster) step(key protocol.Key) Step {
	if steps := c.script[key]; len(steps) > 0 {
		c.script[key] = steps[1:]
		return steps[0]
	}
	if step := c.standing[key]; step != nil {
		return step
	}
	return OK
}

// unsupported answers a version that this cluster does not speak: ApiVersions
// in its oldest form, as Kafka does (KIP-511); anything else is a client's bug.
func (c *Cluster) unsupported(x *Exchange, h protocol.RequestHeader) answer {
	if h.Key != protocol.APIVersions {
		c.t.Errorf("%v v%d is not what this cluster speaks: %v", h.Key, h.Version, c.versions[h.Key])
		return answer{}
	}
	c.note(h.Key, "ApiVersions v%d refused", h.Version)
	h.Version = 0
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = int16(errcode.UnsupportedVersion)
	if r := c.versions[h.Key]; r.Max > 0 {
		resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{
			{ApiKey: int16(h.Key), MinVersion: r.Min, MaxVersion: r.Max},
		}
	}
	return answer{bytes: encode(resp, h)}
}

func encode(resp kmsg.Response, h protocol.RequestHeader) []byte {
	resp.SetVersion(h.Version)
	b := protocol.AppendResponseHeader(make([]byte, 4), h.Key, h.Version, h.CorrelationID)
	b = resp.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// handle makes the honest answer.
func (c *Cluster) handle(x *Exchange) kmsg.Response {
	switch r := x.Request.(type) {
	case *kmsg.ApiVersionsRequest:
		return c.apiVersions()
	case *kmsg.MetadataRequest:
		return c.metadata(r)
	case *kmsg.InitProducerIDRequest:
		return c.initProducerID()
	case *kmsg.ProduceRequest:
		return c.produce(x, r)
	}
	panic(fmt.Sprintf("scriptedbroker: no answer to %v", x.Key))
}

func (c *Cluster) apiVersions() kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	for key, r := range c.versions {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{
			ApiKey: int16(key), MinVersion: r.Min, MaxVersion: r.Max,
		})
	}
	return resp
}

func (c *Cluster) metadata(r *kmsg.MetadataRequest) kmsg.Response {
	resp := kmsg.NewPtrMetadataResponse()
	resp.ClusterID = kmsg.StringPtr("scripted")
	resp.ControllerID = 1
	for id := range int32(len(c.nodes)) {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID = id + 1
		b.Host, b.Port = splitAddr(c.nodes[id+1].addr)
		resp.Brokers = append(resp.Brokers, b)
	}
	for _, want := range r.Topics {
		resp.Topics = append(resp.Topics, c.describeTopic(*want.Topic))
	}
	return resp
}

func (c *Cluster) describeTopic(name string) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic = kmsg.StringPtr(name)
	t := c.topics[name]
	switch {
	case t == nil:
		out.ErrorCode = int16(errcode.UnknownTopicOrPartition)
		return out
	case t.err != errcode.None:
		out.ErrorCode = int16(t.err)
		return out
	}
	out.TopicID = t.id
	for i, p := range t.partitions {
		q := kmsg.NewMetadataResponseTopicPartition()
		q.Partition, q.Leader, q.LeaderEpoch = int32(i), p.leader, p.epoch
		if p.leader < 0 {
			q.ErrorCode = int16(errcode.LeaderNotAvailable)
		}
		out.Partitions = append(out.Partitions, q)
	}
	return out
}

func (c *Cluster) initProducerID() kmsg.Response {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = c.nextPID, 0
	c.nextPID++
	return resp
}

func (c *Cluster) byID(id [16]byte) *topic {
	for _, t := range c.topics {
		if t.id == id && id != [16]byte{} {
			return t
		}
	}
	return nil
}

func (c *Cluster) produce(x *Exchange, r *kmsg.ProduceRequest) kmsg.Response {
	resp := kmsg.NewPtrProduceResponse()
	for _, t := range r.Topics {
		out := kmsg.NewProduceResponseTopic()
		out.Topic, out.TopicID = t.Topic, t.TopicID
		topic, missing := c.topics[t.Topic], errcode.UnknownTopicOrPartition
		if x.Version >= 13 {
			topic, missing = c.byID(t.TopicID), errcode.UnknownTopicId
		}
		for _, p := range t.Partitions {
			out.Partitions = append(out.Partitions, c.produceTo(x, topic, missing, &p))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (c *Cluster) produceTo(
	x *Exchange, t *topic, missing errcode.Code, in *kmsg.ProduceRequestTopicPartition,
) kmsg.ProduceResponseTopicPartition {
	if t == nil || int(in.Partition) >= len(t.partitions) {
		return refusal(in.Partition, missing)
	}
	p := t.partitions[in.Partition]
	if p.leader != x.Node {
		return refusal(in.Partition, errcode.NotLeaderOrFollower)
	}
	if c.blind {
		h, err := wire.ParseBatchHeader(in.Records)
		if err != nil {
			return refusal(in.Partition, errcode.CorruptMessage)
		}
		p.end += int64(h.Count)
		return success(in.Partition, p.end-int64(h.Count))
	}
	h, records, err := decode(in.Records)
	if err != nil {
		return refusal(in.Partition, errcode.CorruptMessage)
	}
	due := p.due(&h)
	offset, code := p.append(&h, records)
	if code != errcode.None {
		c.note(protocol.Produce, "   (rejected %s-%d seq=%d due=%d)",
			t.name, in.Partition, h.BaseSequence, due)
		return refusal(in.Partition, code)
	}
	return success(in.Partition, offset)
}

func success(index int32, offset int64) kmsg.ProduceResponseTopicPartition {
	out := kmsg.NewProduceResponseTopicPartition()
	out.Partition, out.BaseOffset, out.LogAppendTime, out.LogStartOffset = index, offset, -1, 0
	return out
}

// Written is how many records a partition has.
func (c *Cluster) Written(name string, index int32) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.topics[name].partitions[index]
	return p.end + int64(len(p.records))
}
