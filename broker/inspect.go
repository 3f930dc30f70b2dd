package broker

import (
	"fmt"
	"io"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Header is a name and a value that travel with a record.
type Header struct {
	Key   string
	Value []byte
}

// Record is a record as it lies in a log. Nil and empty keys and values differ.
type Record struct {
	Offset    int64
	Timestamp time.Time
	Key       []byte
	Value     []byte
	Headers   []Header
	Batch     Batch
}

// Batch is what a log says of the batch that a record lies in.
type Batch struct {
	BaseOffset    int64
	LastOffset    int64
	Compression   string // "none", "gzip", "snappy", "lz4" or "zstd"
	Bytes         int    // as stored, header included
	ProducerID    int64  // -1 if the producer was not idempotent
	ProducerEpoch int16
	BaseSequence  int32 // -1 if none
	LeaderEpoch   int32
	Transactional bool
	Control       bool // holds the end of a transaction, which applications never see
}

// maxBatchBytes bounds what a batch may decompress to in Records and Dump.
const maxBatchBytes = 256 << 20

// End is the log end offset of a partition: how many records were ever written,
// transactions' markers among them. It is -1 if there is no such partition.
func (b *Broker) End(topic string, n int32) int64 {
	p, err := b.partition(topic, n)
	if err != nil {
		return -1
	}
	return p.HighWatermark()
}

func (b *Broker) partition(topic string, n int32) (*partition.Partition, error) {
	inst := b.current.Load()
	if inst == nil {
		return nil, ErrClosed
	}
	t := inst.topics.Snapshot().Named(topic)
	if t == nil {
		return nil, fmt.Errorf("there is no topic %s", topic)
	}
	return inst.topics.Partition(t, n)
}

// Records reads all records of a partition, markers included: what a test wants
// to look at, not what a program should do with a large topic.
func (b *Broker) Records(topic string, n int32) ([]Record, error) {
	p, err := b.partition(topic, n)
	if err != nil {
		return nil, err
	}
	var list []Record
	err = eachBatch(p, func(h *wire.BatchHeader, records []byte) error {
		batch := describeBatch(h)
		it := wire.NewIterator(h.Count, records)
		for it.Next() {
			list = append(list, newRecord(h, it.Record(), batch))
		}
		return it.Err()
	})
	return list, err
}

// eachBatch calls fn with every batch of p and its records, decompressed; both
// are the callee's for the time of the call.
func eachBatch(p *partition.Partition, fn func(*wire.BatchHeader, []byte) error) error {
	var buf []byte
	for offset := p.LogStartOffset(); offset < p.HighWatermark(); {
		f, err := p.Fetch(buf[:0], partition.FetchRequest{Offset: offset, MaxBytes: 1 << 20,
			MinOneMessage: true, CurrentLeaderEpoch: partition.NoEpoch,
			LastFetchedEpoch: partition.NoEpoch})
		if err != nil || len(f.Records) == 0 {
			return err
		}
		buf = f.Records
		for rest := buf; len(rest) > 0; {
			h, err := wire.ParseBatchHeader(rest)
			if err != nil {
				return err
			}
			records := rest[wire.BatchHeaderSize:h.Size()]
			if codec := compression.Codec(h.Attributes.Codec()); codec != compression.None {
				records, err = compression.Decompress(nil, records, codec, maxBatchBytes)
				if err != nil {
					return fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
				}
			}
			if err := fn(&h, records); err != nil {
				return fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
			}
			offset = max(offset, h.LastOffset()+1)
			rest = rest[h.Size():]
		}
	}
	return nil
}

func describeBatch(h *wire.BatchHeader) Batch {
	return Batch{BaseOffset: h.BaseOffset, LastOffset: h.LastOffset(),
		Compression: compression.Codec(h.Attributes.Codec()).String(), Bytes: h.Size(),
		ProducerID: h.ProducerID, ProducerEpoch: h.ProducerEpoch, BaseSequence: h.BaseSequence,
		LeaderEpoch:   h.LeaderEpoch,
		Transactional: h.Attributes.Has(wire.Transactional),
		Control:       h.Attributes.Has(wire.Control)}
}

func newRecord(h *wire.BatchHeader, r *wire.Record, batch Batch) Record {
	millis := h.BaseTimestamp + r.TimestampDelta
	if h.Attributes.Has(wire.LogAppendTime) {
		millis = h.MaxTimestamp
	}
	out := Record{Offset: h.BaseOffset + int64(r.OffsetDelta), Timestamp: time.UnixMilli(millis),
		Key: clone(r.Key), Value: clone(r.Value), Batch: batch}
	for _, header := range r.Headers {
		out.Headers = append(out.Headers, Header{header.Key, clone(header.Value)})
	}
	return out
}

// clone keeps nil and empty apart.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// Dump writes a partition's log as text, a line for each batch and each record,
// to look at when a test fails.
func (b *Broker) Dump(w io.Writer, topic string, n int32) error {
	records, err := b.Records(topic, n)
	if err != nil {
		return err
	}
	last := int64(-1)
	for _, r := range records {
		if h := r.Batch; h.BaseOffset != last {
			last = h.BaseOffset
			kind := ""
			if h.Transactional {
				kind = " transactional"
			}
			if h.Control {
				kind += " control"
			}
			if _, err := fmt.Fprintf(w, "batch %d..%d %s %d bytes producer=%d epoch=%d sequence=%d%s\n",
				h.BaseOffset, h.LastOffset, h.Compression, h.Bytes, h.ProducerID, h.ProducerEpoch,
				h.BaseSequence, kind); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "  %d %s key=%s value=%s\n", r.Offset,
			r.Timestamp.UTC().Format(time.RFC3339Nano), show(r.Key), show(r.Value)); err != nil {
			return err
		}
	}
	return nil
}

func show(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%q", b)
}
