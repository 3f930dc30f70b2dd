package log

import (
	"slices"

	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// filter decides what stays of a batch. It returns the batch to write, nil if
// nothing stays, and whether that is the batch as it was.
// Source: Cleaner.cleanInto, MemoryRecords.filterTo.
func (c *Compaction) filter(h *wire.BatchHeader, batch []byte, txns *txnFilter) (
	kept []byte, same bool, err error,
) {
	discard, err := txns.read(h, batch)
	if err != nil {
		return nil, false, err
	}
	control := h.Attributes.Has(wire.Control)
	emptyTxn := control && discard // a marker of a transaction that has no records left
	horizon, hasHorizon := deleteHorizon(h)
	if control && !(hasHorizon && horizon <= c.now) {
		discard = false
	}
	var records []wire.Record
	tombstones := false
	if !discard {
		err = eachRecord(h, batch, func(r *wire.Record) {
			if control || c.stays(h, r) {
				records = append(records, *r)
				tombstones = tombstones || r.Value == nil && !control
			}
		})
		if err != nil {
			return nil, false, err
		}
	}
	needHorizon := (tombstones || emptyTxn) && !hasHorizon
	switch {
	case len(records) == 0 && !c.isLast(h) && h.LastOffset()+1 != c.mapEnd:
		return nil, false, nil
	case len(records) == int(h.Count) && !needHorizon:
		return batch, true, nil
	}
	if needHorizon && len(records) > 0 {
		horizon, hasHorizon = c.now+c.log.Config().DeleteRetentionMillis, true
	}
	kept, err = rebuild(*h, records, horizon, hasHorizon)
	return kept, false, err
}

// deleteHorizon is when the batch's tombstones and markers may go. It takes the
// place of the base timestamp.
func deleteHorizon(h *wire.BatchHeader) (int64, bool) {
	return h.BaseTimestamp, h.Attributes.Has(wire.DeleteHorizon)
}

// stays decides about one record. Source: Cleaner.shouldRetainRecord.
func (c *Compaction) stays(h *wire.BatchHeader, r *wire.Record) bool {
	offset := h.BaseOffset + int64(r.OffsetDelta)
	if offset >= c.mapEnd {
		return true
	}
	if r.Key == nil {
		return false
	}
	if last, ok := c.latest[string(r.Key)]; ok && offset < last {
		return false
	}
	horizon, has := deleteHorizon(h)
	return r.Value != nil || !has || horizon > c.now
}

// isLast reports whether the batch is what the log knows a producer by.
func (c *Compaction) isLast(h *wire.BatchHeader) bool {
	last, ok := c.lasts[h.ProducerID]
	if h.ProducerID < 0 || !ok {
		return false
	}
	if last.offset < 0 {
		return h.Attributes.Has(wire.Control) && h.ProducerEpoch == last.epoch
	}
	return h.LastOffset() == last.offset
}

// rebuild encodes a batch with some of its records, or none, at their offsets.
func rebuild(h wire.BatchHeader, records []wire.Record, horizon int64, has bool) ([]byte, error) {
	oldBase := h.BaseTimestamp
	if has {
		h.BaseTimestamp = horizon
		h.Attributes |= wire.DeleteHorizon
	}
	h.Count = int32(len(records))
	if len(records) > 0 && !h.Attributes.Has(wire.LogAppendTime) {
		h.MaxTimestamp = wire.NoTimestamp
	}
	var plain []byte
	for _, r := range records {
		timestamp := oldBase + r.TimestampDelta
		if !h.Attributes.Has(wire.LogAppendTime) {
			h.MaxTimestamp = max(h.MaxTimestamp, timestamp)
		}
		plain = appendRecord(plain, timestamp-h.BaseTimestamp, &r)
	}
	codec := compression.Codec(h.Attributes.Codec())
	if len(records) == 0 { // as DefaultRecordBatch.writeEmptyHeader has it
		codec = compression.None
		h.Attributes = h.Attributes.WithCodec(0) &^ wire.DeleteHorizon
		h.BaseTimestamp = wire.NoTimestamp
	}
	z, err := compression.New(codec, codec.DefaultLevel())
	if err != nil {
		return nil, err
	}
	out, err := z.Append(make([]byte, wire.BatchHeaderSize), plain)
	if err != nil {
		return nil, err
	}
	h.Seal(out)
	return out, nil
}

func appendRecord(dst []byte, delta int64, r *wire.Record) []byte {
	headers := 0
	for _, h := range r.Headers {
		headers += wire.HeaderSize(h.Key, h.Value)
	}
	n := len(r.Headers)
	body := wire.RecordBodySize(delta, r.OffsetDelta, r.Key, r.Value, n, headers)
	dst = wire.AppendRecord(dst, body, delta, r.OffsetDelta, r.Key, r.Value, n)
	for _, h := range r.Headers {
		dst = wire.AppendHeader(dst, h.Key, h.Value)
	}
	return dst
}

// txnFilter follows the transactions while batches are read in order.
// Source: CleanedTransactionMetadata.
type txnFilter struct {
	aborted   []segment.AbortedTxn // to come, by first offset
	inAborted map[int64]*abortedSeen
	committed map[int64]bool       // producers with records of a transaction that is not aborted
	kept      []segment.AbortedTxn // ended since the caller cleared it, with records: its index
}

type abortedSeen struct {
	txn  segment.AbortedTxn
	seen bool // a batch of it is still there
}

func newTxnFilter(aborted []segment.AbortedTxn) *txnFilter {
	aborted = slices.Clone(aborted)
	slices.SortFunc(aborted, func(a, b segment.AbortedTxn) int {
		return int(min(max(a.FirstOffset-b.FirstOffset, -1), 1))
	})
	return &txnFilter{
		aborted: aborted, inAborted: map[int64]*abortedSeen{}, committed: map[int64]bool{},
	}
}

// read says whether the batch's records are of no use to anybody: they were
// aborted, or it is a marker that ends nothing.
func (f *txnFilter) read(h *wire.BatchHeader, batch []byte) (discard bool, err error) {
	for len(f.aborted) > 0 && f.aborted[0].FirstOffset <= h.LastOffset() {
		t := f.aborted[0]
		f.aborted = f.aborted[1:]
		f.inAborted[t.ProducerID] = &abortedSeen{txn: t}
	}
	if h.Attributes.Has(wire.Control) {
		return f.marker(h, batch)
	}
	if !h.Attributes.Has(wire.Transactional) {
		return false, nil
	}
	if a := f.inAborted[h.ProducerID]; a != nil {
		a.seen = true
		return true, nil
	}
	f.committed[h.ProducerID] = true
	return false, nil
}

func (f *txnFilter) marker(h *wire.BatchHeader, batch []byte) (discard bool, err error) {
	end, found := wire.EndTxnMarker{}, false
	err = eachRecord(h, batch, func(r *wire.Record) {
		if m, perr := wire.ParseEndTxnMarker(r.Key, r.Value); perr == nil {
			end, found = m, true
		}
	})
	switch {
	case err != nil:
		return false, err
	case !found:
		return true, nil // compaction has emptied it already
	case end.Type == wire.Abort:
		a := f.inAborted[h.ProducerID]
		delete(f.inAborted, h.ProducerID)
		if a != nil && a.seen {
			f.kept = append(f.kept, a.txn)
			return false, nil
		}
		return true, nil
	default:
		had := f.committed[h.ProducerID]
		delete(f.committed, h.ProducerID)
		return !had, nil
	}
}
