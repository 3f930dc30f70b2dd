package producerstate

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/wire"
)

const (
	testID = int64(7)
	now    = int64(1_700_000_000_000)
)

// send is a batch as a client sends it: epoch, first sequence, records.
type send struct {
	epoch int16
	seq   int32
	n     int32
}

func (s send) header(offset int64) *wire.BatchHeader {
	return &wire.BatchHeader{
		BaseOffset: offset, LastOffsetDelta: s.n - 1, Count: s.n,
		ProducerID: testID, ProducerEpoch: s.epoch, BaseSequence: s.seq,
		BaseTimestamp: now, MaxTimestamp: now,
	}
}

// play appends batches from offset 0 on without asking, and returns the end.
func play(s *State, batches []send) int64 {
	var offset int64
	for _, b := range batches {
		s.Append(b.header(offset), now)
		offset += int64(b.n)
	}
	return offset
}

const top = math.MaxInt32

func TestSequenceRules(t *testing.T) {
	client := Checks{Sequences: true}
	tests := []struct {
		name   string
		had    []send
		next   send
		checks Checks
		at     int64 // base offset of the duplicate, or -1 for an append
		err    error
	}{
		{"the first batch of a producer starts at 0", nil, send{0, 0, 3}, client, -1, nil},
		// Its state may be gone by retention; recovery of clients relies on it.
		{"an unknown producer may start anywhere", nil, send{4, 77, 3}, client, -1, nil},
		{"an unknown producer must start at 0 where no record ever was", nil, send{4, 77, 3},
			Checks{Sequences: true, FirstIsZero: true}, -1, ErrOutOfOrderSequence},
		{"a known producer goes on where no record ever was", []send{{0, 0, 3}}, send{0, 3, 1},
			Checks{Sequences: true, FirstIsZero: true}, -1, nil},
		{"the next sequence is appended", []send{{0, 0, 3}}, send{0, 3, 2}, client, -1, nil},
		{"a gap is refused", []send{{0, 0, 3}}, send{0, 4, 1}, client, -1, ErrOutOfOrderSequence},
		{"a step back is refused", []send{{0, 0, 3}}, send{0, 1, 1}, client, -1,
			ErrOutOfOrderSequence},
		{"the last batch again is a duplicate", []send{{0, 0, 3}, {0, 3, 2}}, send{0, 3, 2},
			client, 3, nil},
		{"the fifth last batch again is a duplicate",
			[]send{{0, 0, 1}, {0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 1}}, send{0, 0, 1}, client, 0, nil},
		{"the sixth last batch is forgotten",
			[]send{{0, 0, 1}, {0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 1}, {0, 5, 1}}, send{0, 0, 1},
			client, -1, ErrOutOfOrderSequence},
		{"a part of a batch is no duplicate", []send{{0, 0, 3}}, send{0, 0, 2}, client, -1,
			ErrOutOfOrderSequence},
		{"sequences wrap to 0", []send{{0, top - 1, 2}}, send{0, 0, 1}, client, -1, nil},
		{"a batch may wrap inside", []send{{0, top - 3, 2}}, send{0, top - 1, 5}, client, -1, nil},
		{"after a batch that wraps inside", []send{{0, top - 1, 5}}, send{0, 3, 1}, client, -1, nil},
		{"a batch that wraps inside is found again", []send{{0, top - 1, 5}}, send{0, top - 1, 5},
			client, 0, nil},
		{"a new epoch starts at 0", []send{{0, 0, 3}}, send{1, 0, 1}, client, -1, nil},
		{"a new epoch must not go on", []send{{0, 0, 3}}, send{1, 3, 1}, client, -1,
			ErrOutOfOrderSequence},
		{"a new epoch forgets the batches of the old", []send{{0, 0, 3}, {1, 0, 3}}, send{1, 0, 3},
			client, 3, nil},
		{"an old epoch is refused", []send{{0, 0, 3}, {1, 0, 1}}, send{0, 3, 1}, client, -1,
			ErrProducerEpoch},
		{"an old epoch is refused even for a batch it wrote", []send{{0, 0, 3}, {1, 0, 1}},
			send{0, 0, 3}, client, -1, ErrProducerEpoch},
		{"a coordinator's batches have no sequence", []send{{0, -1, 1}}, send{0, -1, 1}, Checks{},
			-1, nil},
		{"a coordinator's epoch counts all the same", []send{{3, -1, 1}}, send{2, -1, 1}, Checks{}, -1,
			ErrProducerEpoch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New()
			end := play(s, tt.had)
			b, found, err := s.Check(tt.next.header(end), tt.checks)
			if !errors.Is(err, tt.err) || err != nil && tt.err == nil {
				t.Fatalf("Check: %v, want %v", err, tt.err)
			}
			if found != (tt.at >= 0) || found && b.FirstOffset() != tt.at {
				t.Errorf("duplicate = %v at %d, want one at %d", found, b.FirstOffset(), tt.at)
			}
		})
	}
}

func TestCheckChangesNothing(t *testing.T) {
	s := New()
	play(s, []send{{0, 0, 3}})
	before := s.Encode()
	for _, b := range []send{{0, 3, 1}, {1, 0, 1}, {0, 9, 1}, {0, 0, 3}} {
		if _, _, err := s.Check(b.header(3), Checks{Sequences: true}); err != nil {
			continue
		}
	}
	if diff := cmp.Diff(before, s.Encode()); diff != "" {
		t.Errorf("state changed:\n%s", diff)
	}
}

func txnHeader(id int64, epoch int16, offset int64) *wire.BatchHeader {
	return &wire.BatchHeader{
		BaseOffset: offset, Count: 1, ProducerID: id, ProducerEpoch: epoch, BaseSequence: 0,
		Attributes: wire.Transactional, MaxTimestamp: now,
	}
}

func marker(id int64, epoch int16, offset int64, kind wire.ControlType) *Marker {
	return &Marker{
		EndTxnMarker: wire.EndTxnMarker{Type: kind, CoordinatorEpoch: 5},
		ProducerID:   id, ProducerEpoch: epoch, Offset: offset, Timestamp: now,
	}
}

func TestTransactionsHoldBackTheStableOffset(t *testing.T) {
	s := New()
	if _, open := s.FirstUnstableOffset(); open {
		t.Error("a new state has an open transaction")
	}
	s.Append(txnHeader(1, 0, 10), now)
	s.Append(txnHeader(2, 0, 11), now)
	h := txnHeader(1, 0, 12)
	h.BaseSequence = 1
	s.Append(h, now)
	if first, open := s.FirstUnstableOffset(); !open || first != 10 {
		t.Errorf("first unstable offset = %d, %v, want 10", first, open)
	}
	done, ended := s.AppendMarker(marker(1, 0, 13, wire.Abort), now)
	if want := (CompletedTxn{1, 10, 13, true}); !ended || done != want {
		t.Errorf("ended = %v, %+v, want %+v", ended, done, want)
	}
	if first, open := s.FirstUnstableOffset(); !open || first != 11 {
		t.Errorf("first unstable offset = %d, %v, want 11", first, open)
	}
	s.AppendMarker(marker(2, 0, 14, wire.Commit), now)
	if first, open := s.FirstUnstableOffset(); open {
		t.Errorf("offset %d is unstable, want none", first)
	}
	if _, ended := s.AppendMarker(marker(2, 0, 15, wire.Commit), now); ended {
		t.Error("a marker without a transaction ended one")
	}
}

func TestTransactionRules(t *testing.T) {
	open := func(s *State) { s.Append(txnHeader(testID, 1, 0), now) }
	closed := func(s *State) {
		open(s)
		s.AppendMarker(marker(testID, 1, 1, wire.Commit), now)
	}
	next := txnHeader(testID, 1, 2)
	next.BaseSequence = 1
	plain := *next
	plain.Attributes = 0
	tests := []struct {
		name   string
		state  func(*State)
		next   *wire.BatchHeader
		checks Checks
		err    error
	}{
		{"the first batch needs the coordinator's word", func(*State) {}, txnHeader(testID, 1, 0),
			Checks{Sequences: true}, ErrTxnState},
		{"with its word it is appended", func(*State) {}, txnHeader(testID, 1, 0),
			Checks{Sequences: true, TxnVerified: true}, nil},
		{"in an open transaction no word is needed", open, next, Checks{Sequences: true}, nil},
		{"nor does a closed transaction give one", closed, next, Checks{Sequences: true}, ErrTxnState},
		{"sequences go on after a marker", closed, next,
			Checks{Sequences: true, TxnVerified: true}, nil},
		{"no batch goes around an open transaction", open, &plain, Checks{Sequences: true}, ErrTxnState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New()
			tt.state(s)
			_, _, err := s.Check(tt.next, tt.checks)
			if !errors.Is(err, tt.err) || err != nil && tt.err == nil {
				t.Errorf("Check: %v, want %v", err, tt.err)
			}
		})
	}
}

func TestMarkerRules(t *testing.T) {
	s := New()
	s.Append(txnHeader(testID, 3, 0), now)
	s.AppendMarker(marker(testID, 3, 1, wire.Commit), now)
	s.Append(txnHeader(8, 3, 2), now)
	old := marker(testID, 3, 2, wire.Commit)
	old.CoordinatorEpoch = 4
	for _, tt := range []struct {
		name     string
		m        *Marker
		ownEpoch bool
		err      error
	}{
		{"an old producer epoch", marker(testID, 2, 2, wire.Abort), false, ErrProducerEpoch},
		{"an old coordinator epoch", old, false, ErrCoordinatorFenced},
		{"the same epochs", marker(testID, 3, 2, wire.Abort), false, nil},
		{"the same marker again", marker(testID, 3, 2, wire.Abort), true, nil},
		{"a newer producer epoch fences", marker(testID, 4, 2, wire.Abort), false, nil},
		{"an unknown producer", marker(99, 0, 2, wire.Abort), true, nil},
		{"an open transaction", marker(8, 3, 2, wire.Abort), false, nil},
		{"an epoch that records have", marker(8, 3, 2, wire.Abort), true, ErrProducerEpoch},
		{"an epoch of its own", marker(8, 4, 2, wire.Abort), true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := s.CheckMarker(tt.m, tt.ownEpoch)
			if !errors.Is(err, tt.err) || err != nil && tt.err == nil {
				t.Errorf("CheckMarker: %v, want %v", err, tt.err)
			}
		})
	}
	s.AppendMarker(marker(testID, 4, 2, wire.Abort), now)
	_, _, err := s.Check(txnHeader(testID, 3, 3), Checks{Sequences: true, TxnVerified: true})
	if !errors.Is(err, ErrProducerEpoch) {
		t.Errorf("a fenced producer's batch: %v, want ErrProducerEpoch", err)
	}
}

func TestReplayReadsMarkers(t *testing.T) {
	m := wire.EndTxnMarker{Type: wire.Abort, CoordinatorEpoch: 9}
	key, value := m.AppendKey(nil), m.AppendValue(nil)
	b := make([]byte, wire.BatchHeaderSize)
	b = wire.AppendRecord(b, wire.RecordBodySize(0, 0, key, value, 0, 0), 0, 0, key, value, 0)
	h := wire.BatchHeader{
		BaseOffset: 4, Count: 1, ProducerID: testID, BaseSequence: -1,
		Attributes: wire.Transactional | wire.Control, BaseTimestamp: now, MaxTimestamp: now,
	}
	h.Seal(b)
	s := New()
	s.Append(txnHeader(testID, 0, 3), now)
	done, ended, err := s.Replay(&h, b, now)
	if want := (CompletedTxn{testID, 3, 4, true}); err != nil || !ended || done != want {
		t.Errorf("Replay = %+v, %v, %v, want %+v", done, ended, err, want)
	}
	if e := s.Entries()[0]; e.CoordinatorEpoch != 9 || e.LastTimestamp != now {
		t.Errorf("entry = %+v", e)
	}
	if _, _, err := s.Replay(&h, b[:wire.BatchHeaderSize+2], now); !errors.Is(err, wire.ErrCorrupt) {
		t.Errorf("a marker cut short: %v, want ErrCorrupt", err)
	}
}

func TestExpiryGoesByTheNodesClock(t *testing.T) {
	s := New()
	old := send{0, 0, 1}.header(0)
	old.MaxTimestamp = 1000 // records from 1970
	s.Append(old, now)
	s.Append(txnHeader(8, 0, 1), now)
	if n := s.Expire(now+999, 1000); n != 0 {
		t.Errorf("%d producers expired early", n)
	}
	if n := s.Expire(now+1000, 1000); n != 1 || s.Known(testID) || !s.Known(8) {
		t.Errorf("%d producers expired; an idle one should, one with a transaction not", n)
	}
}

func TestSnapshotKeepsFiveBatches(t *testing.T) {
	s := New()
	end := play(s, []send{{2, 0, 1}, {2, 1, 2}, {2, 3, 1}, {2, 4, 1}, {2, 5, 1}, {2, 6, 4}})
	s.Append(txnHeader(1, 0, end), now)
	s.AppendMarker(marker(3, 1, end+1, wire.Commit), now)
	got, err := Decode(s.Encode(), now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Entries(), got.Entries(), cmp.AllowUnexported(Entry{})); diff != "" {
		t.Errorf("after the snapshot:\n%s", diff)
	}
	if first, open := got.FirstUnstableOffset(); !open || first != end {
		t.Errorf("first unstable offset = %d, %v, want %d", first, open, end)
	}
	_, found, err := got.Check(send{2, 1, 2}.header(end), Checks{Sequences: true})
	if !found || err != nil {
		t.Errorf("the fifth last batch after the snapshot: %v, %v", found, err)
	}
}

// Kafka's own writer has no more than the last batch.
func TestDecodeReadsKafkasSnapshots(t *testing.T) {
	s := New()
	play(s, []send{{2, 0, 1}, {2, 1, 2}})
	b := s.Encode()
	kafkas := reseal(b[:entriesAt+entrySize])
	got, err := Decode(kafkas, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []Batch{{LastSequence: 2, LastOffset: 2, OffsetDelta: 1, Timestamp: now}}
	if e := got.Entries(); len(e) != 1 || !cmp.Equal(e[0].Batches(), want) {
		t.Errorf("entries = %+v", e)
	}
}

// An answer of the transaction coordinator counts until the producer's next
// marker, so that nothing gets in after the end of the transaction.
func TestAVerificationEndsWithAMarker(t *testing.T) {
	s := New()
	txnHeader := func(id int64, epoch int16, sequence int32) *wire.BatchHeader {
		h := txnHeader(id, epoch, 0)
		h.BaseSequence = sequence
		return h
	}
	h := txnHeader(testID, 3, 0)
	v := s.Verify(h, now)
	if v == nil || s.Verify(txnHeader(testID, 3, 1), now) != v {
		t.Fatal("two batches of an epoch are not verified as one")
	}
	check := func(h *wire.BatchHeader, v *Verification) error {
		_, _, err := s.Check(h, Checks{Sequences: true, TxnVerified: true, Verification: v})
		return err
	}
	if err := check(txnHeader(testID, 3, 2), v); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Errorf("a batch before the first: %v", err)
	}
	s.AppendMarker(&Marker{ProducerID: testID, ProducerEpoch: 3}, now)
	if err := check(h, v); !errors.Is(err, ErrTxnState) {
		t.Errorf("after the marker: %v", err)
	}
	v = s.Verify(h, now)
	if err := check(h, v); err != nil {
		t.Errorf("verified anew: %v", err)
	}
	newer := s.Verify(txnHeader(testID, 4, 0), now)
	if newer == v || check(h, v) == nil {
		t.Error("a verification counts though a newer epoch is being verified")
	}
	h = txnHeader(testID, 4, 0)
	s.Append(h, now)
	if s.Verify(txnHeader(testID, 4, 1), now) != nil {
		t.Error("an open transaction is verified again")
	}
	if s.Verify(txnHeader(8, 0, 0), now) == nil {
		t.Error("another producer is not verified")
	}
	s.Expire(now+1000, 1000)
	if len(s.verifying) != 0 {
		t.Error("a verification is remembered for ever")
	}
}
