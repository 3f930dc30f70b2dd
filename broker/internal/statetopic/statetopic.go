// Package statetopic reads and writes the topics that the coordinators keep
// their state in: keys and values, the last value of a key being the one that
// counts, null deleting it.
package statetopic

import (
	"fmt"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Record is a record of a state topic; a nil Value deletes the key.
type Record struct{ Key, Value []byte }

// Append writes records as one batch. It survives the process when Append
// returns.
func Append(p *partition.Partition, nowMillis int64, records []Record) error {
	batch := make([]byte, wire.BatchHeaderSize, 1<<10)
	for i, r := range records {
		body := wire.RecordBodySize(0, int32(i), r.Key, r.Value, 0, 0)
		batch = wire.AppendRecord(batch, body, 0, int32(i), r.Key, r.Value, 0)
	}
	h := wire.BatchHeader{
		LeaderEpoch: wire.NoLeaderEpoch, LastOffsetDelta: int32(len(records) - 1),
		BaseTimestamp: nowMillis, MaxTimestamp: nowMillis,
		ProducerID: wire.NoProducerID, ProducerEpoch: wire.NoProducerEpoch,
		BaseSequence: wire.NoSequence, Count: int32(len(records)),
	}
	h.Seal(batch)
	_, err := p.Append(partition.AppendRequest{
		Records: batch, Origin: partition.Coordinator, Acks: -1,
	})
	return err
}

const (
	readBytes       = 1 << 20  // a step of Replay
	maxUncompressed = 64 << 20 // of a batch that somebody has compressed
)

// Replay calls fn with every record from the start of p to its end as it is
// now. Key and value are the callee's for the time of the call only. Control
// records are passed over.
func Replay(p *partition.Partition, fn func(Record) error) error {
	end := p.HighWatermark()
	var buf []byte
	for offset := p.LogStartOffset(); offset < end; {
		f, err := p.Fetch(buf[:0], partition.FetchRequest{Offset: offset, MaxBytes: readBytes,
			MinOneMessage: true, CurrentLeaderEpoch: partition.NoEpoch,
			LastFetchedEpoch: partition.NoEpoch})
		if err != nil {
			return err
		}
		if len(f.Records) == 0 {
			return fmt.Errorf("%s-%d ends at offset %d, not at %d", p.Name().Topic,
				p.Name().Partition, offset, end)
		}
		buf = f.Records
		for rest := buf; len(rest) > 0; {
			h, err := wire.ParseBatchHeader(rest)
			if err != nil {
				return err
			}
			if h.LastOffset() >= offset && !h.Attributes.Has(wire.Control) {
				if err := replayBatch(&h, rest[wire.BatchHeaderSize:h.Size()], offset, fn); err != nil {
					return err
				}
			}
			offset = max(offset, h.LastOffset()+1)
			rest = rest[h.Size():]
		}
	}
	return nil
}

// replayBatch passes the records of one batch on, from an offset on.
func replayBatch(h *wire.BatchHeader, b []byte, from int64, fn func(Record) error) error {
	if codec := compression.Codec(h.Attributes.Codec()); codec != compression.None {
		var err error
		if b, err = compression.Decompress(nil, b, codec, maxUncompressed); err != nil {
			return fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
		}
	}
	it := wire.NewIterator(h.Count, b)
	for it.Next() {
		r := it.Record()
		if h.BaseOffset+int64(r.OffsetDelta) < from {
			continue
		}
		if err := fn(Record{Key: r.Key, Value: r.Value}); err != nil {
			return err
		}
	}
	return it.Err()
}
