package conn

import (
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Transaction asks a coordinator for something; a TxnAnswer follows.
func (c *Conn) Transaction(r *sender.TxnRequest) {
	c.enqueue(message{control: control{request: c.txnRequest(r), ask: r}})
}

// kinds of coordinators, as FindCoordinator numbers them.
const (
	groupCoordinator       = int8(0)
	transactionCoordinator = int8(1)
)

func (c *Conn) txnRequest(r *sender.TxnRequest) kmsg.Request {
	id := c.settings.TransactionalID
	switch r.Ask {
	case sender.FindCoordinator:
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey, req.CoordinatorType = id, transactionCoordinator
		if r.Group.ID != "" {
			req.CoordinatorKey, req.CoordinatorType = r.Group.ID, groupCoordinator
		}
		req.CoordinatorKeys = []string{req.CoordinatorKey}
		return req
	case sender.InitProducerID:
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID = &id
		req.TransactionTimeoutMillis = int32(c.settings.TransactionTimeout.Milliseconds())
		req.ProducerID, req.ProducerEpoch = r.ID.ID, r.ID.Epoch
		if r.TwoPhase || r.Keep {
			return &twoPhaseInit{InitProducerIDRequest: *req, TwoPhase: r.TwoPhase, Keep: r.Keep}
		}
		return req
	case sender.AddPartitionsToTxn:
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		req.TransactionalID = id
		req.ProducerID, req.ProducerEpoch = r.ID.ID, r.ID.Epoch
		for _, p := range r.Partitions {
			t := topicIn(&req.Topics, func(t *kmsg.AddPartitionsToTxnRequestTopic) *string {
				return &t.Topic
			}, p.Topic)
			t.Partitions = append(t.Partitions, p.Index)
		}
		return req
	case sender.AddOffsetsToTxn:
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.Group = id, r.Group.ID
		req.ProducerID, req.ProducerEpoch = r.ID.ID, r.ID.Epoch
		return req
	case sender.TxnOffsetCommit:
		return offsetCommit(id, r)
	}
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.Commit = id, r.Commit
	req.ProducerID, req.ProducerEpoch = r.ID.ID, r.ID.Epoch
	return req
}

func offsetCommit(id string, r *sender.TxnRequest) kmsg.Request {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group = id, r.Group.ID
	req.ProducerID, req.ProducerEpoch = r.ID.ID, r.ID.Epoch
	req.Generation, req.MemberID = r.Group.Generation, r.Group.Member
	if r.Group.Instance != "" {
		req.InstanceID = &r.Group.Instance
	}
	for _, o := range r.Offsets {
		t := topicIn(&req.Topics, func(t *kmsg.TxnOffsetCommitRequestTopic) *string {
			return &t.Topic
		}, o.Topic)
		t.TopicID = o.TopicID
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = o.Index, o.Offset, o.LeaderEpoch
		p.Metadata = kmsg.StringPtr(o.Metadata)
		t.Partitions = append(t.Partitions, p)
	}
	return req
}

// topicIn is the entry of a topic in a request's list, made if need be.
func topicIn[T any](list *[]T, name func(*T) *string, topic string) *T {
	for i := range *list {
		if *name(&(*list)[i]) == topic {
			return &(*list)[i]
		}
	}
	var made T
	*name(&made) = topic
	*list = append(*list, made)
	return &(*list)[len(*list)-1]
}

var errOldGroupCoordinator = errors.New("the group's coordinator is older than Kafka 2.5 and" +
	" does not take a member's metadata (KIP-447)")

// offsetsByID is the first version of TxnOffsetCommit in which topics go by id
// alone (KIP-1319).
const offsetsByID = 6

func allIdentified(list []sender.GroupOffset) bool {
	return !slices.ContainsFunc(list, func(o sender.GroupOffset) bool {
		return o.TopicID == metadata.TopicID{}
	})
}

// nameOf is the name of the topic that has an id in a request.
func nameOf(id metadata.TopicID, list []sender.GroupOffset) string {
	i := slices.IndexFunc(list, func(o sender.GroupOffset) bool { return o.TopicID == id })
	if i < 0 {
		return "" // the broker answers what was not asked
	}
	return list[i].Topic
}

// adjust lowers a request's version to what the transaction may use.
func adjust(req kmsg.Request, r *sender.TxnRequest) (int16, error) {
	version := req.GetVersion()
	if newest, limited := ours1[protocol.Key(req.Key())]; limited && !r.V2 {
		version = min(version, newest)
		req.SetVersion(version)
	}
	if r.Ask == sender.TxnOffsetCommit && version >= offsetsByID && !allIdentified(r.Offsets) {
		version = offsetsByID - 1
		req.SetVersion(version)
	}
	member := r.Group.Member != "" || r.Group.Instance != "" || r.Group.Generation >= 0
	if r.Ask == sender.TxnOffsetCommit && version < 3 && member {
		return 0, errOldGroupCoordinator
	}
	if r.Ask == sender.FindCoordinator && version < 1 && r.Group.ID == "" {
		return 0, errors.New("the broker is older than Kafka 0.11 and has no transactions")
	}
	return version, nil
}

func txnAnswer(id sender.ConnID, r *sender.TxnRequest, resp kmsg.Response) *sender.TxnAnswer {
	a := &sender.TxnAnswer{Conn: id, Request: r, ID: producerid.NoID, Ongoing: producerid.NoID}
	switch resp := resp.(type) {
	case *kmsg.FindCoordinatorResponse:
		a.Code = errcode.Code(resp.ErrorCode)
		a.Node = metadata.Broker{ID: resp.NodeID, Host: resp.Host, Port: resp.Port}
		if resp.Version >= 4 {
			a.Code = errcode.CoordinatorNotAvailable // the answer leaves our key out
			for _, co := range resp.Coordinators {
				a.Code = errcode.Code(co.ErrorCode)
				a.Node = metadata.Broker{ID: co.NodeID, Host: co.Host, Port: co.Port}
			}
		}
	case *kmsg.InitProducerIDResponse:
		a.Code = errcode.Code(resp.ErrorCode)
		a.ID = producerid.ID{ID: resp.ProducerID, Epoch: resp.ProducerEpoch}
		a.Raises = resp.Version >= 3
	case *twoPhaseInitAnswer:
		a.Code, a.Raises = errcode.Code(resp.ErrorCode), true
		a.ID = producerid.ID{ID: resp.ProducerID, Epoch: resp.ProducerEpoch}
		a.Ongoing = resp.Ongoing
	case *kmsg.AddPartitionsToTxnResponse:
		a.Code = errcode.Code(resp.ErrorCode)
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				a.Partitions = append(a.Partitions, partitionCode(t.Topic, p.Partition, p.ErrorCode))
			}
		}
	case *kmsg.AddOffsetsToTxnResponse:
		a.Code = errcode.Code(resp.ErrorCode)
	case *kmsg.TxnOffsetCommitResponse:
		for _, t := range resp.Topics {
			if resp.Version >= offsetsByID {
				t.Topic = nameOf(t.TopicID, r.Offsets)
			}
			for _, p := range t.Partitions {
				a.Partitions = append(a.Partitions, partitionCode(t.Topic, p.Partition, p.ErrorCode))
			}
		}
	case *kmsg.EndTxnResponse:
		a.Code = errcode.Code(resp.ErrorCode)
		if resp.Version >= 5 && a.Code == errcode.None {
			a.ID = producerid.ID{ID: resp.ProducerID, Epoch: resp.ProducerEpoch}
		}
	}
	return a
}

func partitionCode(topic string, index int32, code int16) sender.PartitionCode {
	return sender.PartitionCode{
		TopicPartition: sender.TopicPartition{Topic: topic, Index: index}, Code: errcode.Code(code),
	}
}
