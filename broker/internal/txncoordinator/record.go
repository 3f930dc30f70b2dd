package txncoordinator

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Record is a record of __transaction_state; a nil value forgets the key.
type Record struct{ Key, Value []byte }

// The versions that are written. Source: TransactionLogKey, TransactionLogValue.
const (
	keyVersion      = 0
	maxValueVersion = 1 // flexible; 0 is for a transaction.version of 0
)

// Tags of a value of version 1.
const (
	previousIDTag = 0
	nextIDTag     = 1
	versionTag    = 2
	nextEpochTag  = 3
)

func encodeKey(id string) []byte {
	return protocol.AppendString(binary.BigEndian.AppendUint16(nil, keyVersion), id)
}

// decodeKey is the transactional id that a record is about.
func decodeKey(key []byte) (string, error) {
	r := protocol.NewReader(key)
	if v := r.Int16(); r.Err() == nil && v != keyVersion {
		return "", fmt.Errorf("key of version %d, this broker reads %d", v, keyVersion)
	}
	id := string(r.NullableString())
	return id, r.Err()
}

// encode is the value of m's record, at a level of transaction.version.
func (m *metadata) encode(level Version) []byte {
	version := uint16(0)
	if level >= Version1 {
		version = 1
	}
	b := binary.BigEndian.AppendUint16(nil, version)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Producer.ID))
	b = binary.BigEndian.AppendUint16(b, uint16(m.Epoch))
	b = binary.BigEndian.AppendUint32(b, uint32(m.timeout))
	b = append(b, byte(m.state))
	if version == 0 {
		b = m.appendPartitions(b)
	} else {
		b = m.appendCompactPartitions(b)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(m.updated))
	b = binary.BigEndian.AppendUint64(b, uint64(m.start))
	if version == 0 {
		return b
	}
	return m.appendTags(b)
}

// topics calls fn with each topic and its partitions.
func (m *metadata) topics(fn func(topic string, list []TopicPartition)) int {
	n := 0
	for rest := m.partitions; len(rest) > 0; n++ {
		end := slices.IndexFunc(rest, func(tp TopicPartition) bool { return tp.Topic != rest[0].Topic })
		if end < 0 {
			end = len(rest)
		}
		fn(rest[0].Topic, rest[:end])
		rest = rest[end:]
	}
	return n
}

func (m *metadata) countTopics() int { return m.topics(func(string, []TopicPartition) {}) }

func (m *metadata) appendPartitions(b []byte) []byte {
	if m.state == Empty {
		return append(b, 0xff, 0xff, 0xff, 0xff) // null
	}
	b = binary.BigEndian.AppendUint32(b, uint32(m.countTopics()))
	m.topics(func(topic string, list []TopicPartition) {
		b = protocol.AppendString(b, topic)
		b = binary.BigEndian.AppendUint32(b, uint32(len(list)))
		for _, tp := range list {
			b = binary.BigEndian.AppendUint32(b, uint32(tp.Partition))
		}
	})
	return b
}

func (m *metadata) appendCompactPartitions(b []byte) []byte {
	if m.state == Empty {
		return append(b, 0) // null
	}
	b = protocol.AppendCompactLen(b, m.countTopics())
	m.topics(func(topic string, list []TopicPartition) {
		b = protocol.AppendCompactString(b, topic)
		b = protocol.AppendCompactLen(b, len(list))
		for _, tp := range list {
			b = binary.BigEndian.AppendUint32(b, uint32(tp.Partition))
		}
		b = append(b, 0)
	})
	return b
}

// appendTags writes the tagged fields that differ from their defaults.
func (m *metadata) appendTags(b []byte) []byte {
	n, fields := byte(0), []byte(nil)
	for tag, id := range []int64{previousIDTag: m.previousID, nextIDTag: m.nextID} {
		if id != noID {
			n++
			fields = append(fields, byte(tag), 8)
			fields = binary.BigEndian.AppendUint64(fields, uint64(id))
		}
	}
	if m.version != Version0 {
		n++
		fields = append(fields, versionTag, 2)
		fields = binary.BigEndian.AppendUint16(fields, uint16(m.version))
	}
	if m.nextEpoch != noEpoch {
		n++
		fields = append(fields, nextEpochTag, 2)
		fields = binary.BigEndian.AppendUint16(fields, uint16(m.nextEpoch))
	}
	return append(append(b, n), fields...)
}

// decode reads a record's value of version 0 or 1.
func decode(value []byte) (m metadata, err error) {
	r := protocol.NewReader(value)
	version := r.Int16()
	if version < 0 || version > maxValueVersion {
		return m, fmt.Errorf("value of version %d, this broker reads 0 to %d", version, maxValueVersion)
	}
	m.Producer = Producer{r.Int64(), r.Int16()}
	m.previousID, m.nextID, m.nextEpoch, m.lastEpoch = noID, noID, noEpoch, noEpoch
	m.timeout = r.Int32()
	m.state = State(r.Int8())
	if version == 0 {
		m.readPartitions(&r)
	} else {
		m.readCompactPartitions(&r)
	}
	m.updated, m.start = r.Int64(), r.Int64()
	if version > 0 {
		m.readTags(&r)
	}
	if err := r.Err(); err != nil {
		return m, err
	}
	if m.state < Empty || m.state > CompleteAbort {
		return m, fmt.Errorf("transaction in state %d", m.state)
	}
	slices.SortFunc(m.partitions, compare)
	return m, nil
}

func (m *metadata) readPartitions(r *protocol.Reader) {
	for range r.ArrayLen() {
		topic := string(r.NullableString())
		for range r.ArrayLen() {
			m.partitions = append(m.partitions, TopicPartition{topic, r.Int32()})
		}
	}
}

func (m *metadata) readCompactPartitions(r *protocol.Reader) {
	for range r.CompactArrayLen() {
		topic := string(r.CompactNullableString())
		for range r.CompactArrayLen() {
			m.partitions = append(m.partitions, TopicPartition{topic, r.Int32()})
		}
		r.Tags()
	}
}

func (m *metadata) readTags(r *protocol.Reader) {
	for range r.Uvarint() {
		if r.Err() != nil {
			return
		}
		tag := r.Uvarint()
		field := protocol.NewReader(r.Span(int(r.Uvarint())))
		switch tag {
		case previousIDTag:
			m.previousID = field.Int64()
		case nextIDTag:
			m.nextID = field.Int64()
		case nextEpochTag:
			m.nextEpoch = field.Int16()
		case versionTag:
			m.version = Version(field.Int16())
		}
	}
}
