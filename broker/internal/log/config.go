package log

import "math"

// TimestampType says whose clock a record's timestamp is.
// Setting: message.timestamp.type.
type TimestampType int8

const (
	// CreateTime keeps the producer's timestamps.
	CreateTime TimestampType = 0
	// LogAppendTime puts the broker's time in their place.
	LogAppendTime TimestampType = 1
)

// Config is the part of a topic's settings that shapes its log on disk. Fields
// are named after Kafka's settings; times are milliseconds, because Kafka's
// defaults reach the largest int64 and timestamps are milliseconds too.
type Config struct {
	SegmentBytes       int   // segment.bytes
	SegmentMillis      int64 // segment.ms
	SegmentJitter      int64 // segment.jitter.ms
	SegmentIndexBytes  int   // segment.index.bytes
	IndexIntervalBytes int   // index.interval.bytes

	FlushMessages int64 // flush.messages: records between two syncs
	FlushMillis   int64 // flush.ms

	Delete          bool  // cleanup.policy contains delete
	RetentionMillis int64 // retention.ms; negative means for ever
	RetentionBytes  int64 // retention.bytes; negative means any number

	Compact                bool    // cleanup.policy contains compact
	MinCleanableDirtyRatio float64 // min.cleanable.dirty.ratio
	MinCompactionLagMillis int64   // min.compaction.lag.ms
	MaxCompactionLagMillis int64   // max.compaction.lag.ms
	DeleteRetentionMillis  int64   // delete.retention.ms

	ProducerIDExpirationMillis int64 // producer.id.expiration.ms (a broker's setting)
}

// DefaultConfig has the defaults of Apache Kafka 4.4's topic settings.
func DefaultConfig() Config {
	const day = 24 * 60 * 60 * 1000
	return Config{
		SegmentBytes:               1 << 30,
		SegmentMillis:              7 * day,
		SegmentIndexBytes:          10 << 20,
		IndexIntervalBytes:         4096,
		FlushMessages:              math.MaxInt64,
		FlushMillis:                math.MaxInt64,
		Delete:                     true,
		RetentionMillis:            7 * day,
		RetentionBytes:             -1,
		MinCleanableDirtyRatio:     0.5,
		MaxCompactionLagMillis:     math.MaxInt64,
		DeleteRetentionMillis:      day,
		ProducerIDExpirationMillis: day,
	}
}
