package producerstate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/posthaste-go/posthaste/internal/wire"
)

// What Check and CheckMarker refuse; the errors say more and match these.
var (
	ErrOutOfOrderSequence = errors.New("out of order sequence number")
	ErrProducerEpoch      = errors.New("producer epoch is older than the last one seen")
	ErrTxnState           = errors.New("invalid transaction state")
	ErrCoordinatorFenced  = errors.New("transaction coordinator epoch is older than the last one seen")
)

// State is all producers of one partition. The zero value is not usable; see
// New.
//
// Locks: none; the partition's lock guards it.
type State struct {
	entries   map[int64]*Entry
	open      []openTxn // transactions without an end, by first offset
	verifying map[int64]*Verification
}

type openTxn struct {
	firstOffset int64
	producerID  int64
}

// CompletedTxn is a transaction that a marker has ended.
type CompletedTxn struct {
	ProducerID  int64
	FirstOffset int64
	LastOffset  int64 // the marker's
	Aborted     bool
}

// New returns a State without producers.
func New() *State {
	return &State{entries: map[int64]*Entry{}, verifying: map[int64]*Verification{}}
}

// Checks are the rules that depend on who appends and where.
type Checks struct {
	// Sequences is off for coordinators, whose batches carry none.
	Sequences bool
	// FirstIsZero makes a producer without state start at sequence 0: in a
	// partition that never held a record (KAFKA-15591), and for transactions of
	// version 2 (KIP-890). Otherwise it may start anywhere, because its state
	// may be gone by retention or expiry.
	FirstIsZero bool
	// TxnVerified says that the coordinator has this partition in the producer's
	// open transaction; without it only a transaction that is open here already
	// may be written to (KIP-890).
	TxnVerified bool
	// Verification is what TxnVerified rests on: it counts for nothing if it has
	// ended meanwhile. Nil is good for ever.
	Verification *Verification
}

// Check decides whether the data batch h, whose offsets need not be final, may
// be appended. A batch that is among the producer's last five is returned with
// found set; it is no error. h has a producer id.
//
// Source: ProducerAppendInfo.checkProducerEpoch and checkSequence,
// UnifiedLog.analyzeAndValidateProducerState.
func (s *State) Check(h *wire.BatchHeader, c Checks) (duplicate Batch, found bool, err error) {
	e := s.entries[h.ProducerID]
	if e != nil && c.Sequences {
		if b, ok := e.duplicate(h); ok {
			return b, true, nil
		}
	}
	transactional := h.Attributes.Has(wire.Transactional)
	open := e != nil && e.TxnFirstOffset >= 0
	if transactional && !s.verified(h, c) && !(open && e.ProducerEpoch == h.ProducerEpoch) {
		return Batch{}, false, fmt.Errorf(
			"%w: producer %d has no transaction open here", ErrTxnState, h.ProducerID)
	}
	if e != nil && h.ProducerEpoch < e.ProducerEpoch {
		return Batch{}, false, epochError(h.ProducerID, h.ProducerEpoch, e.ProducerEpoch)
	}
	if c.Sequences {
		if err := e.checkSequence(h, c.FirstIsZero); err != nil {
			return Batch{}, false, err
		}
		if err := s.checkFirst(e, h); err != nil {
			return Batch{}, false, err
		}
	}
	if open && !transactional {
		return Batch{}, false, fmt.Errorf(
			"%w: producer %d writes outside its transaction, open since offset %d",
			ErrTxnState, h.ProducerID, e.TxnFirstOffset)
	}
	return Batch{}, false, nil
}

// checkSequence is a method of a producer that may be unknown (nil).
func (e *Entry) checkSequence(h *wire.BatchHeader, firstIsZero bool) error {
	switch {
	case e == nil && firstIsZero && h.BaseSequence != 0:
		return fmt.Errorf("%w: producer %d begins with sequence %d, not 0, and is unknown here",
			ErrOutOfOrderSequence, h.ProducerID, h.BaseSequence)
	case e == nil:
		return nil
	case h.ProducerEpoch != e.ProducerEpoch && h.BaseSequence != 0:
		return fmt.Errorf("%w: producer %d begins epoch %d with sequence %d, not 0 (epoch so far: %d)",
			ErrOutOfOrderSequence, h.ProducerID, h.ProducerEpoch, h.BaseSequence, e.ProducerEpoch)
	case h.ProducerEpoch != e.ProducerEpoch:
		return nil
	}
	if last := e.LastSequence(); h.BaseSequence != next(last) {
		return fmt.Errorf("%w: producer %d sends sequence %d after %d",
			ErrOutOfOrderSequence, h.ProducerID, h.BaseSequence, last)
	}
	return nil
}

// next is the sequence after last; NoSequence (-1) is followed by 0.
func next(last int32) int32 {
	if last == math.MaxInt32 {
		return 0
	}
	return last + 1
}

func epochError(id int64, epoch, seen int16) error {
	return fmt.Errorf("%w: producer %d has epoch %d, %d was seen", ErrProducerEpoch, id, epoch, seen)
}

// Append notes the data batch h, which is in the log at its offsets. now is in
// milliseconds. A batch without a producer id changes nothing.
func (s *State) Append(h *wire.BatchHeader, now int64) {
	if h.ProducerID < 0 {
		return
	}
	e := s.entry(h.ProducerID, now)
	e.setEpoch(h.ProducerEpoch)
	e.add(Batch{
		LastSequence: h.LastSequence(), LastOffset: h.LastOffset(),
		OffsetDelta: h.LastOffsetDelta, Timestamp: h.MaxTimestamp,
	})
	e.LastTimestamp = h.MaxTimestamp
	delete(s.verifying, h.ProducerID)
	if h.Attributes.Has(wire.Transactional) && e.TxnFirstOffset < 0 {
		e.TxnFirstOffset = h.BaseOffset
		s.open = append(s.open, openTxn{h.BaseOffset, h.ProducerID}) // offsets only grow
	}
}

func (s *State) entry(id, now int64) *Entry {
	e := s.entries[id]
	if e == nil {
		e = &Entry{
			ProducerID: id, ProducerEpoch: wire.NoProducerEpoch, CoordinatorEpoch: -1,
			LastTimestamp: wire.NoTimestamp, TxnFirstOffset: -1,
		}
		s.entries[id] = e
	}
	e.lastSeen = now
	return e
}

// Marker is a control record that ends a transaction, with its place.
type Marker struct {
	wire.EndTxnMarker
	ProducerID    int64
	ProducerEpoch int16
	Offset        int64
	Timestamp     int64 // milliseconds
}

// CheckMarker decides whether m may be appended; its place does not matter.
// With ownEpoch m's epoch must not be one that the producer writes with; where
// no transaction is open it may be there already, from the same marker.
// Source: ProducerAppendInfo.appendEndTxnMarker.
func (s *State) CheckMarker(m *Marker, ownEpoch bool) error {
	e := s.entries[m.ProducerID]
	switch {
	case e == nil:
		return nil
	case m.ProducerEpoch < e.ProducerEpoch,
		ownEpoch && m.ProducerEpoch == e.ProducerEpoch && e.TxnFirstOffset >= 0:
		return epochError(m.ProducerID, m.ProducerEpoch, e.ProducerEpoch)
	case m.CoordinatorEpoch < e.CoordinatorEpoch:
		return fmt.Errorf("%w: producer %d's marker has epoch %d, %d was seen",
			ErrCoordinatorFenced, m.ProducerID, m.CoordinatorEpoch, e.CoordinatorEpoch)
	}
	return nil
}

// AppendMarker notes m, which is in the log. It returns the transaction that
// the marker ended, and false if none was open here.
func (s *State) AppendMarker(m *Marker, now int64) (CompletedTxn, bool) {
	e := s.entry(m.ProducerID, now)
	done := CompletedTxn{
		ProducerID: m.ProducerID, FirstOffset: e.TxnFirstOffset, LastOffset: m.Offset,
		Aborted: m.Type == wire.Abort,
	}
	delete(s.verifying, m.ProducerID)
	e.setEpoch(m.ProducerEpoch)
	e.CoordinatorEpoch, e.LastTimestamp, e.TxnFirstOffset = m.CoordinatorEpoch, m.Timestamp, -1
	s.open = slices.DeleteFunc(s.open, func(o openTxn) bool { return o.producerID == m.ProducerID })
	return done, done.FirstOffset >= 0
}

// FirstUnstableOffset is the first offset of the oldest open transaction, and
// false if none is open. From there on readers of committed records must wait.
func (s *State) FirstUnstableOffset() (int64, bool) {
	if len(s.open) == 0 {
		return 0, false
	}
	return s.open[0].firstOffset, true
}

// Known reports whether the producer is remembered.
func (s *State) Known(producerID int64) bool { return s.entries[producerID] != nil }

// Len is the number of producers.
func (s *State) Len() int { return len(s.entries) }

// Entries lists copies of the producers, by id.
func (s *State) Entries() []Entry {
	out := make([]Entry, 0, len(s.entries))
	for _, e := range s.entries {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Compare(a.ProducerID, b.ProducerID) })
	return out
}

// Expire forgets producers without an open transaction that have not written
// for expiration milliseconds, and returns how many.
//
// Kafka compares the timestamps of the records; here this node's own clock
// counts, or a producer of old records would be forgotten while it writes.
// Setting: producer.id.expiration.ms.
func (s *State) Expire(now, expiration int64) int {
	before := len(s.entries)
	maps.DeleteFunc(s.verifying, func(_ int64, v *Verification) bool {
		return now-v.since >= expiration
	})
	maps.DeleteFunc(s.entries, func(_ int64, e *Entry) bool {
		return e.TxnFirstOffset < 0 && now-e.lastSeen >= expiration
	})
	return before - len(s.entries)
}
