package partition

import (
	"github.com/posthaste-go/posthaste/broker/internal/producerstate"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// ProducerState is what DescribeProducers says of a producer (KIP-664).
type ProducerState struct {
	ProducerID            int64
	ProducerEpoch         int16
	LastSequence          int32 // -1 if it has written no numbered batch
	LastTimestamp         int64 // milliseconds
	CoordinatorEpoch      int32 // -1 before the first marker
	CurrentTxnStartOffset int64 // -1 without an open transaction
}

// Producers lists the producers that the partition remembers, by id.
func (p *Partition) Producers() []ProducerState {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries := p.log.Producers().Entries()
	out := make([]ProducerState, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		out = append(out, ProducerState{
			ProducerID: e.ProducerID, ProducerEpoch: e.ProducerEpoch,
			LastSequence: e.LastSequence(), LastTimestamp: e.LastTimestamp,
			CoordinatorEpoch: e.CoordinatorEpoch, CurrentTxnStartOffset: e.TxnFirstOffset,
		})
	}
	return out
}

// Verification is a question to the transaction coordinator that is under way.
type Verification = producerstate.Verification

// Verify is to be called before the transaction coordinator is asked whether
// the partition is in a producer's transaction; h is the batch to append. It
// returns nil if the coordinator need not be asked: the transaction is open here.
func (p *Partition) Verify(h *wire.BatchHeader) *Verification {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Producers().Verify(h, p.nowMillis())
}
