package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// endTxn commits or aborts a transaction (KIP-98). Versions 0 to 5.
//
//	v2  PRODUCER_FENCED (KIP-588)
//	v3  flexible
//	v4  TRANSACTION_ABORTABLE (KIP-890)
//	v5  transactions of version 2: the producer to go on with (KIP-890)
func (a *API) endTxn(c *call, req *kmsg.EndTxnRequest, resp *kmsg.EndTxnResponse) error {
	p, code := noProducer, a.coordinatesTxn(c, req.TransactionalID)
	if code == errcode.None {
		version := txncoordinator.Version0
		if c.version >= 5 {
			version = txncoordinator.Version2
		}
		p, code = a.txns.End(req.TransactionalID,
			txncoordinator.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}, req.Commit, version)
	}
	resp.ErrorCode = unlessFenced(code, c.version >= 2)
	resp.ProducerID, resp.ProducerEpoch = p.ID, p.Epoch
	return nil
}
