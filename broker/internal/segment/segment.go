package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// Suffixes of a segment's files.
const (
	LogSuffix       = ".log"
	IndexSuffix     = ".index"
	TimeIndexSuffix = ".timeindex"
	TxnIndexSuffix  = ".txnindex"
)

// Suffixes lists them; the log's comes first, because a segment without one is
// no segment.
var Suffixes = [...]string{LogSuffix, IndexSuffix, TimeIndexSuffix, TxnIndexSuffix}

// FileName is a segment's file name for a base offset and a suffix.
func FileName(base int64, suffix string) string { return fmt.Sprintf("%020d%s", base, suffix) }

// ParseFileName splits a file name; false means that it is not a segment's.
func ParseFileName(name string) (base int64, suffix string, ok bool) {
	digits, rest, found := strings.Cut(name, ".")
	base, err := strconv.ParseInt(digits, 10, 64)
	if !found || err != nil || len(digits) != 20 || base < 0 {
		return 0, "", false
	}
	return base, "." + rest, true
}

// Config is what a segment needs of its topic's settings.
type Config struct {
	IndexIntervalBytes int // index.interval.bytes
	MaxIndexBytes      int // segment.index.bytes
}

// Where says which files a segment has.
type Where struct {
	FS     vfs.FS
	Dir    string
	Base   int64
	Suffix string // after each file's own suffix, such as ".cleaned"; usually empty
}

func (w Where) String() string { return path.Join(w.Dir, FileName(w.Base, LogSuffix)) }

func (w Where) path(suffix string) string {
	return path.Join(w.Dir, FileName(w.Base, suffix)+w.Suffix)
}

// Segment is one segment. Append, AppendAborted, Seal, Recover, Load, Activate,
// Mark, Adopt and Remove belong to one writer; the other methods may be called at
// any time.
//
// Locks: mu guards the indexes; it is a leaf.
type Segment struct {
	where   Where  // its suffix is the log file's, and the writer's own
	name    string // for errors
	created string // the suffix that the index files were created with
	cfg     Config
	log     vfs.File

	size atomic.Int64 // bytes of whole batches; readers go no further
	next atomic.Int64 // the offset after the last record

	mu      sync.RWMutex
	offsets index
	times   index
	txns    txnIndex
	largest TimestampOffset // the largest timestamp and the last offset of its batch

	// The writer's own.
	firstTimestamp int64 // the first batch's largest, from which segment.ms counts
	sinceIndex     int   // bytes after the batch that got the last index entry
	torn           bool  // a failed write left bytes after size
}

// TimestampOffset is a timestamp, milliseconds, and an offset that has it.
type TimestampOffset struct {
	Timestamp int64
	Offset    int64
}

// Create makes an empty segment for appending, whatever of its files there was.
func Create(w Where, c Config) (*Segment, error) {
	s, err := open(w, c, vfs.Truncate)
	if err != nil {
		return nil, err
	}
	if err := s.txns.reset(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.offsets.mem, s.times.mem = []byte{}, []byte{}
	return s, nil
}

// Open opens the files; missing indexes are made. Load or Recover must follow.
func Open(w Where, c Config) (*Segment, error) {
	if _, err := w.FS.Stat(w.path(LogSuffix)); err != nil {
		return nil, err
	}
	return open(w, c, vfs.Create)
}

func open(w Where, c Config, mode vfs.Mode) (_ *Segment, err error) {
	s := &Segment{
		where: w, name: w.String(), created: w.Suffix, cfg: c, firstTimestamp: wire.NoTimestamp,
		offsets: index{width: offsetEntry}, times: index{width: timeEntry},
		txns:    txnIndex{fs: w.FS, name: w.path(TxnIndexSuffix)},
		largest: TimestampOffset{wire.NoTimestamp, w.Base},
	}
	s.next.Store(w.Base)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeFiles())
		}
	}()
	if s.offsets.file, err = w.FS.OpenFile(w.path(IndexSuffix), mode); err != nil {
		return nil, err
	}
	if s.times.file, err = w.FS.OpenFile(w.path(TimeIndexSuffix), mode); err != nil {
		return nil, err
	}
	if s.log, err = w.FS.OpenFile(w.path(LogSuffix), mode); err != nil {
		return nil, err
	}
	return s, nil
}

// Base is the segment's first offset.
func (s *Segment) Base() int64 { return s.where.Base }

// Size is the number of bytes of its batches.
func (s *Segment) Size() int64 { return s.size.Load() }

// NextOffset is the offset after its last record, or Base.
func (s *Segment) NextOffset() int64 { return s.next.Load() }

// Largest is its largest timestamp and the last offset of the first batch that
// has it; the timestamp is -1 if no batch has one.
func (s *Segment) Largest() TimestampOffset {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.largest
}

// LastModified is when the log file was last written.
func (s *Segment) LastModified() (time.Time, error) {
	i, err := s.where.FS.Stat(s.where.path(LogSuffix))
	return i.ModTime, err
}

// FirstTimestamp is the first batch's largest timestamp, -1 if it has none.
// Only for the writer.
func (s *Segment) FirstTimestamp() int64 { return s.firstTimestamp }

// Fits reports whether a batch of that size, ending at lastOffset, may be
// appended: positions and relative offsets are 32 bits wide, and the indexes
// have a limit.
func (s *Segment) Fits(size int, lastOffset int64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.Size()+int64(size) <= math.MaxInt32 && lastOffset-s.where.Base <= math.MaxInt32 &&
		s.offsets.count < s.cfg.MaxIndexBytes/offsetEntry &&
		s.times.count < s.cfg.MaxIndexBytes/timeEntry-1 // Seal adds one
}

// Append writes one batch whose bytes are final. If that fails, the segment is
// as before: what the write left behind is cut off, now or before the next.
// Fits must hold, and offsets must grow.
func (s *Segment) Append(h *wire.BatchHeader, batch []byte) error {
	at := s.Size()
	if s.torn {
		if err := s.log.Truncate(at); err != nil {
			return fmt.Errorf("cut an earlier failed write off %s: %w", s.name, err)
		}
		s.torn = false
	}
	if _, err := s.log.WriteAt(batch, at); err != nil {
		s.torn = s.log.Truncate(at) != nil
		return err
	}
	s.note(h, at)
	s.size.Store(at + int64(len(batch)))
	s.next.Store(h.LastOffset() + 1)
	return nil
}

// largest is a batch's largest timestamp, and none for a batch that compaction
// has left without records: it would lead a search by timestamp to nothing.
func largest(h *wire.BatchHeader) int64 {
	if h.Count == 0 {
		return wire.NoTimestamp
	}
	return h.MaxTimestamp
}

// note brings the indexes up to date for the batch at position at.
func (s *Segment) note(h *wire.BatchHeader, at int64) {
	last := h.LastOffset()
	if at == 0 {
		s.firstTimestamp = h.MaxTimestamp
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if largest(h) > s.largest.Timestamp {
		s.largest = TimestampOffset{h.MaxTimestamp, last}
	}
	if s.sinceIndex > s.cfg.IndexIntervalBytes {
		var e [offsetEntry]byte
		binary.BigEndian.PutUint32(e[:], uint32(last-s.where.Base))
		binary.BigEndian.PutUint32(e[4:], uint32(at))
		s.offsets.append(e[:])
		s.indexTimeLocked()
		s.sinceIndex = 0
		s.saveSomeLocked()
	}
	s.sinceIndex += h.Size()
}

// indexTimeLocked adds the largest timestamp so far unless the index has it.
func (s *Segment) indexTimeLocked() {
	if n := s.times.count; n > 0 {
		if e, err := s.times.entry(n - 1); err != nil || entryTimestamp(e) >= s.largest.Timestamp {
			return
		}
	}
	if s.largest.Timestamp < 0 {
		return
	}
	var e [timeEntry]byte
	binary.BigEndian.PutUint64(e[:], uint64(s.largest.Timestamp))
	binary.BigEndian.PutUint32(e[8:], uint32(s.largest.Offset-s.where.Base))
	s.times.append(e[:])
}

// saveSomeLocked writes index entries in pieces worth a system call. A failure
// is met again by Seal or Close, which report it; until then memory has them.
func (s *Segment) saveSomeLocked() {
	if s.offsets.unsaved() >= saveBytes {
		_ = s.offsets.save()
	}
	if s.times.unsaved() >= saveBytes {
		_ = s.times.save()
	}
}

// AppendAborted adds an aborted transaction whose marker was appended. If that
// fails, memory has it, and Save tries again.
func (s *Segment) AppendAborted(t AbortedTxn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txns.txns = append(s.txns.txns, t)
	return s.txns.save()
}

// ErrSave is matched when indexes could not be written. Memory still has them,
// and they can be made again from the log.
var ErrSave = errors.New("save indexes")

// Save writes the indexes as a segment has them that is not appended to any
// more: with the largest timestamp as the last entry. Appending may go on.
func (s *Segment) Save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offsets.mem == nil {
		return nil // nothing was appended since it was loaded
	}
	s.indexTimeLocked()
	if err := errors.Join(s.offsets.save(), s.times.save(), s.txns.save()); err != nil {
		return fmt.Errorf("%w of %s: %w", ErrSave, s.name, err)
	}
	return nil
}

// Seal saves the indexes and drops them from memory: the segment is not
// appended to any more. If saving fails they stay, and the segment works on.
func (s *Segment) Seal() error {
	if err := s.Save(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offsets.mem, s.times.mem = nil, nil
	return nil
}

// Activate prepares a loaded segment for appending.
func (s *Segment) Activate() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.offsets.mem != nil {
		return nil
	}
	return errors.Join(s.offsets.activate(), s.times.activate())
}

// Sync makes the records survive a power cut, and the indexes too; the names in
// the directory are the caller's. It may run beside Append; what is appended
// meanwhile may or may not be included. An error that matches ErrSave means that
// the records are safe, but not the indexes.
func (s *Segment) Sync() error {
	saved := s.Save()
	if err := s.log.Sync(); err != nil {
		return err
	}
	if saved != nil {
		return saved
	}
	s.mu.RLock()
	aborted := len(s.txns.txns) > 0
	s.mu.RUnlock()
	err := errors.Join(s.offsets.file.Sync(), s.times.file.Sync())
	if aborted {
		err = errors.Join(err, s.txns.sync())
	}
	return err
}

// Close saves the indexes and closes the files. Readers get an error that
// matches fs.ErrClosed.
func (s *Segment) Close() error {
	var err error
	if s.torn {
		err = s.log.Truncate(s.Size())
	}
	return errors.Join(err, s.Save(), s.closeFiles())
}

// Adopt gives a segment that was created with a suffix its own names, the log
// last: until then a crash leaves one that Open of a log can tell.
func (s *Segment) Adopt() error {
	for _, suffix := range []string{IndexSuffix, TimeIndexSuffix, TxnIndexSuffix} {
		if err := s.rename(suffix, s.created, ""); err != nil {
			return err
		}
	}
	if err := s.rename(LogSuffix, s.where.Suffix, ""); err != nil {
		return err
	}
	s.where.Suffix = ""
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txns.name = s.where.path(TxnIndexSuffix)
	return nil
}

// Mark gives the log file of a segment that was created with a suffix another
// suffix.
func (s *Segment) Mark(suffix string) error {
	if err := s.rename(LogSuffix, s.where.Suffix, suffix); err != nil {
		return err
	}
	s.where.Suffix = suffix
	return nil
}

func (s *Segment) rename(suffix, from, to string) error {
	w := s.where
	w.Suffix = from
	name := w.path(suffix)
	w.Suffix = to
	err := w.FS.Rename(name, w.path(suffix))
	if suffix == TxnIndexSuffix && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Segment) closeFiles() error {
	var errs []error
	for _, f := range []vfs.File{s.log, s.offsets.file, s.times.file} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Remove closes the segment and removes its files, the log first: what a crash
// leaves are indexes without a log, which Open of a log sweeps.
func (s *Segment) Remove() error {
	err := s.closeFiles()
	for _, suffix := range Suffixes {
		w := s.where
		if suffix != LogSuffix && w.Suffix != "" {
			w.Suffix = s.created
		}
		rmErr := w.FS.Remove(w.path(suffix))
		if rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}
	return err
}
