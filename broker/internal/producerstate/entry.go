package producerstate

import (
	"github.com/posthaste-go/posthaste/internal/wire"
)

// BatchesRemembered is how many batches of a producer are known: as many as an
// idempotent producer may have in flight.
const BatchesRemembered = 5

// Batch is one of a producer's last batches.
type Batch struct {
	LastSequence int32
	LastOffset   int64
	OffsetDelta  int32 // records less one
	Timestamp    int64 // the batch's largest, milliseconds
}

// FirstSequence is the sequence of the batch's first record.
func (b Batch) FirstSequence() int32 {
	if b.LastSequence == wire.NoSequence {
		return wire.NoSequence
	}
	return int32((int64(b.LastSequence) - int64(b.OffsetDelta)) & 0x7fffffff)
}

// FirstOffset is the offset of the batch's first record.
func (b Batch) FirstOffset() int64 { return b.LastOffset - int64(b.OffsetDelta) }

// Entry is one producer.
type Entry struct {
	ProducerID       int64
	ProducerEpoch    int16
	CoordinatorEpoch int32 // of the last marker; -1 before the first
	LastTimestamp    int64 // of its last batch or marker, milliseconds
	// TxnFirstOffset is where its open transaction begins; -1 without one.
	TxnFirstOffset int64

	batches  [BatchesRemembered]Batch // oldest first
	count    int
	lastSeen int64 // milliseconds on this node's clock; see State.Expire
}

// Batches are the batches remembered, oldest first.
func (e *Entry) Batches() []Batch { return e.batches[:e.count] }

// LastSequence is the last batch's, or NoSequence.
func (e *Entry) LastSequence() int32 {
	if e.count == 0 {
		return wire.NoSequence
	}
	return e.batches[e.count-1].LastSequence
}

func (e *Entry) add(b Batch) {
	if e.count == BatchesRemembered {
		copy(e.batches[:], e.batches[1:])
		e.count--
	}
	e.batches[e.count] = b
	e.count++
}

// setEpoch forgets the batches of another epoch: its sequences start again.
func (e *Entry) setEpoch(epoch int16) {
	if e.ProducerEpoch != epoch {
		e.ProducerEpoch, e.count = epoch, 0
	}
}

// duplicate finds the batch with h's sequences.
func (e *Entry) duplicate(h *wire.BatchHeader) (Batch, bool) {
	if e.ProducerEpoch != h.ProducerEpoch {
		return Batch{}, false
	}
	last := h.LastSequence()
	for _, b := range e.Batches() {
		if b.LastSequence == last && b.FirstSequence() == h.BaseSequence {
			return b, true
		}
	}
	return Batch{}, false
}
