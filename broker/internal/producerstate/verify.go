package producerstate

import (
	"fmt"

	"github.com/posthaste-go/posthaste/internal/wire"
)

// Verification is under way while the transaction coordinator is asked whether
// a partition is in a producer's transaction. It ends with the producer's next
// marker here, so that an answer from before the end of a transaction lets
// nothing in after it. Source: VerificationStateEntry (KIP-890).
type Verification struct {
	epoch  int16
	lowest int32 // the lowest sequence that was seen while it was under way
	since  int64 // milliseconds
}

// Verify begins a verification for the transactional batch h, or joins the one
// that is under way. It returns nil if the batch needs none, because the
// transaction is open here. now is in milliseconds.
func (s *State) Verify(h *wire.BatchHeader, now int64) *Verification {
	e := s.entries[h.ProducerID]
	if e != nil && e.TxnFirstOffset >= 0 && e.ProducerEpoch == h.ProducerEpoch {
		return nil
	}
	v := s.verifying[h.ProducerID]
	switch {
	case v == nil || h.ProducerEpoch > v.epoch:
		v = &Verification{epoch: h.ProducerEpoch, lowest: h.BaseSequence}
		s.verifying[h.ProducerID] = v
	case h.ProducerEpoch == v.epoch:
		v.lowest = min(v.lowest, h.BaseSequence)
	}
	v.since = now
	return v
}

// verified reports whether the coordinator's answer still holds.
func (s *State) verified(h *wire.BatchHeader, c Checks) bool {
	return c.TxnVerified &&
		(c.Verification == nil || s.verifying[h.ProducerID] == c.Verification)
}

// checkFirst keeps a batch from being a producer's first here when one before
// it could not be verified.
func (s *State) checkFirst(e *Entry, h *wire.BatchHeader) error {
	v := s.verifying[h.ProducerID]
	if v == nil || e != nil && e.LastSequence() != wire.NoSequence ||
		v.epoch != h.ProducerEpoch || h.BaseSequence <= v.lowest {
		return nil
	}
	return fmt.Errorf("%w: producer %d begins with sequence %d after it sent %d",
		ErrOutOfOrderSequence, h.ProducerID, h.BaseSequence, v.lowest)
}
