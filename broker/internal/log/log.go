package log

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/posthaste-go/posthaste/broker/internal/producerstate"
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// ErrStorage is matched when the disk failed: Kafka's KAFKA_STORAGE_ERROR. What
// was readable stays readable.
var ErrStorage = errors.New("log storage failed")

// Options say which log to open, and how the last run left it.
type Options struct {
	FS     vfs.FS
	Dir    string // the partition's own; made if missing
	Config Config
	Logger *slog.Logger
	Now    int64 // milliseconds

	Clean         bool  // the last stop was orderly: nothing needs checking
	RecoveryPoint int64 // the offset up to which the log was synced
	// KeepGaps says that RecoveryPoint is not known. Otherwise a segment after
	// it that ends before the next one begins has lost its end: compaction, which
	// leaves such gaps too, keeps to what was synced.
	KeepGaps    bool
	StartOffset int64 // the checkpointed log start offset
}

// Log is one partition's log. Methods whose comment says "writer" must not run
// beside each other.
//
// Locks: none is held across writing records. flushMu serializes syncing.
type Log struct {
	fs     vfs.FS
	dir    string
	logger *slog.Logger
	config atomic.Pointer[Config]

	segments atomic.Pointer[[]*segment.Segment] // by base offset, never empty
	start    atomic.Int64                       // log start offset
	end      atomic.Int64                       // log end offset
	stable   atomic.Int64                       // last stable offset
	recovery atomic.Int64                       // recovery point
	newNames atomic.Bool                        // files were made since the last SyncDir
	failed   atomic.Pointer[error]              // syncing failed: no more appends
	epochs   *epochs
	flushMu  sync.Mutex

	// The writer's own.
	producers   *producerstate.State
	unflushed   int64 // records since the last sync that the writer asked for
	lastFlush   int64 // milliseconds
	rolledAt    int64 // milliseconds; when the active segment was made or loaded
	jitter      int64 // milliseconds by which the active segment rolls earlier
	everWritten bool  // the log held a record once, though it may hold none now
	snapshotAt  int64 // offset of the newest snapshot of the producers; -1 without one
}

// Producers is the partition's producer state. For the writer.
func (l *Log) Producers() *producerstate.State { return l.producers }

// StartOffset is the first offset that may be read.
func (l *Log) StartOffset() int64 { return l.start.Load() }

// EndOffset is the offset that the next record gets.
func (l *Log) EndOffset() int64 { return l.end.Load() }

// LastStableOffset is the first offset of the oldest open transaction, or the
// end.
func (l *Log) LastStableOffset() int64 { return l.stable.Load() }

// RecoveryPoint is the offset up to which the log survives a power cut.
func (l *Log) RecoveryPoint() int64 { return l.recovery.Load() }

// LeaderEpoch is the current leader epoch.
func (l *Log) LeaderEpoch() int32 { return l.epochs.latest() }

// EpochOf is the leader epoch that offset was written in, or NoEpoch.
func (l *Log) EpochOf(offset int64) int32 { return l.epochs.of(offset) }

// EpochEnd finds the largest epoch not above epoch and the offset after its last
// record; NoEpoch and -1 if there is none.
func (l *Log) EpochEnd(epoch int32) (int32, int64) { return l.epochs.end(epoch, l.EndOffset()) }

// EverWritten reports whether the log ever held a record. For the writer.
func (l *Log) EverWritten() bool { return l.everWritten }

// Config is the configuration in force.
func (l *Log) Config() Config { return *l.config.Load() }

// SetConfig replaces the configuration.
func (l *Log) SetConfig(c Config) { l.config.Store(&c) }

// Size is the number of bytes of all segments' records.
func (l *Log) Size() int64 {
	var n int64
	for _, s := range l.list() {
		n += s.Size()
	}
	return n
}

// Segments is the number of segments.
func (l *Log) Segments() int { return len(l.list()) }

func (l *Log) list() []*segment.Segment { return *l.segments.Load() }

func (l *Log) active() *segment.Segment {
	list := l.list()
	return list[len(list)-1]
}

func (l *Log) publish(list []*segment.Segment) { l.segments.Store(&list) }

// from is the part of the list that may have offset or later ones.
func from(list []*segment.Segment, offset int64) []*segment.Segment {
	i := sort.Search(len(list), func(i int) bool { return list[i].Base() > offset })
	return list[max(i-1, 0):]
}

// again repeats fn with the segments of the moment until none is closed under
// it: deletion and compaction close segments that readers may have found. It
// gives up when the log itself is closed.
func (l *Log) again(fn func([]*segment.Segment) error) error {
	for {
		list := l.segments.Load()
		err := fn(*list)
		if !errors.Is(err, fs.ErrClosed) || l.segments.Load() == list {
			return err
		}
	}
}

// Read appends to dst the whole batches of r that one segment has. Nothing is
// appended if there are none.
func (l *Log) Read(dst []byte, r segment.Range) ([]byte, error) {
	base := len(dst)
	err := l.again(func(list []*segment.Segment) error {
		for _, s := range from(list, r.Offset) {
			if s.Base() >= r.UpTo {
				return nil
			}
			out, here, err := s.Read(dst[:base], r)
			dst = out
			if err != nil || here {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return dst[:base], fmt.Errorf("%w: read from offset %d: %w", ErrStorage, r.Offset, err)
	}
	return dst, nil
}

// BytesBetween is the size of the batches from offset to upTo.
func (l *Log) BytesBetween(offset, upTo int64) (n int64, err error) {
	err = l.again(func(list []*segment.Segment) error {
		n = 0
		for _, s := range from(list, offset) {
			if s.Base() >= upTo {
				break
			}
			k, err := s.BytesBetween(offset, upTo)
			if err != nil {
				return err
			}
			n += k
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("%w: measure from offset %d: %w", ErrStorage, offset, err)
	}
	return n, nil
}

// Aborted lists the aborted transactions with records from offset up to, and
// not at, upTo. Source: UnifiedLog.collectAbortedTransactions.
func (l *Log) Aborted(offset, upTo int64) []segment.AbortedTxn {
	var all []segment.AbortedTxn
	for _, s := range from(l.list(), offset) {
		txns, complete := s.Aborted(offset, upTo)
		all = append(all, txns...)
		if complete {
			break
		}
	}
	return all
}

// FindTimestamp finds the first record at or after the log start offset whose
// timestamp is at least timestamp. Source: UnifiedLog.fetchOffsetByTimestamp.
func (l *Log) FindTimestamp(timestamp int64) (found segment.Found, ok bool, err error) {
	err = l.again(func(list []*segment.Segment) error {
		start := l.StartOffset()
		for _, s := range from(list, start) {
			if s.Largest().Timestamp < timestamp {
				continue
			}
			found, ok, err = s.FindTimestamp(timestamp, start)
			if err != nil || ok {
				return err
			}
		}
		return nil
	})
	return found, ok, storageError("search by timestamp", err)
}

// FindLargest finds the record with the largest timestamp (KIP-734).
func (l *Log) FindLargest() (found segment.Found, ok bool, err error) {
	err = l.again(func(list []*segment.Segment) error {
		best := slices.MaxFunc(list, func(a, b *segment.Segment) int {
			return int(min(max(a.Largest().Timestamp-b.Largest().Timestamp, -1), 1))
		})
		found, ok, err = best.FindLargest()
		return err
	})
	return found, ok, storageError("search the largest timestamp", err)
}

// storageError wraps what the disk said.
func storageError(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrStorage, operation, err)
}

func (l *Log) where(base int64) segment.Where {
	return segment.Where{FS: l.fs, Dir: l.dir, Base: base}
}

func (l *Log) segmentConfig() segment.Config {
	c := l.Config()
	return segment.Config{IndexIntervalBytes: c.IndexIntervalBytes, MaxIndexBytes: c.SegmentIndexBytes}
}

func (l *Log) snapshotName(offset int64) string {
	return path.Join(l.dir, segment.FileName(offset, snapshotSuffix))
}
