package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/posthaste-go/posthaste/internal/wire"
)

// Range is what a Read asks for.
type Range struct {
	Offset   int64 // of the first record wanted
	MaxBytes int
	// MinOne takes the first batch even if it alone exceeds MaxBytes (KIP-74).
	MinOne bool
	// UpTo ends the range: no batch that begins there or later is read.
	UpTo int64
}

// Read appends the whole batches of r to dst. The first may begin before
// r.Offset. here is false if the segment ends before r.Offset, so that a later
// one has it; true with nothing appended means that MaxBytes or UpTo forbid it.
func (s *Segment) Read(dst []byte, r Range) (out []byte, here bool, err error) {
	end := s.Size()
	first, at, err := s.locate(r.Offset, end)
	if err != nil || at < 0 {
		return dst, false, err
	}
	n := int(min(int64(r.MaxBytes), end-at))
	size := first.Size()
	if first.BaseOffset >= r.UpTo || size > n && !r.MinOne {
		return dst, true, nil
	}
	n = max(n, size)
	base := len(dst)
	dst = slices.Grow(dst, n)[:base+n]
	if _, err := s.log.ReadAt(dst[base:], at); err != nil {
		return dst[:base], true, err
	}
	return dst[:base+wholeBatches(dst[base:], r.UpTo)], true, nil
}

// wholeBatches is the length of the whole batches at the start of b that begin
// before upTo.
func wholeBatches(b []byte, upTo int64) int {
	n := 0
	for len(b)-n >= wire.LogOverhead {
		offset := int64(binary.BigEndian.Uint64(b[n:]))
		size := wire.LogOverhead + int(int32(binary.BigEndian.Uint32(b[n+8:])))
		if offset >= upTo || size < wire.BatchHeaderSize || size > len(b)-n {
			break
		}
		n += size
	}
	return n
}

const probeBytes = 8 << 10

var probes = sync.Pool{New: func() any { return new([probeBytes]byte) }}

// locate finds the first batch whose last offset is not before offset, among
// the batches before position end. Its position is -1 if there is none.
func (s *Segment) locate(offset, end int64) (wire.BatchHeader, int64, error) {
	at, err := s.startOf(offset)
	if err != nil {
		return wire.BatchHeader{}, -1, err
	}
	probe := probes.Get().(*[probeBytes]byte)
	defer probes.Put(probe)
	var have []byte // bytes of the file from at on
	for at < end {
		if len(have) < wire.BatchHeaderSize {
			n := int(min(probeBytes, end-at))
			if _, err := s.log.ReadAt(probe[:n], at); err != nil {
				return wire.BatchHeader{}, -1, err
			}
			have = probe[:n]
		}
		h, err := wire.ParseBatchHeader(have)
		if err == nil && int64(h.Size()) > end-at {
			err = errTorn
		}
		if err != nil {
			return h, -1, fmt.Errorf("read %s at %d: %w", s.name, at, err)
		}
		if h.LastOffset() >= offset {
			return h, at, nil
		}
		at += int64(h.Size())
		have = have[min(len(have), h.Size()):]
	}
	return wire.BatchHeader{}, -1, nil
}

// BytesBetween is the size of the batches from the one with offset from to the
// one before offset upTo.
func (s *Segment) BytesBetween(from, upTo int64) (int64, error) {
	end := s.Size()
	_, start, err := s.locate(from, end)
	if err != nil || start < 0 {
		return 0, err
	}
	if upTo < s.NextOffset() {
		_, stop, err := s.locate(upTo, end)
		if err != nil {
			return 0, err
		}
		if stop >= 0 {
			end = stop
		}
	}
	return max(end-start, 0), nil
}

// Found is a record that FindTimestamp or FindLargest found.
type Found struct {
	TimestampOffset
	LeaderEpoch int32
}

// errFound ends a scan that has what it looks for.
var errFound = errors.New("found")

// FindTimestamp finds the first record at or after offset from whose timestamp
// is at least timestamp. Source: LogSegment.findOffsetByTimestamp.
func (s *Segment) FindTimestamp(timestamp, from int64) (Found, bool, error) {
	start, err := s.beforeTimestamp(timestamp)
	if err != nil {
		return Found{}, false, err
	}
	return s.find(max(start, from), from, timestamp)
}

// FindLargest finds the first record with the segment's largest timestamp, and
// nothing if no record has one.
func (s *Segment) FindLargest() (Found, bool, error) {
	l := s.Largest()
	if l.Timestamp < 0 {
		return Found{}, false, nil
	}
	return s.find(l.Offset, s.Base(), l.Timestamp)
}

// beforeTimestamp is an offset before which no record has that timestamp or a
// larger one.
func (s *Segment) beforeTimestamp(timestamp int64) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok, err := s.times.last(func(e []byte) bool { return entryTimestamp(e) >= timestamp })
	if err != nil || !ok {
		return s.Base(), err
	}
	return s.Base() + entryTimeOffset(e), nil
}

// find returns the first record at or after from that has the timestamp or a
// larger one, beginning with the batch that holds offset start.
func (s *Segment) find(start, from, timestamp int64) (found Found, ok bool, err error) {
	var buf []byte
	err = s.Scan(start, func(h *wire.BatchHeader, batch []byte) error {
		if h.MaxTimestamp < timestamp || h.Count == 0 { // compaction leaves empty batches
			return nil
		}
		records, err := Records(h, batch, buf)
		if err != nil {
			return err
		}
		if h.Attributes.Codec() != 0 {
			buf = records // its array serves the next batch
		}
		it := wire.NewIterator(h.Count, records)
		for it.Next() {
			r := TimestampOffset{
				Timestamp: h.BaseTimestamp + it.Record().TimestampDelta,
				Offset:    h.BaseOffset + int64(it.Record().OffsetDelta),
			}
			if h.Attributes.Has(wire.LogAppendTime) {
				r.Timestamp = h.MaxTimestamp
			}
			if r.Timestamp >= timestamp && r.Offset >= from {
				found = Found{r, h.LeaderEpoch}
				return errFound
			}
		}
		return it.Err()
	})
	if errors.Is(err, errFound) {
		return found, true, nil
	}
	return Found{}, false, err
}

// Aborted lists the aborted transactions that have records from offset from up
// to, and not at, offset upTo. complete says that no later segment has more.
// Source: TransactionIndex.collectAbortedTxns.
func (s *Segment) Aborted(from, upTo int64) (txns []AbortedTxn, complete bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.txns.txns {
		if t.LastOffset >= from && t.FirstOffset < upTo {
			txns = append(txns, t)
		}
		if t.LastStableOffset >= upTo {
			return txns, true
		}
	}
	return txns, false
}
