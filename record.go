package posthaste

import (
	"fmt"
	"time"

	"github.com/posthaste-go/posthaste/serializer"
)

// Header is a name and a value that travel with a record. Names may repeat; a
// nil value and an empty one differ on the wire.
type Header = serializer.Header

// Record is what a Producer sends: bytes. For Go values see Typed.
//
//	Topic      required
//	Partition  zero: chosen by key, or by the configured partitioner
//	Key        nil: no key; empty: a key of no bytes, which hashes like any other
//	Value      nil: a tombstone; empty: a value of no bytes
//	Headers    in this order
//	Timestamp  truncated to milliseconds; zero: the time of Send
type Record struct {
	Topic     string
	Partition Partition
	Key       []byte
	Value     []byte
	Headers   []Header
	Timestamp time.Time
}

// Partition is a partition that a record names itself. The zero Partition
// leaves the choice to the partitioner; ToPartition(0) is the first partition.
type Partition struct{ plusOne int32 }

// ToPartition sends a record to partition n ≥ 0, whatever its key.
func ToPartition(n int32) Partition { return Partition{n + 1} }

// Index is the partition's number; ok is false if the choice is left to the
// partitioner.
func (p Partition) Index() (n int32, ok bool) { return p.plusOne - 1, p.plusOne != 0 }

// TopicPartition names a partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32 // -1 if it was not chosen yet
}

func (tp TopicPartition) String() string {
	if tp.Partition < 0 {
		return tp.Topic
	}
	return fmt.Sprintf("%s-%d", tp.Topic, tp.Partition)
}

// RecordMetadata says where an acknowledged record stands.
type RecordMetadata struct {
	Topic     string
	Partition int32     // -1 if the record failed before one was chosen
	Offset    int64     // -1 if not known: acks=0, a duplicate, or a failure
	Timestamp time.Time // the record's own, or the broker's append time if the topic says so
	KeySize   int       // bytes; -1 for null
	ValueSize int       // bytes; -1 for null
}

// UnknownOffset is the Offset of a record whose place in the log is not known.
const UnknownOffset int64 = -1
