package partition

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
	return FetchResult{}, p.notYet()
}

// Available is the number of bytes that a Fetch from offset could read, batches
// taken whole, without reading them: what fetch.min.bytes is compared with.
// Codes as Fetch.
func (p *Partition) Available(offset int64, isolation Isolation) (int64, error) {
	return 0, p.notYet()
}

// Watch sends to ready, without blocking, whenever there may be more to read:
// after an append, when the last stable offset moves, when records are deleted,
// and when the partition closes. One channel with room for one value may watch
// any number of partitions. A watch ends with the stop function only.
//
// To miss nothing: Watch, then Fetch, then wait.
func (p *Partition) Watch(ready chan<- struct{}) (stop func()) { return func() {} }
