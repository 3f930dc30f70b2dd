// Package batch is one batch of records of one partition: its bytes, its state
// and its outcome.
//
//	accumulator ─ Append… Close ─▶ compress ─▶ sender ─ Seal, send, retry ─▶ Succeed | Fail
//
// Ownership passes along that line: whoever holds a batch is its only writer.
// While it is Open the partition's lock guards it; a Closed one belongs to the
// goroutine that closed it; from Ready on sender.Core owns it, and lends the
// bytes to one connection while a request is out.
package batch

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
	"github.com/posthaste-go/posthaste/serializer"
)

// Bytes around a batch in its buffer, so that what a produce request says of a
// partition is one contiguous piece: index and length before, a tag after.
const (
	FrontRoom = 16 // ≥ 4 (index) + 5 (length) ; keeps records aligned
	BackRoom  = 1  // the empty tag section of a flexible request
	Overhead  = FrontRoom + BackRoom
)

// PartitionID numbers the partitions of one producer densely from 0, in the
// order in which it first met them.
type PartitionID int32

// Entry is what the completion of one record needs: a callback, or the facts
// for interceptors. Batches of records without either have none.
type Entry struct {
	Callback  any   // the user's function; a func in an any costs no allocation
	Timestamp int64 // milliseconds
	Index     int32
	KeySize   int32 // bytes; -1 for null
	ValueSize int32
}

// entrySize is what an Entry counts for, bytes: itself, the room that append
// leaves, and what of it waits for the collector.
const entrySize = 64

// Batch gathers records of one partition.
type Batch struct {
	Partition PartitionID
	Outcome   *Outcome
	Entries   []Entry               // in append order
	Headers   [][]serializer.Header // of the entries, for interceptors; or empty
	Callbacks int                   // number of entries when it was complete
	Created   time.Time
	Opened    int64 // Created in milliseconds: no record without a time of its own is older
	Charge    int   // bytes of buffer.memory to give back; of a split's parts the last has them
	Weight    int32 // how many batches of batch.size it is worth; 0 counts as 1

	// MorePartsFollow marks a part of a split batch that is not the last.
	MorePartsFollow bool

	whole    []byte // the buffer as the pool gave it
	kept     []byte // of the split batch whose last part this is: the pool's buffer
	buf      []byte // FrontRoom, header, records; its capacity leaves BackRoom free
	state    atomic.Uint32
	count    int32
	baseTime int64
	maxTime  int64
	raw      int // bytes of records before compression
	codec    compression.Codec

	// Set by sender.Core.
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32 // wire.NoSequence until first sent
	Attempts      int
	RetryAt       time.Time
	FirstSent     time.Time
	LastFailure   Failure // the last retriable one, for the timeline
	MaybeWritten  bool    // an attempt's answer is not known
	Doubtful      bool    // ... of the batch this is a part of: brokers would not know it again
	Full          bool    // it, or what it is a part of, had no more room
	Order         int64   // place among its partition's batches
	Settled       bool    // the outcome is known; it waits for the batches before it
	Verdict       *Failure
	Offset        int64 // of the first record, if Verdict is nil
	AppendTime    int64
	Lent          bool  // a connection has the bytes
	LeaderEpoch   int32 // of the last attempt, -1 before
	transactional bool
	sealed        bool
	summed        bool   // sum is the checksum of all records, as they are sent
	sum           uint32 // of the records before sumFrom
	sumFrom       int    // index into buf
	sumAt         int    // length of buf from which more of it is summed up
	own           Outcome
}

// Flush is one flush under way.
type Flush struct {
	Done chan struct{} // closed when it is complete
}

// New opens a batch in buf, whose capacity bounds it. baseTime is the first
// record's timestamp in milliseconds.
func New(id PartitionID, topic string, index int32, buf []byte, baseTime int64) *Batch {
	b := &Batch{
		Partition:     id,
		own:           Outcome{Topic: topic, Partition: index, BaseTimestamp: baseTime},
		whole:         buf,
		buf:           buf[: FrontRoom+wire.BatchHeaderSize : cap(buf)-BackRoom],
		Charge:        cap(buf),
		baseTime:      baseTime,
		maxTime:       baseTime,
		ProducerID:    wire.NoProducerID,
		ProducerEpoch: wire.NoProducerEpoch,
		BaseSequence:  wire.NoSequence,
		LeaderEpoch:   wire.NoLeaderEpoch,
		sumFrom:       FrontRoom + wire.BatchHeaderSize,
		sumAt:         math.MaxInt,
	}
	b.Outcome = &b.own
	return b
}

// sumChunk is after how many bytes a checksum is taken of records that were written:
// few enough that they are still in a processor's own cache.
const sumChunk = 32 << 10

// SumEarly has records summed up while more are appended, because they will not be
// compressed.
func (b *Batch) SumEarly() { b.sumAt = b.sumFrom + sumChunk }

// State is where the batch stands.
func (b *Batch) State() State { return State(b.state.Load()) }

// Move makes the transition of e, and panics if there is none.
func (b *Batch) Move(e Event) {
	from := b.State()
	to, ok := from.Next(e)
	if !ok {
		panic(fmt.Sprintf("batch of %s-%d: event %v is illegal in state %v",
			b.Outcome.Topic, b.Outcome.Partition, e, from))
	}
	b.state.Store(uint32(to))
}

// Count is the number of records.
func (b *Batch) Count() int32 { return b.count }

// Size is the length of header and records as they are now, bytes.
func (b *Batch) Size() int { return len(b.buf) - FrontRoom }

// RawSize is the length of the records before compression, bytes.
func (b *Batch) RawSize() int { return b.raw }

// Yield is the whole buffer, for the pool it came from. The batch has no bytes any
// more: whoever holds its Outcome must not hold them.
func (b *Batch) Yield() []byte {
	whole := b.whole
	if b.kept != nil {
		whole = b.kept
	}
	b.whole, b.buf, b.kept = nil, nil, nil
	return whole[:0]
}

// Sequenced reports whether the batch has been given a sequence.
func (b *Batch) Sequenced() bool { return b.BaseSequence != wire.NoSequence }

// TakesEntry reports whether the batch may have one more Entry. All of them
// together count for no more memory than the buffer does, so that buffer.memory also
// bounds what callbacks of very small records need.
func (b *Batch) TakesEntry() bool { return (len(b.Entries)+1)*entrySize <= cap(b.whole) }

// Append adds a record if there is room for it, and reports its index.
// timestamp is in milliseconds; headersSize is the sum of wire.HeaderSize.
func (b *Batch) Append(
	timestamp int64, key, value []byte, headers []serializer.Header, headersSize int,
) (index int32, ok bool) {
	index = b.count
	if len(headers) == 0 {
		b.buf, ok = wire.AppendIfFits(b.buf, timestamp-b.baseTime, index, key, value)
	} else {
		ok = b.appendWithHeaders(timestamp-b.baseTime, key, value, headers, headersSize)
	}
	if !ok {
		return 0, false
	}
	b.count++
	if timestamp > b.maxTime {
		b.maxTime = timestamp
	}
	if len(b.buf) >= b.sumAt {
		b.sumMore()
		b.sumAt = b.sumFrom + sumChunk
	}
	return index, true
}

// sumMore takes the checksum of the records that are not in it yet.
func (b *Batch) sumMore() {
	b.sum = wire.AddSum(b.sum, b.buf[b.sumFrom:])
	b.sumFrom = len(b.buf)
}

func (b *Batch) appendWithHeaders(
	delta int64, key, value []byte, headers []serializer.Header, headersSize int,
) bool {
	body := wire.RecordBodySize(delta, b.count, key, value, len(headers), headersSize)
	if len(b.buf)+wire.VarintLen(int64(body))+body > cap(b.buf) {
		return false
	}
	b.buf = wire.AppendRecord(b.buf, body, delta, b.count, key, value, len(headers))
	for i := range headers {
		b.buf = wire.AppendHeader(b.buf, headers[i].Key, headers[i].Value)
	}
	return true
}

// Grow moves the batch into a bigger buffer and returns the old one.
func (b *Batch) Grow(buf []byte) (old []byte) {
	old = b.whole
	b.whole = buf
	b.buf = append(buf[:0:cap(buf)-BackRoom], b.buf...)
	b.Charge = cap(buf)
	return old[:0]
}

// Capacity is the size of the buffer, bytes.
func (b *Batch) Capacity() int { return cap(b.whole) }

// Limit has the batch use no more than capacity bytes of its buffer. What it has
// already it keeps.
func (b *Batch) Limit(capacity int) {
	most := min(cap(b.whole), capacity) - BackRoom
	b.buf = b.whole[:len(b.buf):max(most, len(b.buf))]
}

// Bound is how much of the buffer the batch uses at most, bytes.
func (b *Batch) Bound() int { return cap(b.buf) + BackRoom }

// Close ends appending.
func (b *Batch) Close() {
	b.Move(EventClose)
	b.raw = len(b.buf) - FrontRoom - wire.BatchHeaderSize
}

// Compress replaces the records by their compressed form if that is smaller,
// and makes the batch Ready. scratch is reused and returned. With no
// compressor it only makes the batch Ready.
func (b *Batch) Compress(c *compression.Compressor, scratch []byte) ([]byte, error) {
	if c != nil && b.count > 0 {
		records := b.buf[FrontRoom+wire.BatchHeaderSize:]
		var err error
		scratch, err = c.Append(scratch[:0], records)
		if err != nil {
			return scratch, fmt.Errorf("compress a batch of %d records with %v: %w",
				b.count, c.Codec(), err)
		}
		if len(scratch) < len(records) {
			n := copy(records, scratch)
			b.buf = b.buf[:FrontRoom+wire.BatchHeaderSize+n]
			b.codec = c.Codec()
		}
	}
	b.sumUp()
	b.Move(EventSeal)
	return scratch, nil
}

// leastSummed is how many bytes of records are worth summing up before the header
// is known: putting both sums together costs as much as summing about so many.
const leastSummed = 2 << 10

// sumUp takes the records' checksum while they are in the caches of the goroutine
// that wrote the last of them.
func (b *Batch) sumUp() {
	n := len(b.buf) - FrontRoom - wire.BatchHeaderSize
	if n < leastSummed || n > wire.SumLimit {
		return
	}
	b.sumMore()
	b.summed = true
}

// Uncompressed makes a closed batch Ready as it is.
func (b *Batch) Uncompressed() {
	if b.State() == Closed {
		b.Move(EventSeal)
	}
}

// Identify gives the batch the producer id, epoch and first sequence under
// which it is sent from now on.
func (b *Batch) Identify(id int64, epoch int16, sequence int32, transactional bool) {
	b.ProducerID, b.ProducerEpoch, b.BaseSequence = id, epoch, sequence
	b.transactional = transactional
	b.sealed = false
}

// Forget takes the sequence back: no broker has the batch under it. MaybeWritten
// stays: a topic that was deleted since may have had it.
func (b *Batch) Forget() {
	b.Identify(wire.NoProducerID, wire.NoProducerEpoch, wire.NoSequence, b.transactional)
}

// Seal writes the header and its checksum if they are not written yet, and
// returns the batch's bytes. A retry under the same sequence resends the very
// bytes of the first attempt.
func (b *Batch) Seal() []byte {
	bytes := b.buf[FrontRoom:]
	if b.sealed {
		return bytes
	}
	b.sealed = true
	attributes := wire.Attributes(0).WithCodec(int8(b.codec))
	if b.transactional {
		attributes |= wire.Transactional
	}
	h := wire.BatchHeader{
		LeaderEpoch:     wire.NoLeaderEpoch,
		Attributes:      attributes,
		LastOffsetDelta: b.count - 1,
		BaseTimestamp:   b.baseTime,
		MaxTimestamp:    b.maxTime,
		ProducerID:      b.ProducerID,
		ProducerEpoch:   b.ProducerEpoch,
		BaseSequence:    b.BaseSequence,
		Count:           b.count,
	}
	if b.summed {
		h.SealSummed(bytes, b.sum)
	} else {
		h.Seal(bytes)
	}
	return bytes
}

// Framed is the sealed batch with n bytes of room before it and BackRoom
// after it, to be filled in by whoever writes the request. n ≤ FrontRoom.
func (b *Batch) Framed(n int) []byte {
	b.Seal()
	return b.whole[FrontRoom-n : len(b.buf)+BackRoom]
}

// Succeed publishes where the batch stands in the log.
func (b *Batch) Succeed(baseOffset, appendTime int64) {
	b.Move(EventAck)
	b.Outcome.succeed(baseOffset, appendTime)
}

// Fail publishes why the batch is not in the log, or may not be.
func (b *Batch) Fail(f *Failure) {
	b.Move(EventFail)
	b.Outcome.fail(f)
}
