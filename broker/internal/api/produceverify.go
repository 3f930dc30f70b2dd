package api

import (
	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// implicitAdd is the first version whose batches put their partition into the
// transaction (KIP-890).
const implicitAdd = 12

// txnProof is what makes an append part of a transaction.
type txnProof struct {
	version2     bool
	verification *partition.Verification // nil if the transaction is open there
}

// txnAppend is a batch of a transaction on its way into a partition.
type txnAppend struct {
	txnID    string
	header   *wire.BatchHeader // its producer and its sequence
	version2 bool              // the append puts the partition into the transaction (KIP-890)
}

// prove has the transaction coordinator confirm that a partition is in the
// producer's transaction, or put it there. Nothing is asked while the
// transaction is open in the partition.
// Source: ReplicaManager.maybeSendPartitionsToTransactionCoordinator.
func (a *API) prove(part *partition.Partition, r txnAppend) (txnProof, errcode.Code) {
	proof := txnProof{version2: r.version2, verification: part.Verify(r.header)}
	if proof.verification == nil {
		return proof, errcode.None
	}
	producer := txncoordinator.Producer{ID: r.header.ProducerID, Epoch: r.header.ProducerEpoch}
	name := part.Name()
	list := []txncoordinator.TopicPartition{{Topic: name.Topic, Partition: name.Partition}}
	code := errcode.None
	switch {
	case r.version2:
		code = a.txns.Add(r.txnID, producer, list, txncoordinator.Version2)
	case a.cfg.Settings.Bool("transaction.partition.verification.enable"):
		code = a.txns.Verify(r.txnID, producer, list)[0]
	}
	if code == errcode.ProducerFenced {
		code = errcode.InvalidProducerEpoch
	}
	return proof, code
}

// addAhead puts all partitions of a request into the transaction with one write
// of its state; verify, which asks again for each, finds them there. What is
// wrong with a partition is for verify to say.
func (p *producing) addAhead() {
	ahead := *p // reads the request, and answers nothing
	ahead.out = nil
	var list []txncoordinator.TopicPartition
	var producer txncoordinator.Producer
	for range ahead.arrayLen() {
		t := ahead.topic()
		for range ahead.arrayLen() {
			n := ahead.r.Int32()
			records := ahead.r.CompactNullableString() // as bytes: the same length prefix
			ahead.r.Tags()
			h, err := ahead.check(records)
			if err != nil || !h.Attributes.Has(wire.Transactional) || h.ProducerID < 0 {
				continue
			}
			part, err := p.a.partition(p.c, t, n)
			if err != nil || part.Verify(&h) == nil {
				continue
			}
			producer = txncoordinator.Producer{ID: h.ProducerID, Epoch: h.ProducerEpoch}
			list = append(list, txncoordinator.TopicPartition{Topic: t.Name, Partition: n})
		}
		ahead.tags()
	}
	if len(list) > 1 && ahead.r.Err() == nil {
		p.a.txns.Add(string(p.txnID), producer, list, txncoordinator.Version2)
	}
}

// verify completes the append request of a transactional batch.
func (p *producing) verify(
	r *partition.AppendRequest, part *partition.Partition, h *wire.BatchHeader,
) error {
	if len(p.txnID) == 0 {
		return errcode.TransactionalIdAuthorizationFailed
	}
	proof, code := p.a.prove(part, txnAppend{string(p.txnID), h, p.c.version >= implicitAdd})
	if code != errcode.None {
		return p.verifyRefusal(code)
	}
	r.TransactionVersion2 = proof.version2
	r.TransactionVerified = proof.verification != nil
	r.Verification = proof.verification
	return nil
}

// verifyRefusal makes of the coordinator's answer one that a producer of that
// version knows what to do with. Source: AddPartitionsToTxnManager,
// ReplicaManager.handleProduceAppend.
func (p *producing) verifyRefusal(code errcode.Code) error {
	switch code {
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
	case errcode.CoordinatorNotAvailable:
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
