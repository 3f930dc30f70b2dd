package partition

// The timestamps that ListOffsets gives a meaning of their own.
// Source: org.apache.kafka.common.requests.ListOffsetsRequest.
const (
	LatestTimestamp        = int64(-1) // the end: high watermark or last stable offset
	EarliestTimestamp      = int64(-2) // the log start offset
	MaxTimestamp           = int64(-3) // the record with the largest timestamp (KIP-734)
	EarliestLocalTimestamp = int64(-4) // as EarliestTimestamp: all storage is local
	LatestTieredTimestamp  = int64(-5) // none: offset -1 (KIP-1005)
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
func (p *Partition) ListOffset(
	timestamp int64, isolation Isolation, currentLeaderEpoch int32,
) (OffsetAnswer, error) {
	return OffsetAnswer{}, p.notYet()
}

// EpochEnd answers OffsetForLeaderEpoch: the largest epoch not above epoch, and
// the offset after its last record; {NoEpoch, -1} if there is none.
// Codes: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH. Source: KIP-101, KIP-279.
func (p *Partition) EpochEnd(epoch, currentLeaderEpoch int32) (EpochEnd, error) {
	return EpochEnd{}, p.notYet()
}

// DeleteRecords moves the log start offset up to offset, -1 meaning the high
// watermark, and returns where it is now (the response's low watermark). It
// survives a crash. Codes: OFFSET_OUT_OF_RANGE (above the high watermark),
// POLICY_VIOLATION (a topic that is only compacted), KAFKA_STORAGE_ERROR.
// Source: KIP-107.
func (p *Partition) DeleteRecords(offset int64) (int64, error) { return 0, p.notYet() }
