package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// addPartitionsToTxn puts partitions into a transaction (KIP-98). Versions 0 to 5.
//
//	v2  PRODUCER_FENCED (KIP-588)
//	v3  flexible
//	v4  several transactions at once, and only asking; for brokers (KIP-890)
//	v5  TRANSACTION_ABORTABLE for a partition that is not there
//
// Source: KafkaApis.handleAddPartitionsToTxnRequest.
func (a *API) addPartitionsToTxn(
	c *call, req *kmsg.AddPartitionsToTxnRequest, resp *kmsg.AddPartitionsToTxnResponse,
) error {
	if c.version >= 4 {
		for i := range req.Transactions {
			resp.Transactions = append(resp.Transactions, a.addToTxn(c, &req.Transactions[i]))
		}
		return nil
	}
	// The older form is the newer one with a single transaction.
	t := kmsg.NewAddPartitionsToTxnRequestTransaction()
	t.TransactionalID, t.ProducerID, t.ProducerEpoch =
		req.TransactionalID, req.ProducerID, req.ProducerEpoch
	for _, rt := range req.Topics {
		topic := kmsg.NewAddPartitionsToTxnRequestTransactionTopic()
		topic.Topic, topic.Partitions = rt.Topic, rt.Partitions
		t.Topics = append(t.Topics, topic)
	}
	out := a.addToTxn(c, &t)
	for _, ot := range out.Topics {
		topic := kmsg.NewAddPartitionsToTxnResponseTopic()
		topic.Topic = ot.Topic
		for _, op := range ot.Partitions {
			p := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			p.Partition = op.Partition
			p.ErrorCode = unlessFenced(errcode.Code(op.ErrorCode), c.version >= 2)
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return nil
}

// addToTxn adds all partitions or, if one of them is unknown, none.
func (a *API) addToTxn(
	c *call, req *kmsg.AddPartitionsToTxnRequestTransaction,
) kmsg.AddPartitionsToTxnResponseTransaction {
	out := kmsg.NewAddPartitionsToTxnResponseTransaction()
	out.TransactionalID = req.TransactionalID
	var list []txncoordinator.TopicPartition
	var unknown []bool
	any := false
	for _, rt := range req.Topics {
		t := c.topics.Named(rt.Topic)
		for _, n := range rt.Partitions {
			list = append(list, txncoordinator.TopicPartition{Topic: rt.Topic, Partition: n})
			missing := t == nil || !t.Has(n)
			unknown, any = append(unknown, missing), any || missing
		}
	}
	var codes []errcode.Code
	switch {
	case any:
		for _, missing := range unknown {
			code := errcode.OperationNotAttempted
			if missing {
				code = errcode.UnknownTopicOrPartition
			}
			codes = append(codes, code)
		}
	default:
		codes = a.addAll(c, req, list)
	}
	for _, rt := range req.Topics {
		topic := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
		topic.Topic = rt.Topic
		for _, n := range rt.Partitions {
			p := kmsg.NewAddPartitionsToTxnResponseTransactionTopicPartition()
			p.Partition, p.ErrorCode = n, int16(codes[0])
			codes = codes[1:]
			topic.Partitions = append(topic.Partitions, p)
		}
		out.Topics = append(out.Topics, topic)
	}
	return out
}

// addAll is the codes of partitions that exist.
func (a *API) addAll(
	c *call, req *kmsg.AddPartitionsToTxnRequestTransaction, list []txncoordinator.TopicPartition,
) []errcode.Code {
	p := txncoordinator.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}
	code := a.coordinatesTxn(c, req.TransactionalID)
	if code == errcode.None && req.VerifyOnly {
		codes := a.txns.Verify(req.TransactionalID, p, list)
		for i := range codes {
			if codes[i] == errcode.TransactionAbortable && c.version < 5 {
				codes[i] = errcode.InvalidTxnState
			}
		}
		return codes
	}
	if code == errcode.None {
		version := txncoordinator.Version0
		if c.version >= 4 {
			version = txncoordinator.Version2
		}
		code = a.txns.Add(req.TransactionalID, p, list, version)
	}
	codes := make([]errcode.Code, len(list))
	for i := range codes {
		codes[i] = code
	}
	return codes
}
