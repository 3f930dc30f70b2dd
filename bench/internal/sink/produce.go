package sink

import (
	"encoding/binary"
)

const (
	batchHeaderBytes = 61 // of record batch format v2, up to the first record
	batchPrefixBytes = 12 // base offset and length, not counted by the length
	batchMagicAt     = 16
	batchCountAt     = 57

	errCorruptMessage          = 2
	errUnknownTopicOrPartition = 3
	errUnknownTopicID          = 100

	firstFlexibleProduce = 9  // KIP-482
	firstTopicIDProduce  = 13 // KIP-516
)

// produce walks one produce request, building the answer as it goes: both have
// the same topics and partitions in the same order.
func (c *conn) produce(h header, size int) error {
	if !supported(h.key, h.version) {
		return unsupported(h)
	}
	flexible := h.version >= firstFlexibleProduce
	if flexible {
		c.in.skipTags()
		c.out = append(c.out, 0) // no tags in the answer's header
	}
	if n := c.in.stringLength(flexible); n > 0 {
		c.in.skip(n) // transactional id
	}
	acks := c.in.int16()
	c.in.int32() // timeout
	topics := c.in.length(flexible)
	c.appendLength(topics, flexible)
	for ; topics > 0 && c.in.err == nil; topics-- {
		c.produceTopic(h.version, flexible)
	}
	if flexible {
		c.in.skipTags()
	}
	c.in.skip(c.in.left)
	if c.in.err != nil {
		return c.in.err
	}
	c.sink.requests.Add(1)
	c.sink.bytes.Add(int64(size) + 4)
	if acks == 0 {
		return nil
	}
	c.out = binary.BigEndian.AppendUint32(c.out, 0) // throttle time
	if flexible {
		c.out = append(c.out, 0)
	}
	return c.reply(c.sink.cfg.Delay)
}

func (c *conn) produceTopic(version int16, flexible bool) {
	t, missing := c.produceTopicName(version, flexible)
	partitions := c.in.length(flexible)
	c.appendLength(partitions, flexible)
	for ; partitions > 0 && c.in.err == nil; partitions-- {
		c.producePartition(t, missing, version)
	}
	if flexible {
		c.in.skipTags()
		c.out = append(c.out, 0)
	}
}

// produceTopicName reads and echoes a topic's name or id. For a topic that does
// not exist it returns nil and the error code of its partitions.
func (c *conn) produceTopicName(version int16, flexible bool) (*topic, int16) {
	if version >= firstTopicIDProduce {
		id := [16]byte(c.in.next(16))
		c.out = append(c.out, id[:]...)
		return c.sink.topicByID(id), errUnknownTopicID
	}
	n := c.in.stringLength(flexible)
	if n < 0 || n > 249 {
		c.in.fail(errMalformed)
		return nil, errUnknownTopicOrPartition
	}
	if flexible {
		c.out = binary.AppendUvarint(c.out, uint64(n)+1)
	} else {
		c.out = binary.BigEndian.AppendUint16(c.out, uint16(n))
	}
	start := len(c.out)
	for n > 0 {
		k := min(n, len(zeros))
		c.out = append(c.out, c.in.next(k)...)
		n -= k
	}
	if c.in.err != nil {
		return nil, errUnknownTopicOrPartition
	}
	return c.sink.topic(string(c.out[start:])), 0
}

func (c *conn) producePartition(t *topic, missing, version int16) {
	flexible := version >= firstFlexibleProduce
	index := c.in.int32()
	count, ok := c.records(c.in.length(flexible))
	if flexible {
		c.in.skipTags()
	}
	code, base := int16(0), int64(-1)
	switch {
	case t == nil:
		code = missing
	case index < 0 || int(index) >= len(t.ends):
		code = errUnknownTopicOrPartition
	case !ok:
		code = errCorruptMessage
	default:
		base = t.ends[index].Add(count) - count
	}
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(index))
	c.out = binary.BigEndian.AppendUint16(c.out, uint16(code))
	c.out = binary.BigEndian.AppendUint64(c.out, uint64(base))
	c.out = binary.BigEndian.AppendUint64(c.out, ^uint64(0)) // log append time: none
	if version >= 5 {
		c.out = binary.BigEndian.AppendUint64(c.out, 0) // log start offset
	}
	switch {
	case flexible:
		c.out = append(c.out, 1, 0, 0) // no record errors, no message, no tags
	case version >= 8:
		c.out = append(c.out, 0, 0, 0, 0, 0xff, 0xff)
	}
}

// records walks the batches of a partition's records, size bytes in all, and
// returns how many records their headers tell of. It reports false if they are
// no batches of format v2.
func (c *conn) records(size int) (count int64, ok bool) {
	ok = true
	if size > c.in.left {
		c.in.fail(errMalformed)
	}
	for size > 0 && c.in.err == nil {
		if size < batchHeaderBytes {
			c.in.skip(size)
			return 0, false
		}
		head := c.in.next(batchHeaderBytes)
		length := int(int32(binary.BigEndian.Uint32(head[8:]))) + batchPrefixBytes
		n := int32(binary.BigEndian.Uint32(head[batchCountAt:]))
		if head[batchMagicAt] != 2 || n < 0 || length < batchHeaderBytes || length > size {
			c.in.skip(size - batchHeaderBytes)
			return 0, false
		}
		count += int64(n)
		size -= length
		c.in.skip(length - batchHeaderBytes)
		c.sink.batches.Add(1)
	}
	c.sink.records.Add(count)
	return count, ok
}

// appendLength echoes the length of an array; null becomes empty.
func (c *conn) appendLength(n int, flexible bool) {
	n = max(n, 0)
	if flexible {
		c.out = binary.AppendUvarint(c.out, uint64(n)+1)
		return
	}
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(n))
}
