package batch

import (
	"fmt"

	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// maxSplitSize bounds what a batch of ours may decompress to.
const maxSplitSize = 1 << 30

// Records decodes the batch's records, decompressing them if need be.
func (b *Batch) Records() ([]wire.Record, error) {
	bytes := b.buf[FrontRoom+wire.BatchHeaderSize:]
	if b.codec != compression.None {
		var err error
		if bytes, err = compression.Decompress(nil, bytes, b.codec, maxSplitSize); err != nil {
			return nil, fmt.Errorf("decompress a batch of %d records: %w", b.count, err)
		}
	}
	records := make([]wire.Record, 0, b.count)
	it := wire.NewIterator(b.count, bytes)
	for it.Next() {
		records = append(records, *it.Record())
	}
	return records, it.Err()
}

// Copy is what Records, Outcome and Verdict need of b, apart from its buffer,
// which may go back to the pool. A connection may have the bytes meanwhile.
func (b *Batch) Copy() *Batch {
	records := b.buf[FrontRoom+wire.BatchHeaderSize:]
	buf := make([]byte, FrontRoom+wire.BatchHeaderSize, len(b.buf))
	return &Batch{
		Partition: b.Partition, Outcome: b.Outcome, Verdict: b.Verdict,
		buf: append(buf, records...), codec: b.codec, count: b.count,
	}
}

// Split makes two or more batches of b's records, in order, each of about half
// the bytes or of one record. They are Closed, and carry b's numbers on if it
// has any. b's own outcome follows theirs. b must be in flight and not settled;
// it is done with afterwards, but its outcome is not.
//
// Source: ProducerBatch.split (KIP-126). Java splits by batch.size; half is
// right also for a batch that is too large though it is not over batch.size.
func (b *Batch) Split() ([]*Batch, error) {
	records, err := b.Records()
	if err != nil {
		return nil, err
	}
	half := 0
	for i := range records {
		half += recordSize(&records[i])
	}
	half = (half + 1) / 2 // in the measure that the parts are made by
	var parts []*Batch
	entries, headers := b.Entries, b.Headers
	for first := 0; first < len(records); {
		end, size := first, 0
		for end < len(records) && (end == first || size+recordSize(&records[end]) <= half) {
			size += recordSize(&records[end])
			end++
		}
		part := b.part(records[first:end], size)
		for len(entries) > 0 && int(entries[0].Index) < end {
			e := entries[0]
			e.Index -= int32(first)
			part.Entries = append(part.Entries, e)
			entries = entries[1:]
		}
		if n := len(part.Entries); len(headers) > 0 {
			part.Headers, headers = headers[:n], headers[n:]
		}
		part.adopt(b, int32(first))
		parts = append(parts, part)
		first = end
	}
	b.Outcome.open = len(parts)
	for _, p := range parts {
		p.MorePartsFollow = true
	}
	last := parts[len(parts)-1]
	last.MorePartsFollow = b.MorePartsFollow
	last.Charge, last.kept = b.Charge, b.Yield() // the parts' memory counts as long as they last
	b.Charge, b.Entries, b.Headers = 0, nil, nil
	b.state.Store(uint32(Done))
	return parts, nil
}

// part is a new batch of some of b's records.
func (b *Batch) part(records []wire.Record, size int) *Batch {
	buf := make([]byte, 0, Overhead+wire.BatchHeaderSize+size+len(records)*wire.MaxRecordOverhead)
	part := New(b.Partition, b.Outcome.Topic, b.Outcome.Partition, buf,
		b.baseTime+records[0].TimestampDelta)
	part.Charge = 0
	for i := range records {
		part.appendDecoded(b.baseTime, &records[i])
	}
	part.Close()
	return part
}

func (b *Batch) appendDecoded(baseTime int64, r *wire.Record) {
	timestamp := baseTime + r.TimestampDelta
	delta := timestamp - b.baseTime
	headers := 0
	for _, h := range r.Headers {
		headers += wire.HeaderSize(h.Key, h.Value)
	}
	body := wire.RecordBodySize(delta, b.count, r.Key, r.Value, len(r.Headers), headers)
	b.buf = wire.AppendRecord(b.buf, body, delta, b.count, r.Key, r.Value, len(r.Headers))
	for _, h := range r.Headers {
		b.buf = wire.AppendHeader(b.buf, h.Key, h.Value)
	}
	b.count++
	b.maxTime = max(b.maxTime, timestamp)
}

// adopt makes b the part of whole that begins at record first.
func (b *Batch) adopt(whole *Batch, first int32) {
	b.Created, b.FirstSent = whole.Created, whole.FirstSent
	b.Attempts = max(whole.Attempts-1, 0) // a split costs no retry
	b.Full, b.Order = true, whole.Order
	b.MaybeWritten = whole.MaybeWritten
	b.Doubtful = whole.MaybeWritten
	b.LeaderEpoch = whole.LeaderEpoch
	b.transactional = whole.transactional
	if whole.Sequenced() {
		b.Identify(whole.ProducerID, whole.ProducerEpoch,
			wire.AddSequence(whole.BaseSequence, first), whole.transactional)
	}
	b.Outcome.whole = whole.Outcome
	whole.Outcome.parts = append(whole.Outcome.parts, part{first, b.Outcome})
}

func recordSize(r *wire.Record) int {
	n := len(r.Key) + len(r.Value) + 8
	for _, h := range r.Headers {
		n += wire.HeaderSize(h.Key, h.Value)
	}
	return n
}
