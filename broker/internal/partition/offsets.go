package partition

import (
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// The timestamps that ListOffsets gives a meaning of their own.
// Source: org.apache.kafka.common.requests.ListOffsetsRequest.
const (
	LatestTimestamp        = int64(-1) // the end: high watermark or last stable offset
	EarliestTimestamp      = int64(-2) // the log start offset
	MaxTimestamp           = int64(-3) // the record with the largest timestamp (KIP-734)
	EarliestLocalTimestamp = int64(-4) // as EarliestTimestamp: all storage is local
	LatestTieredTimestamp  = int64(-5) // none: offset -1 (KIP-1005)
	EarliestPendingUpload  = int64(-6) // none: offset -1 (KIP-1023)
)

// OffsetAnswer is a ListOffsets answer; Offset -1 means that there is none.
type OffsetAnswer struct {
	Offset      int64
	Timestamp   int64 // of the record, -1 where the protocol says none
	LeaderEpoch int32 // of the offset, NoEpoch if unknown
}

// ListOffset finds the first record with a timestamp of at least timestamp
// (milliseconds), or what a negative one stands for. What a reader of that
// isolation cannot see is not found.
//
// Codes: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, KAFKA_STORAGE_ERROR,
// UNSUPPORTED_FOR_MESSAGE_FORMAT (a negative timestamp without a meaning).
// Source: Partition.fetchOffsetForTimestamp, UnifiedLog.fetchOffsetByTimestamp.
func (p *Partition) ListOffset(
	timestamp int64, isolation Isolation, currentLeaderEpoch int32,
) (OffsetAnswer, error) {
	f, upTo, err := p.view(isolation, currentLeaderEpoch)
	if err != nil {
		return OffsetAnswer{}, err
	}
	none := OffsetAnswer{Offset: -1, Timestamp: -1, LeaderEpoch: NoEpoch}
	switch timestamp {
	case LatestTimestamp:
		return OffsetAnswer{upTo, -1, p.log.LeaderEpoch()}, nil
	case EarliestTimestamp, EarliestLocalTimestamp:
		return OffsetAnswer{f.LogStartOffset, -1, p.log.EpochOf(f.LogStartOffset)}, nil
	case LatestTieredTimestamp, EarliestPendingUpload:
		return none, nil
	}
	var found segment.Found
	var ok bool
	switch {
	case timestamp == MaxTimestamp:
		found, ok, err = p.log.FindLargest()
	case timestamp < 0:
		return OffsetAnswer{}, refuse(errcode.UnsupportedForMessageFormat,
			"timestamp %d has no meaning in a request for offsets", timestamp)
	default:
		found, ok, err = p.log.FindTimestamp(timestamp)
	}
	if err != nil {
		return OffsetAnswer{}, p.readError(err)
	}
	if !ok || found.Offset >= upTo {
		return none, nil
	}
	return OffsetAnswer{found.Offset, found.Timestamp, found.LeaderEpoch}, nil
}

// checkEpoch compares the leader epoch that a client knows with ours; it also
// refuses when the partition is closed.
func (p *Partition) checkEpoch(current int32) error {
	if p.closed.Load() {
		return p.gone()
	}
	switch ours := p.log.LeaderEpoch(); {
	case current == NoEpoch || current == ours:
		return nil
	case current < ours:
		return refuse(errcode.FencedLeaderEpoch,
			"leader epoch %d of %s is over; the leader is in epoch %d", current, p.tp, ours)
	default:
		return refuse(errcode.UnknownLeaderEpoch,
			"leader epoch %d of %s is not known; the leader is in epoch %d", current, p.tp, ours)
	}
}

// EpochEnd answers OffsetForLeaderEpoch: the largest epoch not above epoch, and
// the offset after its last record; {NoEpoch, -1} if there is none.
// Codes: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH. Source: KIP-101, KIP-279.
func (p *Partition) EpochEnd(epoch, currentLeaderEpoch int32) (EpochEnd, error) {
	if err := p.checkEpoch(currentLeaderEpoch); err != nil {
		return EpochEnd{}, err
	}
	e, end := p.log.EpochEnd(epoch)
	return EpochEnd{e, end}, nil
}

// DeleteRecords moves the log start offset up to offset, -1 meaning the high
// watermark, and returns where it is now (the response's low watermark). It
// survives a crash. Codes: OFFSET_OUT_OF_RANGE (above the high watermark),
// POLICY_VIOLATION (a topic that is only compacted), KAFKA_STORAGE_ERROR.
// Source: KIP-107.
func (p *Partition) DeleteRecords(offset int64) (int64, error) {
	start, err := p.moveStart(offset)
	if err != nil {
		return 0, err
	}
	if err := p.dir.saveStarts(); err != nil {
		return 0, p.storageError(err)
	}
	p.watchers.notify()
	return start, nil
}

func (p *Partition) moveStart(offset int64) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return 0, p.gone()
	}
	if !p.config.Load().Delete {
		return 0, refuse(errcode.PolicyViolation,
			"records of %s cannot be deleted: its cleanup.policy does not contain delete", p.tp)
	}
	end := p.log.EndOffset()
	if offset == -1 {
		offset = end
	}
	if offset < 0 || offset > end {
		return 0, refuse(errcode.OffsetOutOfRange,
			"offset %d of %s is above the high watermark %d", offset, p.tp, end)
	}
	if err := p.log.MoveStart(offset); err != nil {
		return 0, p.storageError(err)
	}
	return p.log.StartOffset(), nil
}
