package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// txnOffsetCommit stores how far a group has read, to count when a transaction
// is committed (KIP-98). Versions 0 to 6.
//
//	v2  leader epochs (KIP-320)
//	v3  the member that commits (KIP-447)
//	v4  TRANSACTION_ABORTABLE (KIP-890)
//	v5  AddOffsetsToTxn need not come before (KIP-890)
//	v6  topics by id
func (a *API) txnOffsetCommit(
	c *call, req *kmsg.TxnOffsetCommitRequest, resp *kmsg.TxnOffsetCommitResponse,
) error {
	var list []groupcoordinator.Offset
	var places [][2]int // in the response, of each of list
	for i := range req.Topics {
		rt := &req.Topics[i]
		missing := errcode.UnknownTopicOrPartition
		t := topicOf(c.topics, rt.Topic, rt.TopicID, c.version >= 6)
		if c.version >= 6 {
			missing = errcode.UnknownTopicId
		}
		out := kmsg.NewTxnOffsetCommitResponseTopic()
		out.Topic, out.TopicID = rt.Topic, rt.TopicID
		for j, rp := range rt.Partitions {
			op := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			op.Partition = rp.Partition
			switch {
			case t == nil:
				op.ErrorCode = int16(missing)
			case !t.Has(rp.Partition):
				op.ErrorCode = int16(errcode.UnknownTopicOrPartition)
			default:
				list = append(list, groupcoordinator.Offset{Topic: t.Name, Partition: rp.Partition,
					Offset: rp.Offset, LeaderEpoch: rp.LeaderEpoch, Metadata: value(rp.Metadata)})
				places = append(places, [2]int{i, j})
			}
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	if len(list) == 0 {
		return nil
	}
	for i, code := range a.commitInTxn(c, req, list) {
		resp.Topics[places[i][0]].Partitions[places[i][1]].ErrorCode = int16(code)
	}
	return nil
}

func (a *API) commitInTxn(
	c *call, req *kmsg.TxnOffsetCommitRequest, list []groupcoordinator.Offset,
) []errcode.Code {
	proof, code := txnProof{}, a.coordinates(c)
	if code == errcode.None {
		proof, code = a.proveOffsets(c, req)
	}
	if code != errcode.None {
		codes := make([]errcode.Code, len(list))
		for i := range codes {
			codes[i] = code
		}
		return codes
	}
	ref := memberRef(req.Group, req.Generation, req.MemberID, req.InstanceID)
	return a.groups.CommitInTransaction(ref, groupcoordinator.Txn{
		ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch, Proof: proof}, list)
}

// proveOffsets has the group's partition of __consumer_offsets confirmed to be
// in the transaction. Source: GroupCoordinatorService.commitTransactionalOffsets.
func (a *API) proveOffsets(
	c *call, req *kmsg.TxnOffsetCommitRequest,
) (txnProof, errcode.Code) {
	l := a.groupLog()
	n, err := l.Partitions()
	if err != nil {
		a.complain("groups cannot be stored", err)
		return txnProof{}, errcode.CoordinatorNotAvailable
	}
	part, err := l.partition(groupcoordinator.PartitionFor(req.Group, n))
	if err != nil {
		a.complain("groups cannot be stored", err)
		return txnProof{}, errcode.CoordinatorNotAvailable
	}
	const implicitAdd = 5
	proof, code := a.prove(part, txnAppend{req.TransactionalID, &wire.BatchHeader{
		ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch, BaseSequence: wire.NoSequence,
	}, c.version >= implicitAdd})
	switch {
	case code == errcode.TransactionAbortable && c.version < 4:
		code = errcode.InvalidTxnState
	case code == errcode.ConcurrentTransactions && c.version < implicitAdd:
		code = errcode.CoordinatorLoadInProgress
	}
	return proof, code
}
