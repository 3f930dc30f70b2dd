package log

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"

	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Append writes one batch, which begins at EndOffset and is checked, and notes
// its producer. now is in milliseconds. An error matches ErrStorage; unless
// syncing failed, the log is as before. Writer.
func (l *Log) Append(h *wire.BatchHeader, batch []byte, now int64) error {
	if err := l.Failure(); err != nil {
		return err
	}
	if l.shouldRoll(h, len(batch), now) {
		if err := l.Roll(now); err != nil {
			return err
		}
	}
	active := l.active()
	if err := active.Append(h, batch); err != nil {
		return storageError(fmt.Sprintf("append at offset %d", h.BaseOffset), err)
	}
	l.everWritten = true
	l.noteProducer(active, h, batch, now)
	l.end.Store(h.LastOffset() + 1)
	l.updateStable()
	return l.flushIfDue(int64(h.Count), now)
}

// noteProducer brings producers and transaction index up to date. What fails
// there is made again from the records after a crash, and tried again at Close.
func (l *Log) noteProducer(s *segment.Segment, h *wire.BatchHeader, batch []byte, now int64) {
	done, ended, err := l.producers.Replay(h, batch, now)
	if err == nil && ended && done.Aborted {
		err = s.AppendAborted(segment.AbortedTxn{
			ProducerID: done.ProducerID, FirstOffset: done.FirstOffset, LastOffset: done.LastOffset,
			LastStableOffset: l.stableAfter(done.LastOffset + 1),
		})
	}
	if err != nil {
		l.logger.Warn("transaction state of a batch was not stored",
			"dir", l.dir, "offset", h.BaseOffset, "error", err)
	}
}

// stableAfter is the last stable offset of a log that ends at end.
func (l *Log) stableAfter(end int64) int64 {
	if first, open := l.producers.FirstUnstableOffset(); open {
		return max(first, l.StartOffset())
	}
	return end
}

func (l *Log) updateStable() { l.stable.Store(l.stableAfter(l.EndOffset())) }

// shouldRoll decides whether the batch begins a new segment.
// Source: LogSegment.shouldRoll.
func (l *Log) shouldRoll(h *wire.BatchHeader, size int, now int64) bool {
	c, s := l.config.Load(), l.active()
	if s.Size() == 0 {
		return false
	}
	age := now - l.rolledAt
	if first := s.FirstTimestamp(); first >= 0 && h.MaxTimestamp >= 0 {
		age = h.MaxTimestamp - first
	}
	return s.Size() > int64(c.SegmentBytes-size) || age > c.SegmentMillis-l.jitter ||
		!s.Fits(size, h.LastOffset())
}

// Roll begins a new active segment at the end of the log, and stores the
// producers as of there. An empty active segment stays. Writer.
func (l *Log) Roll(now int64) error {
	old, end := l.active(), l.EndOffset()
	if old.Size() == 0 && old.Base() == end {
		return nil
	}
	if err := l.writeSnapshot(end, false); err != nil {
		return storageError("roll: write the producer snapshot", err)
	}
	s, err := segment.Create(l.where(end), l.segmentConfig())
	if err != nil {
		return storageError(fmt.Sprintf("roll a new segment at offset %d", end), err)
	}
	l.newNames.Store(true)
	if err := old.Seal(); err != nil {
		l.logger.Warn("indexes stay in memory for now", "dir", l.dir, "error", err)
	}
	l.publish(append(slices.Clip(l.list()), s))
	l.setActive(now)
	return nil
}

func (l *Log) setActive(now int64) {
	l.rolledAt, l.jitter = now, 0
	if j := l.config.Load().SegmentJitter; j > 0 {
		l.jitter = rand.Int64N(j)
	}
}

// writeSnapshot stores the producers as of offset.
func (l *Log) writeSnapshot(offset int64, sync bool) error {
	f, err := l.fs.OpenFile(l.snapshotName(offset), vfs.Truncate)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(l.producers.Encode(), 0)
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		l.snapshotAt = offset
	}
	return err
}

// flushIfDue syncs as flush.messages and flush.ms ask. A sync that fails ends
// the appends: the kernel may have dropped what it could not write, and would
// not say so again.
func (l *Log) flushIfDue(records, now int64) error {
	c := l.config.Load()
	l.unflushed += records
	if l.unflushed < c.FlushMessages && now-l.lastFlush < c.FlushMillis {
		return nil
	}
	l.unflushed, l.lastFlush = 0, now
	return l.Flush()
}

// Flush syncs what was appended before the call and moves the recovery point
// there. It may run beside the writer. An error matches ErrStorage; the log
// takes no more appends then.
func (l *Log) Flush() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	return l.flushLocked(l.EndOffset())
}

// FlushSealed syncs all but the active segment, off the writer's way.
func (l *Log) FlushSealed() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	return l.flushLocked(l.active().Base())
}

func (l *Log) flushLocked(upTo int64) error {
	point := l.recovery.Load()
	if upTo <= point {
		return nil
	}
	var unsaved error
	err := l.again(func(list []*segment.Segment) error {
		for _, s := range from(list, point) {
			if s.Base() >= upTo {
				break
			}
			err := s.Sync()
			if errors.Is(err, segment.ErrSave) {
				unsaved = err
				continue
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && l.newNames.Swap(false) { // its own name may be new too
		err = errors.Join(l.fs.SyncDir(l.dir), l.fs.SyncDir(path.Dir(l.dir)))
	}
	if err != nil {
		l.failed.Store(&err)
		return storageError("sync", err)
	}
	if unsaved != nil { // the recovery point stays, for them to be made again
		l.logger.Warn("indexes are not on the disk yet", "dir", l.dir, "error", unsaved)
		return nil
	}
	l.recovery.Store(upTo)
	return nil
}
