package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Sizes and offsets of a batch's header, bytes.
const (
	BatchHeaderSize = 61 // up to and including the record count
	LogOverhead     = 12 // base offset and batch length, which batch length does not count
	Magic           = 2  // the only format written since Kafka 0.11

	offBaseOffset      = 0
	offBatchLength     = 8
	offLeaderEpoch     = 12
	offMagic           = 16
	offCRC             = 17
	offAttributes      = 21
	offLastOffsetDelta = 23
	offBaseTimestamp   = 27
	offMaxTimestamp    = 35
	offProducerID      = 43
	offProducerEpoch   = 51
	offBaseSequence    = 53
	offCount           = 57
)

// Values that mean "none".
const (
	NoProducerID    = int64(-1)
	NoProducerEpoch = int16(-1)
	NoSequence      = int32(-1)
	NoLeaderEpoch   = int32(-1)
	NoTimestamp     = int64(-1)
)

// ErrCorrupt is matched by every error about bytes that are not a sound batch.
var ErrCorrupt = errors.New("corrupt record batch")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Attributes are the flags of a batch.
type Attributes int16

const (
	codecMask                = Attributes(0x07)
	LogAppendTime Attributes = 1 << 3 // timestamps are the broker's
	Transactional Attributes = 1 << 4 // belongs to a transaction
	Control       Attributes = 1 << 5 // holds a control record that applications never see
	DeleteHorizon Attributes = 1 << 6 // base timestamp is a delete horizon (compaction)
)

// Codec is the number of the compression codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
func (a Attributes) Codec() int8 { return int8(a & codecMask) }

// WithCodec is a with the codec's number replaced.
func (a Attributes) WithCodec(codec int8) Attributes {
	return a&^codecMask | Attributes(codec)&codecMask
}

// Has reports whether all bits of flag are set.
func (a Attributes) Has(flag Attributes) bool { return a&flag == flag }

// BatchHeader is the fixed part of a batch. Timestamps are milliseconds since
// the epoch.
type BatchHeader struct {
	BaseOffset      int64
	BatchLength     int32 // bytes after the length field itself
	LeaderEpoch     int32
	Magic           int8
	CRC             uint32 // CRC-32C of everything from the attributes on
	Attributes      Attributes
	LastOffsetDelta int32
	BaseTimestamp   int64
	MaxTimestamp    int64
	ProducerID      int64
	ProducerEpoch   int16
	BaseSequence    int32
	Count           int32 // records
}

// Size is the length of the whole batch in bytes, header included.
func (h *BatchHeader) Size() int { return LogOverhead + int(h.BatchLength) }

// LastOffset is the offset of the last record.
func (h *BatchHeader) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// LastSequence is the sequence of the last record; sequences wrap from the
// largest int32 to 0. It is NoSequence if the batch has none.
func (h *BatchHeader) LastSequence() int32 {
	if h.BaseSequence == NoSequence {
		return NoSequence
	}
	return AddSequence(h.BaseSequence, h.LastOffsetDelta)
}

// AddSequence is seq + n with Kafka's wrap from the largest int32 to 0.
// Source: DefaultRecordBatch.incrementSequence.
func AddSequence(seq, n int32) int32 { return int32((int64(seq) + int64(n)) & 0x7fffffff) }

// ParseBatchHeader reads the header at the start of b. It checks the magic and
// that the lengths can be true, not the checksum: see VerifyChecksum.
func ParseBatchHeader(b []byte) (BatchHeader, error) {
	if len(b) < BatchHeaderSize {
		return BatchHeader{}, fmt.Errorf("%w: %d bytes are less than a header of %d",
			ErrCorrupt, len(b), BatchHeaderSize)
	}
	h := BatchHeader{
		BaseOffset:      int64(binary.BigEndian.Uint64(b[offBaseOffset:])),
		BatchLength:     int32(binary.BigEndian.Uint32(b[offBatchLength:])),
		LeaderEpoch:     int32(binary.BigEndian.Uint32(b[offLeaderEpoch:])),
		Magic:           int8(b[offMagic]),
		CRC:             binary.BigEndian.Uint32(b[offCRC:]),
		Attributes:      Attributes(binary.BigEndian.Uint16(b[offAttributes:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(b[offLastOffsetDelta:])),
		BaseTimestamp:   int64(binary.BigEndian.Uint64(b[offBaseTimestamp:])),
		MaxTimestamp:    int64(binary.BigEndian.Uint64(b[offMaxTimestamp:])),
		ProducerID:      int64(binary.BigEndian.Uint64(b[offProducerID:])),
		ProducerEpoch:   int16(binary.BigEndian.Uint16(b[offProducerEpoch:])),
		BaseSequence:    int32(binary.BigEndian.Uint32(b[offBaseSequence:])),
		Count:           int32(binary.BigEndian.Uint32(b[offCount:])),
	}
	return h, checkFraming(h.BatchLength, h.Magic)
}

// CutBatch takes the first batch off b, which holds batches one after the other,
// perhaps with a last one that is cut short: a broker fills a fetch response up
// to a number of bytes. batch is nil if b is empty or holds only a beginning.
// It checks what ParseBatchHeader checks, not the checksum.
// Source: ByteBufferLogInputStream.
func CutBatch(b []byte) (h BatchHeader, batch, rest []byte, err error) {
	if len(b) > offMagic { // enough to see a bad length, or another format
		length := int32(binary.BigEndian.Uint32(b[offBatchLength:]))
		if err := checkFraming(length, int8(b[offMagic])); err != nil {
			return BatchHeader{}, nil, b, err
		}
		if size := LogOverhead + int(length); size <= len(b) {
			h, err := ParseBatchHeader(b)
			return h, b[:size:size], b[size:], err
		}
	}
	return BatchHeader{}, nil, b, nil
}

func checkFraming(batchLength int32, magic int8) error {
	if magic != Magic {
		return fmt.Errorf("%w: magic %d, only %d is known", ErrCorrupt, magic, Magic)
	}
	if batchLength < BatchHeaderSize-LogOverhead {
		return fmt.Errorf("%w: batch length %d is less than a header's %d",
			ErrCorrupt, batchLength, BatchHeaderSize-LogOverhead)
	}
	return nil
}

// Put writes h, checksum included, over the first BatchHeaderSize bytes of b.
func (h *BatchHeader) Put(b []byte) {
	_ = b[BatchHeaderSize-1]
	binary.BigEndian.PutUint64(b[offBaseOffset:], uint64(h.BaseOffset))
	binary.BigEndian.PutUint32(b[offBatchLength:], uint32(h.BatchLength))
	binary.BigEndian.PutUint32(b[offLeaderEpoch:], uint32(h.LeaderEpoch))
	b[offMagic] = byte(h.Magic)
	binary.BigEndian.PutUint32(b[offCRC:], h.CRC)
	binary.BigEndian.PutUint16(b[offAttributes:], uint16(h.Attributes))
	binary.BigEndian.PutUint32(b[offLastOffsetDelta:], uint32(h.LastOffsetDelta))
	binary.BigEndian.PutUint64(b[offBaseTimestamp:], uint64(h.BaseTimestamp))
	binary.BigEndian.PutUint64(b[offMaxTimestamp:], uint64(h.MaxTimestamp))
	binary.BigEndian.PutUint64(b[offProducerID:], uint64(h.ProducerID))
	binary.BigEndian.PutUint16(b[offProducerEpoch:], uint16(h.ProducerEpoch))
	binary.BigEndian.PutUint32(b[offBaseSequence:], uint32(h.BaseSequence))
	binary.BigEndian.PutUint32(b[offCount:], uint32(h.Count))
}

// Seal makes b a finished batch: it sets h's length, magic and checksum from b
// and writes h over b's first BatchHeaderSize bytes. b is header and records.
func (h *BatchHeader) Seal(b []byte) {
	h.prepare(b)
	h.CRC = Checksum(b)
	binary.BigEndian.PutUint32(b[offCRC:], h.CRC)
}

// prepare is Seal but for the checksum.
func (h *BatchHeader) prepare(b []byte) {
	h.BatchLength = int32(len(b) - LogOverhead)
	h.Magic = Magic
	h.Put(b)
}

// Checksum computes the CRC-32C that belongs into the header of batch.
func Checksum(batch []byte) uint32 { return crc32.Checksum(batch[offAttributes:], castagnoli) }

// VerifyChecksum compares the checksum of one whole batch with its header's.
func VerifyChecksum(batch []byte) error {
	want := binary.BigEndian.Uint32(batch[offCRC:])
	if got := Checksum(batch); got != want {
		return fmt.Errorf("%w: checksum is %#08x, the header says %#08x", ErrCorrupt, got, want)
	}
	return nil
}

// PatchOffset sets what a broker fills in: base offset and leader epoch. Both
// lie outside the checksum.
func PatchOffset(batch []byte, baseOffset int64, leaderEpoch int32) {
	binary.BigEndian.PutUint64(batch[offBaseOffset:], uint64(baseOffset))
	binary.BigEndian.PutUint32(batch[offLeaderEpoch:], uint32(leaderEpoch))
}
