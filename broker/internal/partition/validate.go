package partition

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/posthaste-go/posthaste/broker/internal/log"
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// candidate is a batch on its way into the log.
type candidate struct {
	batch []byte // header and records, without what follows
	h     wire.BatchHeader
	// records are the batch's, decompressed; they alias batch or scratch.
	records []byte
	scratch *[]byte // from expanded; nil if batch is not compressed
	walk    walk
}

// expanded keeps buffers for decompressed records; large ones are let go.
var expanded = sync.Pool{New: func() any { return new([]byte) }}

const keepExpanded = 4 << 20

func (c *candidate) release() {
	if c.scratch != nil && cap(*c.scratch) <= keepExpanded {
		expanded.Put(c.scratch)
	}
	c.scratch = nil
}

// frame finds the one batch that b has to hold. Bytes after it that are no
// whole batch are dropped. Source: ProduceRequest.validateRecords,
// ByteBufferLogInputStream, UnifiedLog.trimInvalidBytes.
func frame(b []byte) ([]byte, error) {
	const leastSize = 14 // of the oldest format's record
	batch, rest, err := cutBatch(b, leastSize)
	switch {
	case err != nil:
		return nil, err
	case batch == nil:
		return nil, refuse(errcode.InvalidRecord,
			"a produce request must have exactly one record batch; %d bytes hold none", len(b))
	case batch[magicAt] != wire.Magic:
		return nil, refuse(errcode.InvalidRecord,
			"record batch of magic %d; only magic 2 is accepted", batch[magicAt])
	}
	if second, _, err := cutBatch(rest, leastSize); err != nil || second != nil {
		return nil, refuse(errcode.InvalidRecord,
			"a produce request must have exactly one record batch; more bytes follow the first")
	}
	if len(batch) < wire.BatchHeaderSize {
		return nil, refuse(errcode.CorruptMessage,
			"record batch of %d bytes, less than its header's %d", len(batch), wire.BatchHeaderSize)
	}
	return batch, nil
}

const magicAt = 16

// cutBatch splits b behind its first batch, which is nil if it is not whole.
func cutBatch(b []byte, leastSize int) (batch, rest []byte, err error) {
	if len(b) < wire.LogOverhead {
		return nil, nil, nil
	}
	size := int(int32(binary.BigEndian.Uint32(b[8:])))
	if size < leastSize {
		return nil, nil, refuse(errcode.CorruptMessage, "record batch with a length of %d", size)
	}
	if len(b) <= magicAt {
		return nil, nil, nil
	}
	if m := int8(b[magicAt]); m < 0 || m > wire.Magic {
		return nil, nil, refuse(errcode.CorruptMessage, "record batch of unknown magic %d", m)
	}
	size += wire.LogOverhead
	if size > len(b) {
		return nil, nil, nil
	}
	return b[:size:size], b[size:], nil
}

// checkBatch checks everything about a batch that does not depend on where it
// is appended, and takes note of what storing it needs. now is in milliseconds.
// Source: UnifiedLog.analyzeAndValidateRecords, LogValidator.
func (c *candidate) checkBatch(b []byte, o Origin, cfg *Config, now int64) error {
	batch, err := frame(b)
	if err != nil {
		return err
	}
	c.batch = batch
	if c.h, err = wire.ParseBatchHeader(batch); err != nil {
		return refuse(errcode.CorruptMessage, "%v", err)
	}
	if o == Client && c.h.BaseOffset != 0 {
		return refuse(errcode.InvalidRecord,
			"the base offset of a batch to append must be 0, not %d", c.h.BaseOffset)
	}
	if len(batch) > cfg.MaxMessageBytes {
		return tooLarge(len(batch), cfg)
	}
	if err := wire.VerifyChecksum(batch); err != nil {
		return refuse(errcode.CorruptMessage, "%v", err)
	}
	if err := c.checkHeader(o); err != nil {
		return err
	}
	if err := c.expand(); err != nil {
		return err
	}
	c.walk = newWalk(&c.h, cfg, now)
	return c.walk.run(c.records)
}

func tooLarge(size int, cfg *Config) error {
	return refuse(errcode.MessageTooLarge,
		"record batch of %d bytes; max.message.bytes is %d", size, cfg.MaxMessageBytes)
}

// checkHeader checks the header against itself. Source: LogValidator.validateBatch.
func (c *candidate) checkHeader(o Origin) error {
	h := &c.h
	if codec := h.Attributes.Codec(); !compression.Codec(codec).Valid() {
		return refuse(errcode.InvalidRecord, "record batch with unknown compression codec %d", codec)
	}
	switch {
	case h.LastOffsetDelta < 0:
		return refuse(errcode.InvalidRecord,
			"record batch with last offset delta %d", h.LastOffsetDelta)
	case h.Count <= 0:
		return refuse(errcode.InvalidRecord, "record batch with a count of %d records", h.Count)
	case int64(h.LastOffsetDelta)+1 != int64(h.Count):
		return refuse(errcode.InvalidRecord,
			"record batch with last offset delta %d but %d records", h.LastOffsetDelta, h.Count)
	case h.Attributes.Has(wire.Control):
		return refuse(errcode.InvalidRecord, "clients must not write control records")
	case o == Client && h.ProducerID >= 0 && h.BaseSequence < 0:
		return refuse(errcode.InvalidRecord,
			"record batch of producer %d with sequence %d", h.ProducerID, h.BaseSequence)
	}
	return nil
}

// expand decompresses the records.
func (c *candidate) expand() error {
	c.records = c.batch[wire.BatchHeaderSize:]
	codec := compression.Codec(c.h.Attributes.Codec())
	if codec == compression.None {
		return nil
	}
	c.scratch = expanded.Get().(*[]byte)
	out, err := compression.Decompress((*c.scratch)[:0], c.records, codec, segment.MaxExpandedBytes)
	if err != nil {
		return &Error{
			Code: errcode.InvalidRecord, Err: err,
			Message: fmt.Sprintf("record batch whose %s data cannot be decompressed", codec),
		}
	}
	*c.scratch, c.records = out, out
	return nil
}

// walk reads the records of a batch without keeping or allocating anything,
// unless records are at fault.
type walk struct {
	count         int32
	baseTimestamp int64
	appendTime    int64 // what every record's timestamp is, if hasAppendTime
	hasAppendTime bool

	needKey       bool // the topic is compacted
	createTime    bool // the topic keeps the producer's timestamps
	now           int64
	before, after int64

	maxTimestamp int64
	sequential   bool // offset deltas are 0, 1, 2, …
	badTime      bool
	faults       []RecordError
}

func newWalk(h *wire.BatchHeader, cfg *Config, now int64) walk {
	return walk{
		count: h.Count, baseTimestamp: h.BaseTimestamp,
		appendTime: h.MaxTimestamp, hasAppendTime: h.Attributes.Has(wire.LogAppendTime),
		needKey: cfg.Compact, createTime: cfg.TimestampType == log.CreateTime,
		now: now, before: cfg.TimestampBeforeMillis, after: cfg.TimestampAfterMillis,
		maxTimestamp: wire.NoTimestamp, sequential: true,
	}
}

// run walks over b, which must hold count records and nothing else.
// Source: DefaultRecord.readFrom, LogValidator.validateRecord.
func (w *walk) run(b []byte) error {
	for i := range w.count {
		body, n := wire.Varint(b)
		if n <= 0 || body < 0 || body > int64(len(b)-n) {
			return malformed(i, "its length is %d, and %d bytes are left", body, len(b))
		}
		if err := w.record(i, b[n:n+int(body)]); err != nil {
			return err
		}
		b = b[n+int(body):]
	}
	if len(b) > 0 {
		return refuse(errcode.InvalidRecord, "%d bytes after the last of %d records", len(b), w.count)
	}
	return w.verdict()
}

func malformed(i int32, format string, args ...any) error {
	return refuse(errcode.InvalidRecord,
		"record %d is malformed: "+format, append([]any{i}, args...)...)
}

// record walks over record i without its length. A step that fails leaves the
// place -1, and all steps after it there.
func (w *walk) record(i int32, b []byte) error {
	if len(b) == 0 {
		return malformed(i, "it is empty")
	}
	tsDelta, at := varint(b, 1) // after the attributes, of which none are defined
	offsetDelta, at := varint(b, at)
	key, at := varint(b, at)
	at = skip(b, at, key)
	value, at := varint(b, at)
	at = skip(b, at, value)
	headers, at := varint(b, at)
	if headers != 0 {
		at = skipHeaders(b, at, headers)
	}
	if at != len(b) {
		return malformed(i, "its fields do not fit its %d bytes", len(b))
	}
	if offsetDelta != int64(i) {
		w.sequential = false
	}
	w.judge(i, w.baseTimestamp+tsDelta, key >= 0)
	return nil
}

// varint reads the number at a place and returns the place after it. Most
// numbers take one byte, almost all others two.
func varint(b []byte, at int) (int64, int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return int64(b[at]>>1) ^ -int64(b[at]&1), at + 1
	}
	return longVarint(b, at)
}

func longVarint(b []byte, at int) (int64, int) {
	if at < 0 {
		return 0, -1
	}
	if at+1 < len(b) && b[at+1] < 0x80 {
		u := uint64(b[at]&0x7f) | uint64(b[at+1])<<7
		return int64(u>>1) ^ -int64(u&1), at + 2
	}
	x, n := wire.Varint(b[at:])
	if n <= 0 {
		return 0, -1
	}
	return x, at + n
}

// skip steps over a field of n bytes; a negative n is the length of a null one.
func skip(b []byte, at int, n int64) int {
	if n <= 0 {
		return at
	}
	if at < 0 || n > int64(len(b)-at) {
		return -1
	}
	return at + int(n)
}

// skipHeaders steps over names, which must not be null, and values.
func skipHeaders(b []byte, at int, count int64) int {
	if count < 0 || count > int64(len(b)) {
		return -1
	}
	for range count {
		var n int64
		if n, at = varint(b, at); n < 0 {
			return -1
		}
		at = skip(b, at, n)
		n, at = varint(b, at)
		at = skip(b, at, n)
	}
	return at
}

// judge applies the topic's rules to one record.
func (w *walk) judge(i int32, timestamp int64, hasKey bool) {
	if w.hasAppendTime {
		timestamp = w.appendTime
	}
	w.maxTimestamp = max(w.maxTimestamp, timestamp)
	switch diff := w.now - timestamp; {
	case w.needKey && !hasKey:
		w.fault(i, "a compacted topic takes no record without a key")
	case w.createTime && timestamp != wire.NoTimestamp:
		if diff > w.before || -diff > w.after {
			w.badTime = true
			w.fault(i, fmt.Sprintf("timestamp %d is out of range, %d to %d",
				timestamp, w.now-w.before, w.now+w.after))
		}
	case w.hasAppendTime:
		w.badTime = true
		w.fault(i, "a producer must not send timestamps of type LogAppendTime")
	}
}

func (w *walk) fault(i int32, message string) {
	w.faults = append(w.faults, RecordError{Index: i, Message: message})
}

// verdict is the error for the records at fault, if there are any.
func (w *walk) verdict() error {
	if len(w.faults) == 0 {
		return nil
	}
	e := refuse(errcode.InvalidRecord, "%d of %d records are invalid; the first, record %d: %s",
		len(w.faults), w.count, w.faults[0].Index, w.faults[0].Message)
	if w.badTime {
		e.Code = errcode.InvalidTimestamp
	}
	e.Records = w.faults
	return e
}

// storable makes the batch what is stored of it: in the topic's codec, with
// offsets that count from 0. Nothing is done to a batch that is that already.
func (c *candidate) storable(target compression.Codec, z *compression.Compressor) error {
	source := compression.Codec(c.h.Attributes.Codec())
	if source == target && c.walk.sequential {
		return nil
	}
	records := c.records
	if !c.walk.sequential {
		var err error
		if records, err = renumber(records, c.h.Count); err != nil {
			return err
		}
	}
	batch := make([]byte, wire.BatchHeaderSize, wire.BatchHeaderSize+len(records))
	batch, err := z.Append(batch, records)
	if err != nil {
		return &Error{Code: errcode.UnknownServerError, Message: "compress the batch", Err: err}
	}
	c.h.Attributes = c.h.Attributes.WithCodec(int8(target))
	c.h.Seal(batch)
	c.batch = batch
	return nil
}

// renumber encodes the records again with offset deltas 0, 1, 2, …
func renumber(records []byte, count int32) ([]byte, error) {
	out := make([]byte, 0, len(records)+int(count))
	it := wire.NewIterator(count, records)
	for i := int32(0); it.Next(); i++ {
		r := it.Record()
		headers := 0
		for _, h := range r.Headers {
			headers += wire.HeaderSize(h.Key, h.Value)
		}
		body := wire.RecordBodySize(r.TimestampDelta, i, r.Key, r.Value, len(r.Headers), headers)
		out = wire.AppendRecord(out, body, r.TimestampDelta, i, r.Key, r.Value, len(r.Headers))
		for _, h := range r.Headers {
			out = wire.AppendHeader(out, h.Key, h.Value)
		}
	}
	if err := it.Err(); err != nil {
		return nil, refuse(errcode.InvalidRecord, "%v", err)
	}
	return out, nil
}

// setTimes writes the topic's idea of timestamps into the header, and a new
// checksum if that changed it. Source: DefaultRecordBatch.setMaxTimestamp.
func (c *candidate) setTimes(t log.TimestampType, now int64) {
	attributes, largest := c.h.Attributes&^wire.LogAppendTime, c.walk.maxTimestamp
	if t == log.LogAppendTime {
		attributes, largest = attributes|wire.LogAppendTime, now
	}
	if c.h.Attributes == attributes && c.h.MaxTimestamp == largest {
		return
	}
	c.h.Attributes, c.h.MaxTimestamp = attributes, largest
	c.h.Seal(c.batch)
}
