package conn

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// twoPhaseVersion is the version of InitProducerId that has two-phase commit
// (KIP-939). Package kmsg knows those before it.
const twoPhaseVersion = 6

// twoPhaseInit is an InitProducerId of that version.
//
//	TransactionalId       compact string
//	TransactionTimeoutMs  int32
//	ProducerId, -Epoch    int64, int16
//	Enable2Pc             bool
//	KeepPreparedTxn       bool
//	tags
//
// Source: InitProducerIdRequest.json.
type twoPhaseInit struct {
	kmsg.InitProducerIDRequest
	TwoPhase bool // transactions of this producer have no timeout
	Keep     bool // an open transaction is not aborted
}

// MaxVersion is the only version.
func (*twoPhaseInit) MaxVersion() int16 { return twoPhaseVersion }

// AppendTo appends the request's body.
func (r *twoPhaseInit) AppendTo(dst []byte) []byte {
	dst = protocol.AppendCompactString(dst, *r.TransactionalID)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.TransactionTimeoutMillis))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.ProducerID))
	dst = binary.BigEndian.AppendUint16(dst, uint16(r.ProducerEpoch))
	for _, flag := range []bool{r.TwoPhase, r.Keep, false} { // and no tags
		b := byte(0)
		if flag {
			b = 1
		}
		dst = append(dst, b)
	}
	return dst
}

// ResponseKind is an empty answer.
func (*twoPhaseInit) ResponseKind() kmsg.Response { return &twoPhaseInitAnswer{} }

// twoPhaseInitAnswer is the answer to it: that of older versions, and what was
// kept.
//
//	ThrottleTimeMs                     int32
//	ErrorCode                          int16
//	ProducerId, -Epoch                 int64, int16
//	OngoingTxnProducerId, -Epoch       int64, int16; -1 for none
//	tags
//
// Source: InitProducerIdResponse.json.
type twoPhaseInitAnswer struct {
	kmsg.InitProducerIDResponse
	Ongoing producerid.ID
}

// ReadFrom takes the answer's body apart.
func (r *twoPhaseInitAnswer) ReadFrom(src []byte) error {
	b := protocol.NewReader(src)
	r.ThrottleMillis, r.ErrorCode = b.Int32(), b.Int16()
	r.ProducerID, r.ProducerEpoch = b.Int64(), b.Int16()
	r.Ongoing = producerid.ID{ID: b.Int64(), Epoch: b.Int16()}
	b.Tags()
	return b.Err()
}
