package partition

// Origin says who appends, and thus what is checked.
// Source: org.apache.kafka.storage.internals.log.AppendOrigin.
type Origin uint8

const (
	// Client is a producer: everything is checked.
	Client Origin = iota
	// Coordinator is the group or transaction coordinator of this broker: its
	// batches may have a base offset and no sequence, and may be several.
	Coordinator
)

// AppendRequest is one partition's part of a produce request.
type AppendRequest struct {
	// Records is one record batch of format v2, as the client sent it; a batch
	// cut short after it is dropped, as Kafka does. Append overwrites the
	// header's fields in place and keeps no reference.
	Records []byte
	Origin  Origin
	Acks    int16 // -1 (all), 0 or 1
	// TransactionVerified says that the transaction coordinator has this
	// partition in the producer's open transaction (KIP-890). Without it the
	// first transactional batch of a producer is INVALID_TXN_STATE.
	TransactionVerified bool
}

// AppendResult is what a produce response says.
type AppendResult struct {
	BaseOffset     int64
	LastOffset     int64
	LogAppendTime  int64 // milliseconds; -1 if the topic keeps the producer's times
	LogStartOffset int64
	Duplicate      bool // the batch was appended before; the offsets are those of then
}

// Append checks, stores and publishes one batch. When it returns, the batch
// survives the end of the process, and a power cut too if flush.messages or
// flush.ms has made it sync.
//
// Codes: CORRUPT_MESSAGE, INVALID_RECORD (with the records at fault),
// INVALID_TIMESTAMP, MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE,
// OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE,
// NOT_ENOUGH_REPLICAS, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER (closed or
// deleted). With any of them nothing was appended.
//
// A sequence the partition has among the producer's last five batches is
// answered with that batch's offset and Duplicate. Source: UnifiedLog.append,
// LogValidator.
func (p *Partition) Append(r AppendRequest) (AppendResult, error) {
	return AppendResult{}, p.notYet()
}

// Marker is a control record that ends a producer's transaction.
type Marker struct {
	ProducerID       int64
	ProducerEpoch    int16
	CoordinatorEpoch int32
	Commit           bool // false aborts
}

// AppendMarker writes a transaction's end; its offset is returned. A producer
// without an open transaction here gets a marker too, which changes nothing.
//
// Codes: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED,
// KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER. Source: KIP-98.
func (p *Partition) AppendMarker(m Marker) (int64, error) { return 0, p.notYet() }
