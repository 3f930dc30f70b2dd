package partition

import (
	"encoding/binary"

	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/mutation"
)

// Isolation is a consumer's isolation.level, numbered as in the protocol.
type Isolation int8

const (
	// ReadUncommitted reads up to the high watermark.
	ReadUncommitted Isolation = 0
	// ReadCommitted reads up to the last stable offset and is told which
	// transactions were aborted.
	ReadCommitted Isolation = 1
)

// NoEpoch stands for a leader epoch that a request does not give.
const NoEpoch = int32(-1)

// FetchRequest is one partition's part of a fetch request.
type FetchRequest struct {
	Offset   int64
	MaxBytes int // of whole batches
	// MinOneMessage returns the first batch even if it alone exceeds MaxBytes.
	// A fetch response sets it until it has its first batch (KIP-74).
	MinOneMessage      bool
	Isolation          Isolation
	CurrentLeaderEpoch int32 // NoEpoch skips the check
	LastFetchedEpoch   int32 // NoEpoch skips the check for divergence (KIP-595)
}

// FetchResult is what a fetch response says of a partition.
type FetchResult struct {
	// Records is dst with whole batches appended. The first one may begin before
	// the offset asked for: batches are compressed and stored whole.
	Records []byte

	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64
	// Aborted lists, for ReadCommitted, the aborted transactions that overlap
	// Records; nil otherwise. An empty answer has none.
	Aborted []AbortedTransaction
	// Diverging is set, and Records is empty, when LastFetchedEpoch ended before
	// Offset here.
	Diverging *EpochEnd
}

// AbortedTransaction is where a producer's aborted transaction begins.
type AbortedTransaction struct {
	ProducerID  int64
	FirstOffset int64
}

// EpochEnd is a leader epoch and the offset after its last record.
type EpochEnd struct {
	Epoch     int32
	EndOffset int64
}

// Fetch reads from r.Offset and appends to dst. An offset at the end gives no
// bytes and no error; see Watch for waiting.
//
// Codes: OFFSET_OUT_OF_RANGE, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH,
// KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER. Source: UnifiedLog.read.
func (p *Partition) Fetch(dst []byte, r FetchRequest) (FetchResult, error) {
	f, upTo, err := p.view(r.Isolation, r.CurrentLeaderEpoch)
	if err != nil {
		return FetchResult{}, err
	}
	f.Records = dst
	if r.LastFetchedEpoch >= 0 {
		if f.Diverging, err = p.diverging(r); err != nil || f.Diverging != nil {
			return f, err
		}
	}
	if err := p.inRange(r.Offset, &f); err != nil {
		return FetchResult{}, err
	}
	f.Records, err = p.log.Read(dst, segment.Range{
		Offset: r.Offset, MaxBytes: r.MaxBytes, MinOne: r.MinOneMessage, UpTo: upTo,
	})
	if err != nil {
		return FetchResult{}, p.readError(err)
	}
	if r.Isolation == ReadCommitted && len(f.Records) > len(dst) {
		for _, t := range p.log.Aborted(r.Offset, endOf(f.Records[len(dst):])) {
			f.Aborted = append(f.Aborted, AbortedTransaction{t.ProducerID, t.FirstOffset})
		}
	}
	return f, nil
}

// view is what the partition looks like to a reader: the result without
// records, and the offset that the reader must stop at.
func (p *Partition) view(i Isolation, currentLeaderEpoch int32) (FetchResult, int64, error) {
	if err := p.checkEpoch(currentLeaderEpoch); err != nil {
		return FetchResult{}, 0, err
	}
	stable := p.log.LastStableOffset() // before the end, which never moves back
	f := FetchResult{
		HighWatermark: p.log.EndOffset(), LastStableOffset: stable,
		LogStartOffset: p.log.StartOffset(),
	}
	if i == ReadCommitted && !mutation.On(mutation.StableAhead) {
		return f, f.LastStableOffset, nil
	}
	return f, f.HighWatermark, nil
}

func (p *Partition) inRange(offset int64, f *FetchResult) error {
	if offset < f.LogStartOffset || offset > f.HighWatermark {
		return refuse(errcode.OffsetOutOfRange, "offset %d of %s is out of range, %d to %d",
			offset, p.tp, f.LogStartOffset, f.HighWatermark)
	}
	return nil
}

// diverging compares what a fetcher has with this log (KIP-595).
func (p *Partition) diverging(r FetchRequest) (*EpochEnd, error) {
	epoch, end := p.log.EpochEnd(r.LastFetchedEpoch)
	switch {
	case end < 0:
		return nil, refuse(errcode.OffsetOutOfRange,
			"%s knows nothing of leader epoch %d", p.tp, r.LastFetchedEpoch)
	case epoch < r.LastFetchedEpoch || end < r.Offset:
		return &EpochEnd{epoch, end}, nil
	}
	return nil, nil
}

// endOf is the offset after the last of whole batches.
func endOf(batches []byte) int64 {
	var end int64
	for len(batches) > 0 {
		base := int64(binary.BigEndian.Uint64(batches))
		size := 12 + int(binary.BigEndian.Uint32(batches[8:]))
		end = base + int64(int32(binary.BigEndian.Uint32(batches[23:]))) + 1
		batches = batches[size:]
	}
	return end
}

// readError is NOT_LEADER_OR_FOLLOWER if the partition went away meanwhile.
func (p *Partition) readError(err error) error {
	if p.closed.Load() {
		return p.gone()
	}
	p.logger.Error("read failed", "partition", p.tp.String(), "error", err)
	return p.storageError(err)
}

// Available is the number of bytes that a Fetch from offset could read, batches
// taken whole, without reading them: what fetch.min.bytes is compared with.
// Codes as Fetch.
func (p *Partition) Available(offset int64, isolation Isolation) (int64, error) {
	f, upTo, err := p.view(isolation, NoEpoch)
	if err != nil {
		return 0, err
	}
	if err := p.inRange(offset, &f); err != nil {
		return 0, err
	}
	if offset >= upTo {
		return 0, nil
	}
	n, err := p.log.BytesBetween(offset, upTo)
	if err != nil {
		return 0, p.readError(err)
	}
	return n, nil
}
