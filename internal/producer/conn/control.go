package conn

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// control is a request that is not a produce request. Messages of package kmsg
// go no further than this file.
type control struct {
	request kmsg.Request
	ask     *sender.TxnRequest // what it is for, if for a transaction
}

func (c control) key() protocol.Key { return protocol.Key(c.request.Key()) }

// rebootstrapRequired is the code by which a broker sends clients back to the
// bootstrap list (KIP-1102).
const rebootstrapRequired = errcode.RebootstrapRequired

// Metadata asks for topics; for none of them it asks for the brokers alone.
func (c *Conn) Metadata(topics []string) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	req.AllowAutoTopicCreation = true // the broker's setting decides
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, t)
	}
	c.enqueue(message{control: control{request: req}})
}

// ProducerID asks for a producer id without a transactional id.
func (c *Conn) ProducerID() {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionTimeoutMillis = math.MaxInt32
	req.ProducerID, req.ProducerEpoch = -1, -1
	c.enqueue(message{control: control{request: req}})
}

func (w *writer) sendControl(m message) error {
	version, err := w.conn.versions.of(m.control.request)
	if err == nil && m.control.ask != nil {
		version, err = adjust(m.control.request, m.control.ask)
	}
	if err != nil {
		w.conn.refuse(m.control, err)
		return nil
	}
	m.version = version
	w.head = appendRequest(w.head, m.control.request, m.correlation, w.conn.settings.ClientID)
	w.conn.pending <- m
	return w.writeAll(w.head)
}

// appendRequest appends a whole request frame.
func appendRequest(dst []byte, req kmsg.Request, correlation int32, clientID string) []byte {
	dst = append(dst, 0, 0, 0, 0)
	h := protocol.RequestHeader{
		Key: protocol.Key(req.Key()), Version: req.GetVersion(), CorrelationID: correlation,
		ClientID: []byte(clientID),
	}
	dst = h.Append(dst)
	dst = req.AppendTo(dst)
	binary.BigEndian.PutUint32(dst, uint32(len(dst)-4))
	return dst
}

// refuse answers a request that the broker has no version for.
func (c *Conn) refuse(ct control, err error) {
	if ct.ask != nil {
		c.settings.Events(&sender.TxnAnswer{
			Conn: c.id, Request: ct.ask, Code: errcode.UnsupportedVersion,
			Err: fmt.Errorf("%s: %w", c.addr, err),
		})
		return
	}
	switch ct.request.(type) {
	case *kmsg.MetadataRequest:
		c.settings.Events(&sender.MetadataAnswer{Conn: c.id, Err: err})
	case *kmsg.InitProducerIDRequest:
		c.settings.Events(&sender.ProducerIDAnswer{Conn: c.id, Code: errcode.UnsupportedVersion})
	}
}

func (c *Conn) answerControl(m message, body []byte) error {
	req := m.control.request
	resp := req.ResponseKind()
	resp.SetVersion(m.version)
	if err := resp.ReadFrom(body); err != nil {
		return fmt.Errorf("%v answer: %w", m.control.key(), err)
	}
	if m.control.ask != nil {
		c.settings.Events(txnAnswer(c.id, m.control.ask, resp))
		return nil
	}
	switch resp := resp.(type) {
	case *kmsg.MetadataResponse:
		c.settings.Events(&sender.MetadataAnswer{Conn: c.id, Answer: answerOf(resp)})
	case *kmsg.InitProducerIDResponse:
		c.settings.Events(&sender.ProducerIDAnswer{
			Conn: c.id, Code: errcode.Code(resp.ErrorCode),
			ID: producerid.ID{ID: resp.ProducerID, Epoch: resp.ProducerEpoch},
		})
	}
	return nil
}

// trustedEpochs is the metadata version from which leader epochs are right.
// Source: MetadataResponse.hasReliableLeaderEpochs (KAFKA-9212).
const trustedEpochs = 9

func answerOf(resp *kmsg.MetadataResponse) *metadata.Answer {
	a := &metadata.Answer{Controller: resp.ControllerID}
	if resp.ClusterID != nil {
		a.ClusterID = *resp.ClusterID
	}
	a.Rebootstrap = errcode.Code(resp.ErrorCode) == rebootstrapRequired
	for _, b := range resp.Brokers {
		broker := metadata.Broker{ID: b.NodeID, Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			broker.Rack = *b.Rack
		}
		a.Brokers = append(a.Brokers, broker)
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if t.Topic != nil {
			a.Topics = append(a.Topics, topicOf(t, resp.Version >= trustedEpochs))
		}
	}
	return a
}

func topicOf(t *kmsg.MetadataResponseTopic, epochs bool) metadata.Topic {
	out := metadata.Topic{
		Name: *t.Topic, ID: metadata.TopicID(t.TopicID), Err: errcode.Code(t.ErrorCode),
	}
	highest := int32(-1)
	for _, p := range t.Partitions {
		highest = max(highest, p.Partition)
	}
	if highest >= int32(len(t.Partitions)) && highest > 1<<20 {
		return out // no broker numbers partitions so
	}
	out.Partitions = make([]metadata.Partition, highest+1)
	for i := range out.Partitions {
		out.Partitions[i] = metadata.Partition{Leader: metadata.NoLeader, Epoch: -1}
	}
	for _, p := range t.Partitions {
		q := metadata.Partition{Leader: p.Leader, Epoch: -1, Err: errcode.Code(p.ErrorCode)}
		if epochs {
			q.Epoch = p.LeaderEpoch
		}
		if p.Partition >= 0 {
			out.Partitions[p.Partition] = q
		}
	}
	return out
}
