package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// initProducerID gives a producer its id (KIP-98). Versions 0 to 5.
//
//	v3  the id and epoch that the producer has (KIP-360); without a
//	    transactional id that matters not: it gets a new id
//	v4  PRODUCER_FENCED (KIP-588); v5 TRANSACTION_ABORTABLE (KIP-890)
func (a *API) initProducerID(
	c *call, req *kmsg.InitProducerIDRequest, resp *kmsg.InitProducerIDResponse,
) error {
	p, code := a.producer(c, req)
	resp.ProducerID, resp.ProducerEpoch = p.ID, p.Epoch
	resp.ErrorCode = unlessFenced(code, c.version >= 4)
	return nil
}

var noProducer = txncoordinator.Producer{ID: -1, Epoch: -1}

// producer is a new producer id, or what the transaction coordinator gives.
func (a *API) producer(
	c *call, req *kmsg.InitProducerIDRequest,
) (txncoordinator.Producer, errcode.Code) {
	if req.TransactionalID == nil {
		id, err := a.cfg.ProducerIDs.Next()
		if err != nil {
			a.cfg.Logger.Error("producer ids cannot be stored", "error", err)
			return noProducer, errcode.KafkaStorageError
		}
		return txncoordinator.Producer{ID: id}, errcode.None
	}
	r := txncoordinator.InitRequest{TransactionalID: *req.TransactionalID,
		Timeout: req.TransactionTimeoutMillis}
	switch {
	case req.ProducerID >= 0 && req.ProducerEpoch >= 0:
		r.Expected = &txncoordinator.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}
	case req.ProducerID >= 0 || req.ProducerEpoch >= 0:
		return noProducer, errcode.InvalidRequest
	}
	if r.TransactionalID == "" {
		return noProducer, errcode.InvalidRequest
	}
	if code := a.coordinatesTxn(c, r.TransactionalID); code != errcode.None {
		return noProducer, code
	}
	return a.txns.Init(r)
}
