package schemaregistry

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSubject means that a strategy cannot name a subject.
var ErrSubject = errors.New("no subject name")

// TopicName is TOPIC-key or TOPIC-value: one type of record a topic.
//
// Source: TopicNameStrategy of Confluent's Java serializers.
func TopicName(topic string, isKey bool, _ string) (string, error) {
	if isKey {
		return topic + "-key", nil
	}
	return topic + "-value", nil
}

// RecordName is the full name of the schema's record or message: several types a
// topic, each evolving by itself, whatever the topic.
//
// Source: RecordNameStrategy.
func RecordName(topic string, isKey bool, record string) (string, error) {
	if record == "" {
		return "", noRecord("RecordNameStrategy", topic, isKey)
	}
	return record, nil
}

// TopicRecordName is TOPIC-RECORD: several types a topic, each evolving within
// that topic.
//
// Source: TopicRecordNameStrategy.
func TopicRecordName(topic string, isKey bool, record string) (string, error) {
	if record == "" {
		return "", noRecord("TopicRecordNameStrategy", topic, isKey)
	}
	return topic + "-" + record, nil
}

func noRecord(strategy, topic string, isKey bool) error {
	side := "value"
	if isKey {
		side = "key"
	}
	return fmt.Errorf("%w: %s needs a named type, and the schema of this %s of topic %s has none; "+
		"name its record, message or title, or use TopicNameStrategy",
		ErrSubject, strategy, side, topic)
}

// StrategyByName finds a strategy by Confluent's class name, with or without its
// package, or by a word: topic, record, topic-record.
func StrategyByName(name string) (SubjectNameStrategy, error) {
	simple := name[strings.LastIndexByte(name, '.')+1:]
	switch strings.ToLower(strings.TrimSuffix(strings.TrimSpace(simple), "Strategy")) {
	case "topicname", "topic":
		return TopicName, nil
	case "recordname", "record":
		return RecordName, nil
	case "topicrecordname", "topic-record", "topicrecord":
		return TopicRecordName, nil
	}
	return nil, fmt.Errorf("%w: subject name strategy %q is unknown; use TopicNameStrategy, "+
		"RecordNameStrategy or TopicRecordNameStrategy", ErrConfig, name)
}
