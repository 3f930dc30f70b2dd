// Package settings holds the broker's and the topics' settings by Kafka's names:
// one table for each, with type, default, bounds and what they mean to a
// partition. CreateTopics, DescribeConfigs, IncrementalAlterConfigs and the
// broker's configuration file all go by these tables.
//
//	broker's table ─ log.retention.ms ─┐ default of
//	topics' table  ─ retention.ms ─────┴▶ partition.Config
//
// Source: TopicConfig, LogConfig, KafkaConfig of Apache Kafka 4.4.
package settings
