package segment

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Load takes the segment as an orderly stop left it: it trusts the indexes and
// reads only the batches after their last entry. An error that matches ErrIndex
// asks for Recover.
func (s *Segment) Load() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, err := s.log.Size()
	if err != nil {
		return err
	}
	if err := errors.Join(s.offsets.open(), s.times.open(), s.txns.open()); err != nil {
		return err
	}
	last, err := s.checkIndexesLocked(end)
	if err != nil {
		return err
	}
	if err := s.loadTailLocked(last, end); err != nil {
		return err
	}
	if s.largest.Offset >= s.next.Load() && s.next.Load() > s.Base() {
		return fmt.Errorf("%w: time index names offset %d, the log ends at %d",
			ErrIndex, s.largest.Offset, s.next.Load())
	}
	return s.loadFirstTimestamp(end)
}

// checkIndexesLocked returns the position that the offset index ends with.
func (s *Segment) checkIndexesLocked(end int64) (int64, error) {
	var position int64
	if n := s.offsets.count; n > 0 {
		e, err := s.offsets.entry(n - 1)
		if err != nil {
			return 0, err
		}
		// A zero entry is what a preallocated index ends with after a crash.
		if position = entryPosition(e); position <= 0 || position >= end || relativeOffset(e) < 0 {
			return 0, fmt.Errorf("%w: offset index ends with position %d of %d",
				ErrIndex, position, end)
		}
	}
	if n := s.times.count; n > 0 {
		e, err := s.times.entry(n - 1)
		if err != nil {
			return 0, err
		}
		s.largest = TimestampOffset{entryTimestamp(e), s.Base() + entryTimeOffset(e)}
		if s.largest.Timestamp < 0 || s.largest.Offset < s.Base() {
			return 0, fmt.Errorf("%w: time index ends with timestamp %d of offset %d",
				ErrIndex, s.largest.Timestamp, s.largest.Offset)
		}
	}
	return position, nil
}

// loadTailLocked reads the batches from the last index entry on.
func (s *Segment) loadTailLocked(from, end int64) error {
	sc := scanner{file: s.log, pos: from, end: end, chunk: searchBytes}
	next := s.Base()
	for {
		h, _, err := sc.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, errTorn) {
			return fmt.Errorf("%w: %w", ErrIndex, err)
		}
		if err != nil {
			return err
		}
		if h.BaseOffset < next || h.LastOffset() < h.BaseOffset {
			return fmt.Errorf("%w: batch at offset %d, expected %d", ErrIndex, h.BaseOffset, next)
		}
		next = h.LastOffset() + 1
		if largest(h) > s.largest.Timestamp {
			s.largest = TimestampOffset{h.MaxTimestamp, h.LastOffset()}
		}
	}
	s.sinceIndex = int(end - from)
	s.next.Store(next)
	s.size.Store(end)
	return nil
}

func (s *Segment) loadFirstTimestamp(end int64) error {
	if end == 0 {
		return nil
	}
	b := make([]byte, wire.BatchHeaderSize)
	if _, err := s.log.ReadAt(b, 0); err != nil {
		return err
	}
	h, err := wire.ParseBatchHeader(b)
	if err != nil {
		return fmt.Errorf("%w: first batch: %w", ErrIndex, err)
	}
	s.firstTimestamp = h.MaxTimestamp
	return nil
}

// Recover reads the whole segment, cuts it at the first batch that is not
// sound, and makes the indexes again; the segment is ready for appending then.
// visit sees every batch that stays, after it is indexed; an error of it ends
// the recovery. Recover returns how many bytes it cut off, and why.
// Source: LogSegment.recover.
func (s *Segment) Recover(visit func(*wire.BatchHeader, []byte) error) (
	cut int64, cause error, err error,
) {
	end, err := s.log.Size()
	if err != nil {
		return 0, nil, err
	}
	if err := s.forget(); err != nil {
		return 0, nil, err
	}
	sc := scanner{file: s.log, end: end, chunk: recoverBytes}
	for {
		h, batch, err := sc.next()
		if err == nil {
			err = s.sound(h, batch)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, errTorn) || errors.Is(err, wire.ErrCorrupt) {
			cause = err
			break
		}
		if err != nil {
			return 0, nil, err
		}
		s.note(h, s.Size())
		s.size.Add(int64(len(batch)))
		s.next.Store(h.LastOffset() + 1)
		if err := visit(h, batch); err != nil {
			return 0, nil, err
		}
	}
	if cut = end - s.Size(); cut > 0 {
		if err := s.log.Truncate(s.Size()); err != nil {
			return 0, nil, err
		}
	}
	return cut, cause, s.Save()
}

// forget makes the segment empty but for its log file.
func (s *Segment) forget() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size.Store(0)
	s.next.Store(s.Base())
	s.largest = TimestampOffset{wire.NoTimestamp, s.Base()}
	s.firstTimestamp, s.sinceIndex = wire.NoTimestamp, 0
	return errors.Join(s.offsets.reset(), s.times.reset(), s.txns.reset())
}

// sound checks a batch that a crash may have damaged.
func (s *Segment) sound(h *wire.BatchHeader, batch []byte) error {
	if err := wire.VerifyChecksum(batch); err != nil {
		return err
	}
	if h.BaseOffset < s.NextOffset() || h.LastOffset() < h.BaseOffset ||
		h.LastOffset()-s.Base() > math.MaxInt32 {
		return fmt.Errorf("%w: offsets %d to %d where %d is next",
			wire.ErrCorrupt, h.BaseOffset, h.LastOffset(), s.NextOffset())
	}
	return nil
}

// Scan calls visit with every batch that has records from offset on, whole and
// unchecked. The bytes are good during the call.
func (s *Segment) Scan(offset int64, visit func(*wire.BatchHeader, []byte) error) error {
	end := s.Size()
	from, err := s.startOf(offset)
	if err != nil {
		return err
	}
	sc := scanner{file: s.log, pos: from, end: end, chunk: searchBytes}
	for {
		h, batch, err := sc.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", s.name, err)
		}
		if h.LastOffset() < offset {
			continue
		}
		if err := visit(h, batch); err != nil {
			return err
		}
	}
}

// startOf is a position at or before the batch with offset.
func (s *Segment) startOf(offset int64) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.offsets.position(offset - s.Base())
}

// EndOf reads through the log file of a segment and returns the offset after its
// last record, without a look at indexes.
func EndOf(w Where) (end int64, err error) {
	f, err := w.FS.OpenFile(w.path(LogSuffix), vfs.ReadOnly)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	end = w.Base
	sc := scanner{file: f, end: size, chunk: recoverBytes}
	for {
		h, _, err := sc.next()
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", w.path(LogSuffix), err)
		}
		end = h.LastOffset() + 1
	}
}
