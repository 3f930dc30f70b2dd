package sink

import (
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// control answers every request but Produce.
func (c *conn) control(h header) error {
	if h.key == int16(kmsg.ApiVersions) && !supported(h.key, h.version) {
		// KIP-511: an answer of version 0 tells the client what to use.
		c.in.skip(c.in.left)
		return c.apiVersions(0, 35)
	}
	if !supported(h.key, h.version) {
		return unsupported(h)
	}
	req := kmsg.RequestForKey(h.key)
	req.SetVersion(h.version)
	if req.IsFlexible() {
		c.in.skipTags()
	}
	body := c.in.rest()
	if c.in.err != nil {
		return c.in.err
	}
	if err := req.ReadFrom(body); err != nil {
		return fmt.Errorf("%w: %s: %w", errMalformed, kmsg.NameForKey(h.key), err)
	}
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		return c.apiVersions(h.version, 0)
	case *kmsg.MetadataRequest:
		return c.answer(c.metadata(req))
	case *kmsg.InitProducerIDRequest:
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ProducerID = c.sink.producerIDs.Add(1)
		return c.answer(resp)
	case *kmsg.ListOffsetsRequest:
		return c.answer(c.listOffsets(req))
	default:
		return unsupported(h)
	}
}

// apiVersions answers without tags in the header whatever the version, because
// its reader does not know yet what this broker speaks.
func (c *conn) apiVersions(version, code int16) error {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = version
	resp.ErrorCode = code
	resp.ApiKeys = versions
	c.out = resp.AppendTo(c.out)
	return c.reply(0)
}

func (c *conn) answer(resp kmsg.Response) error {
	if resp.IsFlexible() {
		c.out = append(c.out, 0)
	}
	c.out = resp.AppendTo(c.out)
	return c.reply(0)
}

func (c *conn) metadata(req *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID = 1
	broker.Host, broker.Port = c.localAddr()
	resp.Brokers = append(resp.Brokers, broker)
	resp.ClusterID = kmsg.StringPtr("null-broker")
	resp.ControllerID = 1
	topics := make([]*topic, 0, len(req.Topics))
	for _, t := range req.Topics {
		if t.Topic != nil {
			topics = append(topics, c.sink.topic(*t.Topic))
			continue
		}
		if found := c.sink.topicByID(t.TopicID); found != nil {
			topics = append(topics, found)
			continue
		}
		unknown := kmsg.NewMetadataResponseTopic()
		unknown.ErrorCode, unknown.TopicID = errUnknownTopicID, t.TopicID
		resp.Topics = append(resp.Topics, unknown)
	}
	if req.Topics == nil || (req.Version == 0 && len(req.Topics) == 0) {
		topics = c.sink.topics()
	}
	for _, t := range topics {
		resp.Topics = append(resp.Topics, describe(t))
	}
	return resp
}

// describe is a topic whose partitions are all led by the one broker.
func describe(t *topic) kmsg.MetadataResponseTopic {
	mt := kmsg.NewMetadataResponseTopic()
	mt.Topic, mt.TopicID = &t.name, t.id
	self := []int32{1}
	for i := range t.ends {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch = int32(i), 1, 1
		p.Replicas, p.ISR = self, self
		mt.Partitions = append(mt.Partitions, p)
	}
	return mt
}

// localAddr is the address the client reached this broker at.
func (c *conn) localAddr() (host string, port int32) {
	host, p, err := net.SplitHostPort(c.nc.LocalAddr().String())
	if err != nil {
		panic("local address: " + err.Error()) // a TCP address always has a port
	}
	n, err := strconv.ParseInt(p, 10, 32)
	if err != nil {
		panic("local address: " + err.Error())
	}
	return host, int32(n)
}

// listOffsets answers the number of records received as the end offset, and 0
// as the earliest.
func (c *conn) listOffsets(req *kmsg.ListOffsetsRequest) *kmsg.ListOffsetsResponse {
	const earliest = -2
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, rt := range req.Topics {
		t := c.sink.topic(rt.Topic)
		st := kmsg.NewListOffsetsResponseTopic()
		st.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			sp := kmsg.NewListOffsetsResponseTopicPartition()
			sp.Partition, sp.LeaderEpoch, sp.Timestamp = rp.Partition, 1, -1
			switch {
			case rp.Partition < 0 || int(rp.Partition) >= len(t.ends):
				sp.ErrorCode = errUnknownTopicOrPartition
			case rp.Timestamp == earliest:
				sp.Offset = 0
			default:
				sp.Offset = t.ends[rp.Partition].Load()
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}
