package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

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
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if req.TransactionalID != nil {
		return a.initTransactional(req, resp)
	}
	id, err := a.cfg.ProducerIDs.Next()
	if err != nil {
		a.cfg.Logger.Error("producer ids cannot be stored", "error", err)
		resp.ErrorCode = int16(errcode.KafkaStorageError)
		return nil
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
	return nil
}

// initTransactional is where the transaction coordinator gives the id of a
// transactional producer.
func (a *API) initTransactional(
	req *kmsg.InitProducerIDRequest, resp *kmsg.InitProducerIDResponse,
) error {
	if *req.TransactionalID == "" {
		resp.ErrorCode = int16(errcode.InvalidRequest)
		return nil
	}
	resp.ErrorCode = int16(errcode.NotCoordinator)
	return nil
}
