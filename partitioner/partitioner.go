// Package partitioner chooses the partition of a record.
//
// A producer without a partitioner uses the built-in choice of Kafka's Java
// client: records with a key go to [ForKey], records without one stick to a
// partition until about batch.size bytes went there (KIP-794). This package
// holds everything else: Kafka's [RoundRobin] and [UniformSticky], and the key
// hashes of other clients ([Keyed] with a [Dialect]) for fleets in which a
// librdkafka or sarama producer writes to the same topic and equal keys must
// meet in one partition.
//
//	p := &partitioner.Keyed{Dialect: partitioner.LibrdkafkaConsistentRandom}
//
// A partitioner of one's own is one method; the examples show two. Its answer
// is final: the record goes there or fails. [Explain] previews where a key lands
// under each dialect.
//
// testdata/ holds what the other clients answered when they were run.
//
// Who calls this package: the producer, on the goroutine that sends, with a
// snapshot of the topic. It imports nothing of the module.
package partitioner

// Record is what a partitioner may look at: the record before and after
// serialization. KeyBytes and ValueBytes are nil for null; they may be read only
// until Partition returns.
type Record struct {
	Topic      string
	Key        any // as given to the producer, before serialization
	KeyBytes   []byte
	Value      any // as given to the producer, before serialization
	ValueBytes []byte
}

// Topic is an immutable snapshot of one topic as the producer knows it. Its
// methods do not allocate and cost no more than a slice access.
type Topic interface {
	// Name is the topic's name.
	Name() string
	// NumPartitions counts the partitions, at least 1; they are numbered from 0.
	NumPartitions() int
	// Leader is the node that leads a partition; ok is false while it has none
	// or the partition does not exist.
	Leader(partition int32) (nodeID int32, ok bool)
	// Available lists the partitions that have a leader, in ascending order. The
	// slice is shared: it must not be changed.
	Available() []int32
}

// Partitioner chooses the partition of a record. It is called concurrently, by
// every goroutine that sends, and for every record that does not name its
// partition itself; a slow one slows the senders.
//
// A result outside [0, NumPartitions) or an error fails the record; nothing of
// it is sent. If a partitioner also has Close() error (io.Closer), the producer
// calls it once when it closes.
//
// Source: org.apache.kafka.clients.producer.Partitioner; without onNewBatch,
// which Kafka 4.0 removed (KIP-794).
type Partitioner interface {
	Partition(r Record, t Topic) (int32, error)
}
