package log

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/posthaste-go/posthaste/broker/internal/segment"
)

// deletedSuffix marks files that Apache Kafka was about to delete.
const deletedSuffix = ".deleted"

// Retired are segments that the log no longer has but whose files are still
// there.
type Retired struct {
	log      *Log
	segments []*segment.Segment
}

// Empty reports whether there is nothing to remove.
func (r Retired) Empty() bool { return len(r.segments) == 0 }

// Remove removes the files, oldest first, so that what a crash leaves is a log
// without gaps. It needs no lock; readers that still have a segment find it
// closed and look again.
func (r Retired) Remove() error { return r.removeAll(-1) }

// removeAll is Remove, but for the snapshot at one offset.
func (r Retired) removeAll(keep int64) error {
	var errs []error
	for _, s := range r.segments {
		errs = append(errs, s.Remove())
		if s.Base() == keep {
			continue
		}
		err := r.log.fs.Remove(r.log.snapshotName(s.Base()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Retain takes segments out of the log that are too old (retention.ms), too
// many (retention.bytes) or wholly before the log start offset, and moves the
// start. now is in milliseconds. If even the active segment is too old, a new
// one is rolled. Writer; the caller removes what is returned.
//
// A segment is as old as its largest timestamp, or, if it has none, as its last
// write. Source: UnifiedLog.deleteOldSegments.
func (l *Log) Retain(now int64) (Retired, error) {
	c := l.Config()
	list := l.list()
	surplus := l.Size() - c.RetentionBytes
	n := 0
	for n < len(list) {
		s := list[n]
		if n == len(list)-1 && s.Size() == 0 {
			break
		}
		before := n+1 < len(list) && list[n+1].Base() <= l.StartOffset()
		large := c.Delete && c.RetentionBytes >= 0 && surplus >= s.Size()
		old := false
		if c.Delete && c.RetentionMillis >= 0 {
			age, err := ageOf(s, now)
			if err != nil {
				return Retired{}, storageError("retain", err)
			}
			old = age > c.RetentionMillis
		}
		if !before && !large && !old {
			break
		}
		surplus -= s.Size()
		n++
	}
	if n == 0 {
		return Retired{}, nil
	}
	if n == len(list) {
		if err := l.Roll(now); err != nil {
			return Retired{}, err
		}
	}
	return l.retire(n)
}

func ageOf(s *segment.Segment, now int64) (int64, error) {
	if t := s.Largest().Timestamp; t >= 0 {
		return now - t, nil
	}
	t, err := s.LastModified()
	return now - t.UnixMilli(), err
}

// retire takes the first n segments out of the log.
func (l *Log) retire(n int) (Retired, error) {
	list := l.list()
	gone, kept := list[:n], slices.Clone(list[n:])
	l.publish(kept)
	err := l.moveStart(max(l.StartOffset(), kept[0].Base()))
	return Retired{l, gone}, err
}

// MoveStart moves the log start offset up to offset, at most to the end; it
// never moves back. Writer. Source: UnifiedLog.maybeIncrementLogStartOffset.
func (l *Log) MoveStart(offset int64) error {
	if offset <= l.StartOffset() {
		return nil
	}
	return l.moveStart(min(offset, l.EndOffset()))
}

func (l *Log) moveStart(offset int64) error {
	l.start.Store(offset)
	l.updateStable()
	return storageError("save leader epochs", l.epochs.truncateStart(offset))
}

// Close syncs the log and stores what the next start needs not to check it.
// Writer. Reads fail from here on.
func (l *Log) Close() error {
	err := l.Failure()
	if err == nil {
		err = l.Flush()
	}
	empty := l.Size() == 0 && l.producers.Len() == 0
	if err == nil && l.snapshotAt != l.EndOffset() && !empty {
		err = l.writeSnapshot(l.EndOffset(), true)
	}
	for _, s := range l.list() {
		err = errors.Join(err, s.Close())
	}
	return storageError("close", err)
}

// Abandon closes the files of a log that is to be deleted. Writer.
func (l *Log) Abandon() error {
	var errs []error
	for _, s := range l.list() {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Failure is why the log takes no more appends, or nil. It matches ErrStorage.
func (l *Log) Failure() error {
	if err := l.failed.Load(); err != nil {
		return fmt.Errorf("%w, and must be opened again: %w", ErrStorage, *err)
	}
	return nil
}
