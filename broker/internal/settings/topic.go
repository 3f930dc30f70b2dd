package settings

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/broker/internal/log"
	"github.com/posthaste-go/posthaste/broker/internal/partition"
)

const maxLong = "9223372036854775807"

var codecs = []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"}

// Topic is the table of topics' settings.
//
// segment.bytes goes down to 14, as before Kafka 4.0 (KIP-1030 made it a
// mebibyte): tests want small segments.
var Topic = []Key{
	{Name: "cleanup.policy", Type: List, Default: "delete", Broker: "log.cleanup.policy",
		OneOf: []string{"compact", "delete"},
		Doc:   "What happens to old segments: deleted by age and size, or compacted by key."},
	{Name: "compression.gzip.level", Type: Int, Default: "-1", Min: -1, Max: 9,
		Broker: "compression.gzip.level", Doc: "Level of gzip if compression.type is gzip."},
	{Name: "compression.lz4.level", Type: Int, Default: "9", Min: 1, Max: 17,
		Broker: "compression.lz4.level", Doc: "Level of lz4 if compression.type is lz4."},
	{Name: "compression.type", Type: String, Default: "producer", OneOf: codecs,
		Broker: "compression.type", Doc: "Codec of stored batches; producer keeps what comes."},
	{Name: "compression.zstd.level", Type: Int, Default: "3", Min: -131072, Max: 22,
		Broker: "compression.zstd.level", Doc: "Level of zstd if compression.type is zstd."},
	{Name: "delete.retention.ms", Type: Long, Default: "86400000",
		Broker: "log.cleaner.delete.retention.ms", Doc: "How long compaction keeps deletion marks."},
	{Name: "file.delete.delay.ms", Type: Long, Default: "60000",
		Broker: "log.segment.delete.delay.ms", Doc: "Accepted; deleted files go at once here."},
	{Name: "flush.messages", Type: Long, Default: maxLong, Min: 1,
		Broker: "log.flush.interval.messages", Doc: "Records between two syncs to disk."},
	{Name: "flush.ms", Type: Long, Default: maxLong,
		Broker: "log.flush.interval.ms", Doc: "Time between two syncs to disk."},
	{Name: "index.interval.bytes", Type: Int, Default: "4096",
		Broker: "log.index.interval.bytes", Doc: "Bytes of log per index entry."},
	{Name: "max.compaction.lag.ms", Type: Long, Default: maxLong, Min: 1,
		Broker: "log.cleaner.max.compaction.lag.ms",
		Doc:    "Age at which a record is compacted at the latest."},
	{Name: "max.message.bytes", Type: Int, Default: "1048588",
		Broker: "message.max.bytes", Doc: "Largest batch, as sent."},
	{Name: "message.timestamp.after.max.ms", Type: Long, Default: "3600000",
		Broker: "log.message.timestamp.after.max.ms",
		Doc:    "How far a record's time may lie in the future."},
	{Name: "message.timestamp.before.max.ms", Type: Long, Default: maxLong,
		Broker: "log.message.timestamp.before.max.ms",
		Doc:    "How far a record's time may lie in the past."},
	{Name: "message.timestamp.type", Type: String, Default: "CreateTime",
		OneOf:  []string{"CreateTime", "LogAppendTime"},
		Broker: "log.message.timestamp.type", Doc: "Whose clock a record's time is."},
	{Name: "min.cleanable.dirty.ratio", Type: Double, Default: "0.5",
		Broker: "log.cleaner.min.cleanable.ratio",
		Doc:    "Share of uncompacted log at which compaction runs."},
	{Name: "min.compaction.lag.ms", Type: Long, Default: "0",
		Broker: "log.cleaner.min.compaction.lag.ms", Doc: "Age below which a record is not compacted."},
	{Name: "min.insync.replicas", Type: Int, Default: "1", Min: 1,
		Broker: "min.insync.replicas", Doc: "Replicas that acks=all needs; there is one here."},
	{Name: "preallocate", Type: Boolean, Default: "false",
		Broker: "log.preallocate", Doc: "Accepted; segments grow as they are written here."},
	{Name: "retention.bytes", Type: Long, Default: "-1", Min: math.MinInt64,
		Broker: "log.retention.bytes", Doc: "Size from which old segments go; -1 means any."},
	{Name: "retention.ms", Type: Long, Default: "604800000", Min: -1,
		Broker: "log.retention.ms", Doc: "Age at which segments go; -1 means never."},
	{Name: "segment.bytes", Type: Int, Default: "1073741824", Min: 14,
		Broker: "log.segment.bytes", Doc: "Size at which a new segment begins."},
	{Name: "segment.index.bytes", Type: Int, Default: "10485760", Min: 4,
		Broker: "log.index.size.max.bytes", Doc: "Size of an index at which a new segment begins."},
	{Name: "segment.jitter.ms", Type: Long, Default: "0",
		Broker: "log.roll.jitter.ms", Doc: "Spread of segment.ms over partitions."},
	{Name: "segment.ms", Type: Long, Default: "604800000", Min: 1,
		Broker: "log.roll.ms", Doc: "Age at which a new segment begins."},
	{Name: "unclean.leader.election.enable", Type: Boolean, Default: "false",
		Broker: "unclean.leader.election.enable", Doc: "Accepted; one node elects nobody."},
}

var topicByName = byName(Topic)

// TopicKey is the row of a topic's setting, nil if there is none.
func TopicKey(name string) *Key { return topicByName[name] }

// CheckTopic checks a topic's settings; its error is an *Error.
func CheckTopic(values map[string]string) error {
	for name, value := range values {
		k := TopicKey(name)
		if k == nil {
			return &Error{Name: name, Value: value, Reason: "there is no topic setting of this name"}
		}
		if err := k.Check(value); err != nil {
			return err
		}
	}
	return nil
}

// TopicDefault is the value of a topic's setting where the topic has none.
func (b *Broker) TopicDefault(k *Key) string {
	if given := b.Given(k.Broker); len(given) > 0 {
		return given[0].Value
	}
	return k.Default
}

// Partition is what a topic's settings, with the broker's as defaults, mean for
// its partitions. The values have been checked.
func (b *Broker) Partition(overrides map[string]string) partition.Config {
	value := func(name string) string {
		if v, ok := overrides[name]; ok {
			return v
		}
		return b.TopicDefault(topicByName[name])
	}
	number := func(name string) int64 { return integer(value(name)) }
	policy := SplitList(value("cleanup.policy"))
	dirty, err := strconv.ParseFloat(value("min.cleanable.dirty.ratio"), 64)
	if err != nil {
		panic("settings: min.cleanable.dirty.ratio was not checked: " + err.Error())
	}
	c := partition.Config{
		Config: log.Config{
			SegmentBytes:               int(number("segment.bytes")),
			SegmentMillis:              number("segment.ms"),
			SegmentJitter:              number("segment.jitter.ms"),
			SegmentIndexBytes:          int(number("segment.index.bytes")),
			IndexIntervalBytes:         int(number("index.interval.bytes")),
			FlushMessages:              number("flush.messages"),
			FlushMillis:                number("flush.ms"),
			Delete:                     slices.Contains(policy, "delete"),
			RetentionMillis:            number("retention.ms"),
			RetentionBytes:             number("retention.bytes"),
			Compact:                    slices.Contains(policy, "compact"),
			MinCleanableDirtyRatio:     dirty,
			MinCompactionLagMillis:     number("min.compaction.lag.ms"),
			MaxCompactionLagMillis:     number("max.compaction.lag.ms"),
			DeleteRetentionMillis:      number("delete.retention.ms"),
			ProducerIDExpirationMillis: b.Int("producer.id.expiration.ms"),
		},
		MaxMessageBytes:       int(number("max.message.bytes")),
		CompressionType:       value("compression.type"),
		TimestampBeforeMillis: number("message.timestamp.before.max.ms"),
		TimestampAfterMillis:  number("message.timestamp.after.max.ms"),
		MinInSyncReplicas:     int(number("min.insync.replicas")),
		StrictFirstSequence:   b.Bool("posthaste.strict.first.sequence"),
	}
	switch c.CompressionType {
	case "gzip", "lz4", "zstd":
		c.CompressionLevel = int(number("compression." + c.CompressionType + ".level"))
	}
	if strings.EqualFold(value("message.timestamp.type"), "LogAppendTime") {
		c.TimestampType = log.LogAppendTime
	}
	return c
}
