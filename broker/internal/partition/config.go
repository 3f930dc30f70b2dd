package partition

import (
	"fmt"
	"math"

	"github.com/posthaste-go/posthaste/broker/internal/log"
)

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is the name of the partition's directory too.
func (tp TopicPartition) String() string { return fmt.Sprintf("%s-%d", tp.Topic, tp.Partition) }

// TopicID is a topic's UUID (KIP-516). The zero value means none.
type TopicID [16]byte

// Config is what a topic's settings mean for one of its partitions. Names in
// comments are Kafka's topic settings. Config is a value; start from
// DefaultConfig.
type Config struct {
	log.Config

	MaxMessageBytes int // max.message.bytes: the largest batch, header included
	// CompressionType is the codec of stored batches: "producer" keeps what
	// comes, "uncompressed", "gzip", "snappy", "lz4" and "zstd" recompress what
	// comes otherwise. Setting: compression.type.
	CompressionType  string
	CompressionLevel int // compression.<type>.level; 0 means the codec's default

	TimestampType         log.TimestampType // message.timestamp.type
	TimestampBeforeMillis int64             // message.timestamp.before.max.ms
	TimestampAfterMillis  int64             // message.timestamp.after.max.ms

	// MinInSyncReplicas above 1 makes appends with acks=all fail with
	// NOT_ENOUGH_REPLICAS: this node is the only replica. Apache Kafka takes the
	// smaller of the setting and the number of replicas; here the setting counts
	// as it is, so that a test can provoke the error. Setting: min.insync.replicas.
	MinInSyncReplicas int

	// StrictFirstSequence refuses a producer's first batch with a sequence other
	// than 0 in a partition that never held a record, as Kafka does from 4.5 on
	// (KAFKA-15591). Off, an unknown producer may start anywhere.
	StrictFirstSequence bool
}

// DefaultConfig has the defaults of Apache Kafka 4.4.
func DefaultConfig() Config {
	return Config{
		Config:                log.DefaultConfig(),
		MaxMessageBytes:       1<<20 + 12,
		CompressionType:       "producer",
		TimestampType:         log.CreateTime,
		TimestampBeforeMillis: math.MaxInt64,
		TimestampAfterMillis:  60 * 60 * 1000,
		MinInSyncReplicas:     1,
	}
}
