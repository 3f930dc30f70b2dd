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

// Txn is the producer and the transaction that records are part of.
type Txn struct {
	ProducerID    int64
	ProducerEpoch int16
	// What the coordinator of transactions has said: see partition.AppendRequest.
	Version2     bool
	Verified     bool
	Verification *partition.Verification
}

// Append writes records as one batch and returns the offset of the first. They
// survive the process when Append returns. In a transaction they count when its
// commit marker does; txn is nil for none.
func Append(
	p *partition.Partition, nowMillis int64, txn *Txn, records []Record,
) (base int64, err error) {
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
	r := partition.AppendRequest{Origin: partition.Coordinator, Acks: -1}
	if txn != nil {
		h.Attributes = wire.Transactional
		h.ProducerID, h.ProducerEpoch = txn.ProducerID, txn.ProducerEpoch
		r.TransactionVerified, r.Verification = txn.Verified, txn.Verification
		r.TransactionVersion2 = txn.Version2
	}
	h.Seal(batch)
	r.Records = batch
	result, err := p.Append(r)
	return result.BaseOffset, err
}

// Entry is what Replay finds: a record, or the end of a transaction.
type Entry struct {
	Record
	Offset     int64
	ProducerID int64 // of the transaction that it is part of, or ends; -1 for none
	End        End   // if it is not NoEnd, there is no record
}

// End is how a transaction has ended.
type End uint8

// The ends of a transaction.
const (
	NoEnd End = iota
	Committed
	Aborted
)

const (
	readBytes       = 1 << 20  // a step of Replay
	maxUncompressed = 64 << 20 // of a batch that somebody has compressed
)

// Replay calls fn with every record and every transaction's end from the start
// of p to its end as it is now. Key and value are the callee's for the time of
// the call only. Records of transactions that were aborted, or are open, come
// too: their ends, or none, come after them.
func Replay(p *partition.Partition, fn func(Entry) error) error {
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
			if h.LastOffset() >= offset {
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
func replayBatch(h *wire.BatchHeader, b []byte, from int64, fn func(Entry) error) error {
	if codec := compression.Codec(h.Attributes.Codec()); codec != compression.None {
		var err error
		if b, err = compression.Decompress(nil, b, codec, maxUncompressed); err != nil {
			return fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
		}
	}
	e := Entry{ProducerID: wire.NoProducerID}
	if h.Attributes.Has(wire.Transactional) {
		e.ProducerID = h.ProducerID
	}
	it := wire.NewIterator(h.Count, b)
	for it.Next() {
		r := it.Record()
		if e.Offset = h.BaseOffset + int64(r.OffsetDelta); e.Offset < from {
			continue
		}
		e.Record = Record{Key: r.Key, Value: r.Value}
		if h.Attributes.Has(wire.Control) {
			marker, err := wire.ParseEndTxnMarker(r.Key, r.Value)
			if err != nil {
				return fmt.Errorf("control record at offset %d: %w", e.Offset, err)
			}
			switch e.Record = (Record{}); marker.Type {
			case wire.Commit:
				e.End = Committed
			case wire.Abort:
				e.End = Aborted
			default:
				continue // of another kind
			}
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return it.Err()
}
