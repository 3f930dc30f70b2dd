package log

import (
	"errors"
	"math"

	"github.com/posthaste-go/posthaste/broker/internal/producerstate"
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// maxKeys bounds the keys that one compaction remembers, and with them its
// memory; what is left is for the next one.
const maxKeys = 2_000_000

// Compaction keeps of each key the last record, in segments that are not
// appended to any more:
//
//	start ─ cleaned before ─ first dirty offset ─ dirty ─ bound ─ not yet ─ end
//
// It reads the dirty part and remembers each key's last offset, then copies all
// segments before bound without the records that a later one replaces. Offsets
// stay: a compacted log has gaps.
//
// Some records stay longer. A tombstone (a null value), and the marker of a
// transaction without records, stays for delete.retention.ms after it was first
// cleaned, so that who reads from the start learns of it; the time at which it
// may go, the delete horizon, is in its batch. A producer's last batch stays
// without its records, because its sequence tells what comes next.
//
// Source: Cleaner, LogCleanerManager, CleanedTransactionMetadata.
type Compaction struct {
	log   *Log
	now   int64
	lasts map[int64]lastBatch // of the producers that are remembered

	from, bound int64
	latest      map[string]int64 // offset of each key's last record
	mapEnd      int64            // latest knows of the offsets from from to here
	groups      []group
}

// lastBatch is where a producer's last batch ends, -1 if it wrote only markers.
type lastBatch struct {
	offset int64
	epoch  int16
}

// group is some segments and the one that is to replace them.
type group struct {
	old []*segment.Segment
	new *segment.Segment
}

// Uncompacted describes what a compaction would have to read.
type Uncompacted struct {
	From, Bound int64 // offsets
	Clean       int64 // bytes before From
	Dirty       int64 // bytes between From and Bound
	Oldest      int64 // milliseconds: the first timestamp there, -1 if unknown
}

// Uncompacted measures, given the offset before which all was compacted. now is
// in milliseconds. Source: LogCleanerManager.cleanableOffsets.
func (l *Log) Uncompacted(firstDirty, now int64) Uncompacted {
	u := Uncompacted{From: max(firstDirty, l.StartOffset()), Oldest: -1}
	if firstDirty > l.EndOffset() {
		u.From = l.StartOffset() // the log is not the one that was compacted
	}
	// What is not synced may be lost in a power cut, and then a gap tells that.
	limit := min(l.LastStableOffset(), l.RecoveryPoint())
	lag := l.Config().MinCompactionLagMillis
	list := l.list()
	for i, s := range list[:len(list)-1] {
		next := list[i+1].Base()
		if next > limit || lag > 0 && s.Largest().Timestamp > now-lag {
			break
		}
		u.Bound = next
		if next <= u.From {
			u.Clean += s.Size()
			continue
		}
		u.Dirty += s.Size()
		if u.Oldest < 0 {
			u.Oldest = s.FirstTimestamp()
		}
	}
	return u
}

// Due reports whether compaction is worth it, or promised.
func (u Uncompacted) Due(c Config, now int64) bool {
	if u.Dirty == 0 || !c.Compact {
		return false
	}
	ratio := float64(u.Dirty) / float64(u.Clean+u.Dirty)
	old := u.Oldest >= 0 && c.MaxCompactionLagMillis < math.MaxInt64 &&
		now-u.Oldest > c.MaxCompactionLagMillis
	return ratio > c.MinCleanableDirtyRatio || old
}

// Compact writes the segments that replace those before u.Bound, beside them.
// Nothing changes until Swap. It may run beside the writer, but not beside
// Retain or another Compact. producers are the partition's of the moment.
func (l *Log) Compact(u Uncompacted, producers []producerstate.Entry, now int64) (
	_ *Compaction, err error,
) {
	c := &Compaction{log: l, now: now, from: u.From, bound: u.Bound,
		latest: map[string]int64{}, lasts: map[int64]lastBatch{}}
	for i := range producers {
		p := &producers[i]
		last := lastBatch{-1, p.ProducerEpoch}
		if b := p.Batches(); len(b) > 0 {
			last.offset = b[len(b)-1].LastOffset
		}
		c.lasts[p.ProducerID] = last
	}
	defer func() {
		if err != nil {
			err = errors.Join(storageError("compact", err), c.Drop())
		}
	}()
	if err := c.readKeys(); err != nil {
		return c, err
	}
	c.group()
	// One filter for all: a transaction may begin in one group and end in another.
	txns := newTxnFilter(l.Aborted(l.list()[0].Base(), c.bound))
	for i := range c.groups {
		if err := c.copyGroup(&c.groups[i], txns); err != nil {
			return c, err
		}
	}
	return c, nil
}

// errFull ends the reading of keys.
var errFull = errors.New("too many keys")

// readKeys fills latest. Records of aborted transactions replace nothing.
func (c *Compaction) readKeys() error {
	txns := newTxnFilter(c.log.Aborted(c.from, c.bound))
	c.mapEnd = c.from
	for _, s := range from(c.log.list(), c.from) {
		if s.Base() >= c.bound {
			break
		}
		err := s.Scan(max(c.from, s.Base()), func(h *wire.BatchHeader, batch []byte) error {
			if len(c.latest) >= maxKeys {
				return errFull
			}
			defer func() { c.mapEnd = h.LastOffset() + 1 }()
			discard, err := txns.read(h, batch)
			if err != nil || discard || h.Attributes.Has(wire.Control) {
				return err
			}
			return eachRecord(h, batch, func(r *wire.Record) {
				if offset := h.BaseOffset + int64(r.OffsetDelta); r.Key != nil && offset >= c.from {
					c.latest[string(r.Key)] = offset
				}
			})
		})
		if errors.Is(err, errFull) {
			return nil
		}
		if err != nil {
			return err
		}
		c.mapEnd = max(c.mapEnd, min(s.NextOffset(), c.bound))
	}
	return nil
}

// eachRecord decodes a batch.
func eachRecord(h *wire.BatchHeader, batch []byte, visit func(*wire.Record)) error {
	records, err := segment.Records(h, batch, nil)
	if err != nil {
		return err
	}
	it := wire.NewIterator(h.Count, records)
	for it.Next() {
		visit(it.Record())
	}
	return it.Err()
}

// group decides which segments become one: neighbours that fit a segment.
func (c *Compaction) group() {
	cfg := c.log.Config()
	var g group
	var size int64
	for _, s := range c.log.list() {
		if s.Base() >= c.bound || s.Base() >= c.mapEnd {
			break
		}
		fits := len(g.old) > 0 && size+s.Size() <= int64(cfg.SegmentBytes) &&
			s.NextOffset()-g.old[0].Base() <= math.MaxInt32
		if !fits {
			if len(g.old) > 0 {
				c.groups = append(c.groups, g)
			}
			g, size = group{}, 0
		}
		g.old = append(g.old, s)
		size += s.Size()
	}
	if len(g.old) > 0 {
		c.groups = append(c.groups, g)
	}
}

// copyGroup writes what stays of a group into a new segment.
func (c *Compaction) copyGroup(g *group, txns *txnFilter) error {
	where := c.log.where(g.old[0].Base())
	where.Suffix = cleanedSuffix
	var err error
	if g.new, err = segment.Create(where, c.log.segmentConfig()); err != nil {
		return err
	}
	txns.kept = nil
	changed := len(g.old) > 1
	for _, s := range g.old {
		err := s.Scan(s.Base(), func(h *wire.BatchHeader, batch []byte) error {
			kept, same, err := c.filter(h, batch, txns)
			changed = changed || !same
			if err != nil || kept == nil {
				return err
			}
			nh, err := wire.ParseBatchHeader(kept)
			if err != nil {
				return err
			}
			return g.new.Append(&nh, kept)
		})
		if err != nil {
			return err
		}
	}
	if !changed {
		g.old = nil // the old one stays
		return nil
	}
	for _, t := range txns.kept {
		if err := g.new.AppendAborted(t); err != nil {
			return err
		}
	}
	if err := g.new.Seal(); err != nil {
		return err
	}
	return g.new.Sync()
}

// FirstDirty is the offset before which all is compacted after Swap.
func (c *Compaction) FirstDirty() int64 { return c.mapEnd }

// Swap replaces the old segments by the new ones. Writer. A crash in between
// leaves the old segment, the new one, or both, of which Open takes the new one.
func (c *Compaction) Swap() error {
	c.log.flushMu.Lock() // nobody syncs files that are about to be renamed
	defer c.log.flushMu.Unlock()
	for i := range c.groups {
		if err := c.swapGroup(&c.groups[i]); err != nil {
			return errors.Join(storageError("swap compacted segments", err), c.Drop())
		}
	}
	return c.Drop() // of groups in which nothing changed
}

func (c *Compaction) swapGroup(g *group) error {
	l := c.log
	if g.old == nil {
		return nil
	}
	if err := g.new.Mark(swapSuffix); err != nil {
		return err
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	var list []*segment.Segment
	for _, s := range l.list() {
		switch {
		case s == g.old[0]:
			list = append(list, g.new)
		case s.Base() < g.old[0].Base() || s.Base() > g.old[len(g.old)-1].Base():
			list = append(list, s)
		}
	}
	l.publish(list) // readers of the old ones find them closed and look again
	replaced, old := g.new, g.old
	g.new, g.old = nil, nil
	if err := (Retired{l, old}).removeAll(old[0].Base()); err != nil {
		return err
	}
	return replaced.Adopt()
}

// Drop removes what was written and will not be used.
func (c *Compaction) Drop() error {
	var errs []error
	for i := range c.groups {
		if g := &c.groups[i]; g.new != nil {
			errs = append(errs, g.new.Remove())
			g.new = nil
		}
	}
	return errors.Join(errs...)
}
