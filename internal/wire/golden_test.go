package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"

	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// goldenFile is testdata/record-batches.json: batches that Java's client made of
// inputs, and what its reader makes of unusual or damaged bytes.
type goldenFile struct {
	Batches []goldenBatch
	Decode  []goldenDecode
}

type goldenBatch struct {
	Name        string
	Exact       bool // uncompressed: to be met byte for byte
	Input       goldenInput
	Header      goldenHeader
	Size        int
	UpperBounds []int // of the first records, each as if alone
	Batch       []byte
	MarkerKey   []byte
	MarkerValue []byte
}

type goldenInput struct {
	BaseOffset           int64
	PartitionLeaderEpoch int32
	Compression          string
	TimestampType        string
	LogAppendTime        int64
	ProducerID           int64
	ProducerEpoch        int16
	BaseSequence         *int32
	Transactional        bool
	Records              []goldenRecord
	ControlType          string
	CoordinatorEpoch     int32
	Timestamp            int64
}

type goldenRecord struct {
	Timestamp int64
	Offset    *int64 // nil: the one after the record before
	Key       []byte
	Value     []byte
	Headers   []wire.Header
}

type goldenHeader struct {
	BaseOffset           int64
	BatchLength          int32
	PartitionLeaderEpoch int32
	Magic                int8
	CRC                  uint32
	Attributes           int16
	LastOffsetDelta      int32
	BaseTimestamp        int64
	MaxTimestamp         int64
	ProducerID           int64
	ProducerEpoch        int16
	BaseSequence         int32
	LastSequence         int32
	LastOffset           int64
	Count                int32
}

func loadGolden(t *testing.T) goldenFile {
	t.Helper()
	b, err := os.ReadFile("testdata/record-batches.json")
	if err != nil {
		t.Fatal(err)
	}
	var f goldenFile
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Batches) != 68 || len(f.Decode) != 26 {
		t.Fatalf("%d batches and %d decode rows, want 68 and 26", len(f.Batches), len(f.Decode))
	}
	return f
}

func TestBatchesAreJavasByteForByte(t *testing.T) {
	for _, g := range loadGolden(t).Batches {
		if !g.Exact {
			continue
		}
		t.Run(g.Name, func(t *testing.T) {
			got := encode(g.Input)
			if !bytes.Equal(got, g.Batch) {
				t.Errorf("encoded\n% x\nwant\n% x", got, g.Batch)
			}
		})
	}
}

// encode makes a batch as the producer does: records behind room for the header,
// which is written last.
func encode(in goldenInput) []byte {
	if in.ControlType != "" {
		return encodeMarker(in)
	}
	first := in.Records[0].Timestamp
	h := wire.BatchHeader{
		BaseOffset: in.BaseOffset, LeaderEpoch: in.PartitionLeaderEpoch,
		BaseTimestamp: first, MaxTimestamp: first,
		ProducerID: in.ProducerID, ProducerEpoch: in.ProducerEpoch, BaseSequence: *in.BaseSequence,
		Count: int32(len(in.Records)),
	}
	if in.Transactional {
		h.Attributes |= wire.Transactional
	}
	b := make([]byte, wire.BatchHeaderSize)
	for i, r := range in.Records {
		delta := int32(i)
		if r.Offset != nil {
			delta = int32(*r.Offset - in.BaseOffset)
		}
		h.LastOffsetDelta = delta
		h.MaxTimestamp = max(h.MaxTimestamp, r.Timestamp)
		b = appendRecord(b, r.Timestamp-first, delta, r)
	}
	if in.TimestampType == "LOG_APPEND_TIME" {
		h.Attributes |= wire.LogAppendTime
		h.MaxTimestamp = in.LogAppendTime
	}
	h.Seal(b)
	return b
}

func appendRecord(b []byte, tsDelta int64, offsetDelta int32, r goldenRecord) []byte {
	body := wire.RecordBodySize(tsDelta, offsetDelta, r.Key, r.Value, len(r.Headers),
		headersSize(r.Headers))
	b = wire.AppendRecord(b, body, tsDelta, offsetDelta, r.Key, r.Value, len(r.Headers))
	for _, h := range r.Headers {
		b = wire.AppendHeader(b, h.Key, h.Value)
	}
	return b
}

func headersSize(headers []wire.Header) (n int) {
	for _, h := range headers {
		n += wire.HeaderSize(h.Key, h.Value)
	}
	return n
}

func encodeMarker(in goldenInput) []byte {
	m := wire.EndTxnMarker{Type: wire.Abort, CoordinatorEpoch: in.CoordinatorEpoch}
	if in.ControlType == "COMMIT" {
		m.Type = wire.Commit
	}
	h := wire.BatchHeader{
		BaseOffset: in.BaseOffset, LeaderEpoch: in.PartitionLeaderEpoch,
		Attributes:    wire.Control | wire.Transactional,
		BaseTimestamp: in.Timestamp, MaxTimestamp: in.Timestamp,
		ProducerID: in.ProducerID, ProducerEpoch: in.ProducerEpoch,
		BaseSequence: wire.NoSequence, Count: 1,
	}
	b := make([]byte, wire.BatchHeaderSize)
	b = appendRecord(b, 0, 0, goldenRecord{Key: m.AppendKey(nil), Value: m.AppendValue(nil)})
	h.Seal(b)
	return b
}

func TestJavasBatchesAreReadBack(t *testing.T) {
	for _, g := range loadGolden(t).Batches {
		t.Run(g.Name, func(t *testing.T) {
			h, batch, rest, err := wire.CutBatch(g.Batch)
			if err != nil || len(batch) != g.Size || len(rest) != 0 {
				t.Fatalf("CutBatch: %d bytes, %d left, %v; want all %d", len(batch), len(rest), err, g.Size)
			}
			if got := headerFacts(&h); got != g.Header {
				t.Errorf("header\n got %+v\nwant %+v", got, g.Header)
			}
			if err := wire.VerifyChecksum(batch); err != nil {
				t.Error(err)
			}
			if got := compression.Codec(h.Attributes.Codec()).String(); got != g.Input.Compression {
				t.Errorf("codec %s, want %s", got, g.Input.Compression)
			}
			records, err := readRecords(&h, batch)
			if err != nil {
				t.Fatal(err)
			}
			if g.Input.ControlType != "" {
				checkMarker(t, g, records)
				return
			}
			if want := wantRecords(g.Input); !reflect.DeepEqual(records, want) {
				t.Errorf("records\n got %+v\nwant %+v", records, want)
			}
		})
	}
}

func headerFacts(h *wire.BatchHeader) goldenHeader {
	return goldenHeader{
		BaseOffset: h.BaseOffset, BatchLength: h.BatchLength, PartitionLeaderEpoch: h.LeaderEpoch,
		Magic: h.Magic, CRC: h.CRC, Attributes: int16(h.Attributes),
		LastOffsetDelta: h.LastOffsetDelta, BaseTimestamp: h.BaseTimestamp,
		MaxTimestamp: h.MaxTimestamp, ProducerID: h.ProducerID, ProducerEpoch: h.ProducerEpoch,
		BaseSequence: h.BaseSequence, LastSequence: h.LastSequence(), LastOffset: h.LastOffset(),
		Count: h.Count,
	}
}

// readRecords decompresses and reads the records of one batch, as far as it gets;
// like DefaultRecordBatch.iterator, all or none of a compressed one.
func readRecords(h *wire.BatchHeader, batch []byte) (all []wire.Record, err error) {
	b := batch[wire.BatchHeaderSize:]
	codec := compression.Codec(h.Attributes.Codec())
	if codec != compression.None {
		if b, err = compression.Decompress(nil, b, codec, 1<<20); err != nil {
			return nil, err
		}
	}
	it := wire.NewIterator(h.Count, b)
	for it.Next() {
		all = append(all, *it.Record())
	}
	if it.Err() != nil && codec != compression.None {
		return nil, it.Err()
	}
	return all, it.Err()
}

func wantRecords(in goldenInput) (all []wire.Record) {
	for i, r := range in.Records {
		w := wire.Record{
			TimestampDelta: r.Timestamp - in.Records[0].Timestamp, OffsetDelta: int32(i),
			Key: r.Key, Value: r.Value,
		}
		if r.Offset != nil {
			w.OffsetDelta = int32(*r.Offset - in.BaseOffset)
		}
		if len(r.Headers) > 0 { // no headers are nil
			w.Headers = r.Headers
		}
		all = append(all, w)
	}
	return all
}

func checkMarker(t *testing.T, g goldenBatch, records []wire.Record) {
	t.Helper()
	if len(records) != 1 || !bytes.Equal(records[0].Key, g.MarkerKey) ||
		!bytes.Equal(records[0].Value, g.MarkerValue) {
		t.Fatalf("records %+v, want one of key %x and value %x", records, g.MarkerKey, g.MarkerValue)
	}
	m, err := wire.ParseEndTxnMarker(records[0].Key, records[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	commit := g.Input.ControlType == "COMMIT"
	if (m.Type == wire.Commit) != commit || m.CoordinatorEpoch != g.Input.CoordinatorEpoch {
		t.Errorf("marker %+v, want %s by epoch %d", m, g.Input.ControlType, g.Input.CoordinatorEpoch)
	}
}

func TestEstimateSizeUpperBoundIsJavas(t *testing.T) {
	for _, g := range loadGolden(t).Batches {
		for i, want := range g.UpperBounds {
			r := g.Input.Records[i]
			got := wire.EstimateSizeUpperBound(r.Key, r.Value, len(r.Headers), headersSize(r.Headers))
			if got != want {
				t.Errorf("%s, record %d: %d bytes, want %d", g.Name, i, got, want)
			}
		}
	}
}

type goldenDecode struct {
	Name  string
	Bytes []byte
	Java  struct {
		Batches int
		Records int
		ErrorAt string // framing, crc, records; empty: no error
	}
}

// onPurpose holds the rows that we take otherwise than Java, and why.
var onPurpose = map[string]struct {
	why     string
	errorAt string
}{
	"magic 1 batch (old format)": {"since Kafka 4.0 nobody writes but v2 (KIP-724)", "framing"},
	"magic 0 batch (old format)": {"since Kafka 4.0 nobody writes but v2 (KIP-724)", "framing"},
}

func TestDamagedBytesAreReadAsFarAsJavaReadsThem(t *testing.T) {
	for _, g := range loadGolden(t).Decode {
		t.Run(g.Name, func(t *testing.T) {
			batches, records, errorAt, err := decodeAll(g.Bytes)
			if p, ok := onPurpose[g.Name]; ok {
				if errorAt != p.errorAt {
					t.Errorf("fails at %q (%v), want %q: %s", errorAt, err, p.errorAt, p.why)
				}
				return
			}
			if batches != g.Java.Batches || records != g.Java.Records || errorAt != g.Java.ErrorAt {
				t.Errorf("%d batches, %d records, fails at %q (%v); Java: %+v",
					batches, records, errorAt, err, g.Java)
			}
			if err != nil && !errors.Is(err, wire.ErrCorrupt) &&
				!errors.Is(err, compression.ErrCorrupt) && !errors.Is(err, compression.ErrUnknownCodec) {
				t.Errorf("error %v is of no known kind", err)
			}
		})
	}
}

// decodeAll reads what b holds and says where it fails: batches and records are
// those that were read whole before.
func decodeAll(b []byte) (batches, records int, errorAt string, err error) {
	for {
		h, batch, rest, err := wire.CutBatch(b)
		if err != nil {
			return batches, records, "framing", err
		}
		if batch == nil {
			return batches, records, "", nil
		}
		if err := wire.VerifyChecksum(batch); err != nil {
			return batches, records, "crc", err
		}
		all, err := readRecords(&h, batch)
		records += len(all)
		if err != nil {
			return batches, records, "records", err
		}
		batches++
		b = rest
	}
}

func TestPatchOffsetLeavesTheChecksumRight(t *testing.T) {
	for _, g := range loadGolden(t).Batches {
		b := bytes.Clone(g.Batch)
		wire.PatchOffset(b, 1<<40, 7)
		h, err := wire.ParseBatchHeader(b)
		if err != nil || h.BaseOffset != 1<<40 || h.LeaderEpoch != 7 || wire.VerifyChecksum(b) != nil {
			t.Fatalf("%s: header %+v, %v, %v", g.Name, h, err, wire.VerifyChecksum(b))
		}
		wire.PatchOffset(b, int64(binary.BigEndian.Uint64(g.Batch)), g.Header.PartitionLeaderEpoch)
		if !bytes.Equal(b, g.Batch) {
			t.Errorf("%s: patching back does not give the same bytes", g.Name)
		}
	}
}
