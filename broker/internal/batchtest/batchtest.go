// Package batchtest makes record batches for the tests of the broker's storage.
package batchtest

import (
	"testing"

	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Spec is a batch. The zero value but for Records is one without a producer, at
// offset 0, not compressed.
type Spec struct {
	BaseOffset    int64
	LeaderEpoch   int32
	ProducerID    int64 // 0 means none
	ProducerEpoch int16
	BaseSequence  int32
	Codec         compression.Codec
	Attributes    wire.Attributes
	Records       []Record
}

// Record is one record; Timestamp is in milliseconds.
type Record struct {
	Timestamp  int64
	Key, Value []byte
}

// Values makes records without keys, one millisecond apart from timestamp on.
func Values(timestamp int64, values ...string) []Record {
	var out []Record
	for i, v := range values {
		out = append(out, Record{Timestamp: timestamp + int64(i), Value: []byte(v)})
	}
	return out
}

// Header is the header that s gets, but for length and checksum.
func (s Spec) Header() wire.BatchHeader {
	h := wire.BatchHeader{
		BaseOffset: s.BaseOffset, LeaderEpoch: s.LeaderEpoch, Magic: wire.Magic,
		Attributes: s.Attributes.WithCodec(int8(s.Codec)), ProducerID: s.ProducerID,
		ProducerEpoch: s.ProducerEpoch, BaseSequence: s.BaseSequence,
		LastOffsetDelta: int32(len(s.Records) - 1), Count: int32(len(s.Records)),
		MaxTimestamp: wire.NoTimestamp, BaseTimestamp: wire.NoTimestamp,
	}
	if s.ProducerID == 0 {
		h.ProducerID, h.ProducerEpoch, h.BaseSequence = -1, -1, -1
	}
	if len(s.Records) > 0 {
		h.BaseTimestamp = s.Records[0].Timestamp
	}
	for _, r := range s.Records {
		h.MaxTimestamp = max(h.MaxTimestamp, r.Timestamp)
	}
	return h
}

// Batch encodes s.
func Batch(t testing.TB, s Spec) []byte {
	t.Helper()
	h := s.Header()
	var records []byte
	for i, r := range s.Records {
		delta := r.Timestamp - h.BaseTimestamp
		body := wire.RecordBodySize(delta, int32(i), r.Key, r.Value, 0, 0)
		records = wire.AppendRecord(records, body, delta, int32(i), r.Key, r.Value, 0)
	}
	z, err := compression.New(s.Codec, s.Codec.DefaultLevel())
	if err != nil {
		t.Fatal(err)
	}
	b, err := z.Append(make([]byte, wire.BatchHeaderSize), records)
	if err != nil {
		t.Fatal(err)
	}
	h.Seal(b)
	return b
}

// Marker encodes the control batch that ends a transaction.
func Marker(t testing.TB, s Spec, end wire.EndTxnMarker) []byte {
	t.Helper()
	s.Attributes |= wire.Control | wire.Transactional
	s.Records = []Record{{Key: end.AppendKey(nil), Value: end.AppendValue(nil)}}
	s.BaseSequence = wire.NoSequence
	return Batch(t, s)
}

// Split cuts bytes of whole batches into them.
func Split(t testing.TB, b []byte) (headers []wire.BatchHeader, batches [][]byte) {
	t.Helper()
	for len(b) > 0 {
		h, err := wire.ParseBatchHeader(b)
		if err != nil || h.Size() > len(b) {
			t.Fatalf("not a whole batch: %v", err)
		}
		headers, batches = append(headers, h), append(batches, b[:h.Size()])
		b = b[h.Size():]
	}
	return headers, batches
}
