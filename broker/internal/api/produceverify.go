package api

import (
	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// implicitAdd is the first version whose batches put their partition into the
// transaction (KIP-890).
const implicitAdd = 12

// verify has the transaction coordinator confirm that the partition is in the
// producer's transaction, or put it there, and completes the append request.
// Nothing is asked while the transaction is open in the partition.
// Source: ReplicaManager.maybeSendPartitionsToTransactionCoordinator.
func (p *producing) verify(
	r *partition.AppendRequest, part *partition.Partition, t *topics.Topic, h *wire.BatchHeader,
) error {
	if len(p.txnID) == 0 {
		return errcode.TransactionalIdAuthorizationFailed
	}
	r.TransactionVersion2 = p.c.version >= implicitAdd
	if r.Verification = part.Verify(h); r.Verification == nil {
		return nil
	}
	producer := txncoordinator.Producer{ID: h.ProducerID, Epoch: h.ProducerEpoch}
	list := []txncoordinator.TopicPartition{{Topic: t.Name, Partition: part.Name().Partition}}
	code := errcode.None
	switch {
	case r.TransactionVersion2:
		code = p.a.txns.Add(string(p.txnID), producer, list, txncoordinator.Version2)
	case p.a.cfg.Settings.Bool("transaction.partition.verification.enable"):
		code = p.a.txns.Verify(string(p.txnID), producer, list)[0]
	}
	if code != errcode.None {
		return p.verifyRefusal(code)
	}
	r.TransactionVerified = true
	return nil
}

// verifyRefusal makes of the coordinator's answer one that a producer of that
// version knows what to do with. Source: AddPartitionsToTxnManager,
// ReplicaManager.handleProduceAppend.
func (p *producing) verifyRefusal(code errcode.Code) error {
	switch code {
	case errcode.ProducerFenced:
		return errcode.InvalidProducerEpoch
	case errcode.TransactionAbortable:
		if p.c.version < 11 {
			return invalidTxnState
		}
	case errcode.InvalidTxnState:
		return invalidTxnState
	case errcode.ConcurrentTransactions:
		if p.c.version < implicitAdd {
			return unverified
		}
	case errcode.CoordinatorNotAvailable, errcode.CoordinatorLoadInProgress, errcode.NotCoordinator:
		return unverified
	}
	return code
}

var (
	invalidTxnState = &partition.Error{Code: errcode.InvalidTxnState,
		Message: "the partition was not added to the transaction"}
	// Every client tries this again, and none asks for metadata first.
	unverified = &partition.Error{Code: errcode.NotEnoughReplicas,
		Message: "it could not be verified that the partition is in the transaction"}
)
