package limit

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

// A produce request of version 7 holds, for each partition, its index and the
// length of its batch. They are kept in front of the batch, so that a partition
// is one piece of a writev.
const (
	partitionBytes = 8
	headerBytes    = 61 // of a record batch of format v2
	recordsAt      = partitionBytes + headerBytes

	// Offsets in batch.buf of what is set when a batch is sent.
	lengthAt     = partitionBytes + 8  // of the batch, behind this field
	crcAt        = partitionBytes + 17 // of all behind this field
	attributesAt = partitionBytes + 21
	lastDeltaAt  = partitionBytes + 23
	firstTimeAt  = partitionBytes + 27
	maxTimeAt    = partitionBytes + 35
	producerAt   = partitionBytes + 43
	epochAt      = partitionBytes + 51
	sequenceAt   = partitionBytes + 53
	countAt      = partitionBytes + 57

	produceVersion = 7
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is one partition's records as they go on the wire.
type batch struct {
	buf        []byte // partition index and length, batch header, records
	packed     []byte // the same with compressed records; nil without compression
	count      int32
	sequence   int32 // of the first record
	baseMillis int64 // timestamp of all records
}

func (b *batch) init(partition int32, maxBatch int) {
	b.buf = make([]byte, recordsAt, recordsAt+maxBatch)
	binary.BigEndian.PutUint32(b.buf, uint32(partition))
	b.buf[partitionBytes+16] = 2 // magic
}

// size is the bytes of records so far.
func (b *batch) size() int { return len(b.buf) - recordsAt }

// recordBound is at least the bytes that a record takes on the wire.
func recordBound(key, value []byte) int { return len(key) + len(value) + 22 }

// append encodes one record: length, attributes, timestamp delta, offset delta,
// key, value, number of headers. It writes by index because an append per byte
// checks the capacity each time.
func (b *batch) append(key, value []byte) {
	keyLength := uint32(1) // null: zigzag of -1
	if key != nil {
		keyLength = uint32(len(key)) << 1
	}
	delta, valueLength := uint32(b.count)<<1, uint32(len(value))<<1
	size := 3 + varintBytes(delta) + varintBytes(keyLength) + len(key) +
		varintBytes(valueLength) + len(value)
	start := len(b.buf)
	b.buf = slices.Grow(b.buf, size+5)
	dst := b.buf[start:cap(b.buf)]
	n := putVarint(dst, 0, uint32(size)<<1)
	dst[n], dst[n+1] = 0, 0
	n = putVarint(dst, n+2, delta)
	n = putVarint(dst, n, keyLength)
	n += copy(dst[n:], key)
	n = putVarint(dst, n, valueLength)
	n += copy(dst[n:], value)
	dst[n] = 0
	b.buf = b.buf[:start+n+1]
	b.count++
}

func varintBytes(v uint32) int { return (bits.Len32(v|1) + 6) / 7 }

// putVarint writes v at dst[at:] and returns the index behind it.
func putVarint(dst []byte, at int, v uint32) int {
	for v >= 0x80 {
		dst[at] = byte(v) | 0x80
		v >>= 7
		at++
	}
	dst[at] = byte(v)
	return at + 1
}

// reset empties the batch for its next records; buf keeps its memory.
func (b *batch) reset() {
	b.sequence += b.count
	b.count = 0
	b.buf = b.buf[:recordsAt]
}

// request is a produce request that is built, written, and built again.
type request struct {
	prefix      []byte // up to the array of partitions
	pieces      net.Buffers
	written     net.Buffers // of pieces; WriteTo consumes it
	correlation int32
	producerID  int64 // -1: not idempotent
	times       []int64
}

func (q *request) init(s *session, o *run.Options) {
	req := kmsg.NewPtrProduceRequest()
	req.Version = produceVersion
	req.Acks = s.acks
	req.TimeoutMillis = int32((30 * time.Second).Milliseconds())
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = o.Topic
	req.Topics = append(req.Topics, topic)
	q.prefix = kmsg.NewRequestFormatter(kmsg.FormatterClientID("limit")).AppendRequest(nil, req, 0)
	q.producerID = s.producerID
}

// seal fills in headers and checksums of all batches with records and returns
// how many records they hold.
func (q *request) seal(batches []batch, compress codec) (records int64) {
	q.pieces = append(q.pieces[:0], q.prefix)
	size := len(q.prefix)
	for i := range batches {
		b := &batches[i]
		if b.count == 0 {
			continue
		}
		piece := b.buf
		if compress != nil {
			b.packed = append(b.packed[:0], b.buf[:recordsAt]...)
			b.packed = compress.compress(b.packed, b.buf[recordsAt:])
			piece = b.packed
		}
		q.sealBatch(piece, b, compress)
		records += int64(b.count)
		size += len(piece)
		q.pieces = append(q.pieces, piece)
		b.reset()
	}
	q.correlation++
	binary.BigEndian.PutUint32(q.prefix, uint32(size-4))
	binary.BigEndian.PutUint32(q.prefix[8:], uint32(q.correlation))
	binary.BigEndian.PutUint32(q.prefix[len(q.prefix)-4:], uint32(len(q.pieces)-1))
	return records
}

func (q *request) sealBatch(piece []byte, b *batch, compress codec) {
	size := len(piece) - partitionBytes
	binary.BigEndian.PutUint32(piece[4:], uint32(size))
	binary.BigEndian.PutUint32(piece[lengthAt:], uint32(size-12))
	if compress != nil {
		piece[attributesAt+1] = compress.id()
	}
	binary.BigEndian.PutUint32(piece[lastDeltaAt:], uint32(b.count-1))
	binary.BigEndian.PutUint64(piece[firstTimeAt:], uint64(b.baseMillis))
	binary.BigEndian.PutUint64(piece[maxTimeAt:], uint64(b.baseMillis))
	binary.BigEndian.PutUint64(piece[producerAt:], uint64(q.producerID))
	sequence, epoch := b.sequence, uint16(0)
	if q.producerID < 0 {
		sequence, epoch = -1, ^uint16(0)
	}
	binary.BigEndian.PutUint16(piece[epochAt:], epoch)
	binary.BigEndian.PutUint32(piece[sequenceAt:], uint32(sequence))
	binary.BigEndian.PutUint32(piece[countAt:], uint32(b.count))
	crc := crc32.Checksum(piece[attributesAt:], castagnoli)
	binary.BigEndian.PutUint32(piece[crcAt:], crc)
}

// writeTo writes the request with as few calls as the kernel allows. The batches'
// memory may be filled again when it returns.
func (q *request) writeTo(conn net.Conn) error {
	q.written = q.pieces
	_, err := q.written.WriteTo(conn)
	return err
}
