package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// addOffsetsToTxn puts the partition of __consumer_offsets that a group lives in
// into a transaction (KIP-98). Versions 0 to 4.
//
//	v2  PRODUCER_FENCED (KIP-588)
//	v3  flexible
//	v4  TRANSACTION_ABORTABLE (KIP-890)
func (a *API) addOffsetsToTxn(
	c *call, req *kmsg.AddOffsetsToTxnRequest, resp *kmsg.AddOffsetsToTxnResponse,
) error {
	code := a.coordinatesTxn(c, req.TransactionalID)
	if code == errcode.None {
		code = a.addOffsets(req)
	}
	resp.ErrorCode = unlessFenced(code, c.version >= 2)
	return nil
}

func (a *API) addOffsets(req *kmsg.AddOffsetsToTxnRequest) errcode.Code {
	n, err := a.groupLog().Partitions()
	if err != nil {
		a.complain("groups cannot be stored", err)
		return errcode.CoordinatorNotAvailable
	}
	list := []txncoordinator.TopicPartition{{Topic: topics.ConsumerOffsets,
		Partition: groupcoordinator.PartitionFor(req.Group, n)}}
	return a.txns.Add(req.TransactionalID,
		txncoordinator.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}, list,
		txncoordinator.Version0)
}
