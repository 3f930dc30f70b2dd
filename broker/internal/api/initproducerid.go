package api

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// initProducerID gives a producer its id (KIP-98). Versions 0 to 6.
//
//	v3  the id and epoch that the producer has (KIP-360); without a
//	    transactional id that matters not: it gets a new id
//	v4  PRODUCER_FENCED (KIP-588); v5 TRANSACTION_ABORTABLE (KIP-890)
//	v6  two-phase commit (KIP-939), which kmsg does not know
func (a *API) initProducerID() entry {
	older := serving(0, 5, func(
		c *call, req *kmsg.InitProducerIDRequest, resp *kmsg.InitProducerIDResponse,
	) error {
		p, code := a.producer(c, initRequest{InitProducerIDRequest: *req})
		resp.ProducerID, resp.ProducerEpoch = p.ID, p.Epoch
		resp.ErrorCode = unlessFenced(code, c.version >= 4)
		return nil
	})
	return entry{
		Range: protocol.Range{Min: 0, Max: 6},
		serve: func(c *call, body, out []byte) ([]byte, error) {
			if c.version < initTwoPhase {
				return older.serve(c, body, out)
			}
			req, err := readInitTwoPhase(body)
			if err != nil {
				return out, err
			}
			p, code := a.producer(c, req)
			return appendInitTwoPhase(out, p, code), nil
		},
	}
}

// initTwoPhase is the first version of InitProducerId with two-phase commit.
const initTwoPhase = 6

// initRequest is an InitProducerId of any version.
type initRequest struct {
	kmsg.InitProducerIDRequest
	twoPhase     bool // enable2Pc
	keepPrepared bool // keepPreparedTxn
}

func readInitTwoPhase(body []byte) (req initRequest, err error) {
	if err := checkLayout(protocol.InitProducerID, initTwoPhase, body); err != nil {
		return req, err
	}
	r := protocol.NewReader(body)
	if id := r.CompactNullableString(); id != nil {
		text := string(id)
		req.TransactionalID = &text
	}
	req.TransactionTimeoutMillis = r.Int32()
	req.ProducerID, req.ProducerEpoch = r.Int64(), r.Int16()
	req.twoPhase, req.keepPrepared = r.Bool(), r.Bool()
	return req, r.Err()
}

func appendInitTwoPhase(out []byte, p txncoordinator.Granted, code errcode.Code) []byte {
	out = append(out, 0, 0, 0, 0) // throttle time
	out = binary.BigEndian.AppendUint16(out, uint16(code))
	for _, q := range []txncoordinator.Producer{p.Producer, p.Ongoing} {
		out = binary.BigEndian.AppendUint64(out, uint64(q.ID))
		out = binary.BigEndian.AppendUint16(out, uint16(q.Epoch))
	}
	return append(out, 0)
}

var (
	noProducer = txncoordinator.Producer{ID: -1, Epoch: -1}
	noGrant    = txncoordinator.Granted{Producer: noProducer, Ongoing: noProducer}
)

// producer is a new producer id, or what the transaction coordinator gives.
func (a *API) producer(
	c *call, req initRequest,
) (txncoordinator.Granted, errcode.Code) {
	if req.TransactionalID == nil {
		id, err := a.cfg.ProducerIDs.Next()
		if err != nil {
			a.cfg.Logger.Error("producer ids cannot be stored", "error", err)
			return noGrant, errcode.KafkaStorageError
		}
		return txncoordinator.Granted{
			Producer: txncoordinator.Producer{ID: id}, Ongoing: noProducer}, errcode.None
	}
	r := txncoordinator.InitRequest{TransactionalID: *req.TransactionalID,
		Timeout:        req.TransactionTimeoutMillis,
		TwoPhaseCommit: req.twoPhase, KeepPrepared: req.keepPrepared}
	switch {
	case req.ProducerID >= 0 && req.ProducerEpoch >= 0:
		r.Expected = &txncoordinator.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}
	case req.ProducerID >= 0 || req.ProducerEpoch >= 0:
		return noGrant, errcode.InvalidRequest
	}
	if r.TransactionalID == "" {
		return noGrant, errcode.InvalidRequest
	}
	if code := a.coordinatesTxn(c, r.TransactionalID); code != errcode.None {
		return noGrant, code
	}
	return a.txns.Init(r)
}
