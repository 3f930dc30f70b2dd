package log

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/broker/internal/producerstate"
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/internal/mutation"
	"github.com/posthaste-go/posthaste/internal/wire"
)

const (
	snapshotSuffix = ".snapshot"
	// cutSuffix is given to segments behind damage. Kafka deletes them, and gets
	// their records back from a replica; here somebody may want to look.
	cutSuffix = ".cut"
)

// Open loads a log, or begins an empty one. After a crash it checks every
// segment that was not synced, cuts the log at the first damage and puts later
// segments aside; otherwise it reads little more than the directory.
func Open(o Options) (_ *Log, err error) {
	l := &Log{
		fs: o.FS, dir: o.Dir, logger: o.Logger, epochs: newEpochs(o.FS, o.Dir),
		lastFlush: o.Now,
	}
	l.SetConfig(o.Config)
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return nil, err
	}
	ld := loader{Log: l, o: o}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open log %s: %w", l.dir, err)
			for _, s := range ld.list {
				err = errors.Join(err, s.Close())
			}
		}
	}()
	if err := ld.load(); err != nil {
		return nil, err
	}
	return l, nil
}

// loader is what Open needs while it runs.
type loader struct {
	*Log
	o         Options
	bases     []int64
	snapshots []int64 // offsets, rising
	spoiled   []int64 // those of them that could not be read and are gone
	list      []*segment.Segment
	state     *producerstate.State
	stateEnd  int64   // state is as of this offset
	damaged   bool    // the log was cut; what comes later is put aside
	readAll   bool    // the leader epochs have to be read from the records
	swapped   []int64 // segments without indexes, by base offset
}

func (ld *loader) load() error {
	if err := ld.sweep(); err != nil {
		return err
	}
	if err := ld.loadEpochs(); err != nil {
		return err
	}
	ld.state, ld.stateEnd = producerstate.New(), -1
	for i := range ld.bases {
		if err := ld.loadSegment(i); err != nil {
			return err
		}
	}
	if err := ld.settle(); err != nil {
		return err
	}
	return ld.finish()
}

// sweep lists the directory, removes what a crash left half done and finishes
// what it left all but done.
func (ld *loader) sweep() error {
	if err := ld.finishSwap(); err != nil {
		return err
	}
	names, err := ld.fs.ReadDir(ld.dir)
	if err != nil {
		return err
	}
	have := map[int64]bool{}
	for _, n := range names {
		base, suffix, ok := segment.ParseFileName(n.Name)
		switch {
		case ok && suffix == segment.LogSuffix:
			have[base] = true
			ld.bases = append(ld.bases, base)
		case ok && suffix == snapshotSuffix:
			ld.snapshots = append(ld.snapshots, base)
		}
	}
	for _, n := range names {
		base, suffix, ok := segment.ParseFileName(n.Name)
		orphan := ok && !have[base] && slices.Contains(segment.Suffixes[:], suffix)
		if orphan || strings.HasSuffix(n.Name, deletedSuffix) ||
			strings.HasSuffix(n.Name, cleanedSuffix) {
			if err := ld.fs.Remove(path.Join(ld.dir, n.Name)); err != nil {
				return err
			}
		}
	}
	slices.Sort(ld.bases)
	slices.Sort(ld.snapshots)
	return nil
}

// loadEpochs reads the leader epochs; a file that a power cut spoiled is made
// again from the batches.
func (ld *loader) loadEpochs() error {
	err := ld.epochs.load()
	if errors.Is(err, ErrFile) {
		ld.logger.Warn("leader epochs are read from the records", "dir", ld.dir, "error", err)
		ld.o.Clean, ld.readAll = false, true
		return nil
	}
	return err
}

// loadSegment opens segment i and checks it if it may have lost something.
func (ld *loader) loadSegment(i int) error {
	base := ld.bases[i]
	if ld.damaged {
		return ld.putAside(base)
	}
	s, err := segment.Open(ld.where(base), ld.segmentConfig())
	if err != nil {
		return err
	}
	ld.list = append(ld.list, s)
	suspect := !ld.o.Clean && (i == len(ld.bases)-1 || ld.bases[i+1] > ld.o.RecoveryPoint)
	if !suspect && !ld.readAll && !slices.Contains(ld.swapped, base) {
		err = s.Load()
		if err == nil {
			return nil
		}
		if !errors.Is(err, segment.ErrIndex) {
			return err
		}
		ld.logger.Warn("indexes are made again", "dir", ld.dir, "segment", base, "error", err)
	}
	if err := ld.recover(s); err != nil {
		return err
	}
	if i+1 < len(ld.bases) && s.NextOffset() < ld.bases[i+1] && suspect && !ld.o.KeepGaps {
		ld.damaged = true
		ld.logger.Warn("a segment lost its end in a crash", "dir", ld.dir, "segment", base,
			"end", s.NextOffset(), "next segment", ld.bases[i+1])
	}
	return nil
}

// recover checks a segment, with the producers as of its beginning at hand: the
// transaction index needs them.
func (ld *loader) recover(s *segment.Segment) error {
	if err := ld.producersAt(s.Base(), ld.list[:len(ld.list)-1]); err != nil {
		return err
	}
	cut, cause, err := s.Recover(func(h *wire.BatchHeader, batch []byte) error {
		ld.epochs.note(h.LeaderEpoch, h.BaseOffset)
		done, ended := ld.replay(h, batch)
		if !ended || !done.Aborted {
			return nil
		}
		stable, open := ld.state.FirstUnstableOffset()
		if !open {
			stable = done.LastOffset + 1
		}
		return s.AppendAborted(segment.AbortedTxn{
			ProducerID: done.ProducerID, FirstOffset: done.FirstOffset,
			LastOffset: done.LastOffset, LastStableOffset: stable,
		})
	})
	if err != nil {
		return err
	}
	ld.stateEnd = s.NextOffset()
	if cut > 0 {
		ld.damaged = true
		ld.logger.Warn("cut the end of the log, which a crash left incomplete",
			"dir", ld.dir, "offset", s.NextOffset(), "bytes", cut, "cause", cause)
	}
	return nil
}

// replay notes a batch's producer. A control batch without a sound marker, which
// no broker writes, ends no transaction.
func (ld *loader) replay(h *wire.BatchHeader, batch []byte) (producerstate.CompletedTxn, bool) {
	done, ended, err := ld.state.Replay(h, batch, ld.o.Now)
	if err != nil {
		ld.logger.Warn("passed over a control batch", "dir", ld.dir, "error", err)
	}
	return done, ended
}

// putAside renames a segment behind damage, log first.
func (ld *loader) putAside(base int64) error {
	ld.logger.Warn("put a segment behind damage aside", "dir", ld.dir, "segment", base)
	for _, suffix := range segment.Suffixes {
		name := path.Join(ld.dir, segment.FileName(base, suffix))
		err := ld.fs.Rename(name, name+cutSuffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// producersAt makes state that of offset: from where it is, or from the newest
// sound snapshot, and the batches after that, which list holds.
func (ld *loader) producersAt(offset int64, list []*segment.Segment) error {
	for _, at := range slices.Backward(ld.snapshots) {
		if at > offset || at <= ld.stateEnd || slices.Contains(ld.spoiled, at) {
			continue
		}
		b, err := ReadFile(ld.fs, ld.snapshotName(at))
		if err != nil {
			return err
		}
		state, err := producerstate.Decode(b, ld.o.Now)
		if err != nil {
			ld.logger.Warn("passed over a producer snapshot",
				"dir", ld.dir, "offset", at, "error", err)
			if err := ld.fs.Remove(ld.snapshotName(at)); err != nil {
				return err
			}
			ld.spoiled = append(ld.spoiled, at)
			continue
		}
		ld.state, ld.stateEnd = state, at
		break
	}
	begin := ld.stateEnd
	for _, s := range from(list, begin) {
		if s.NextOffset() <= begin || s.Base() >= offset {
			continue
		}
		err := s.Scan(max(begin, s.Base()), func(h *wire.BatchHeader, batch []byte) error {
			if h.BaseOffset >= offset {
				return nil
			}
			ld.replay(h, batch)
			return nil
		})
		if err != nil {
			return err
		}
	}
	ld.stateEnd = max(offset, ld.stateEnd)
	return nil
}

// settle decides where the log begins and ends, and makes sure that it has an
// active segment.
func (ld *loader) settle() error {
	end := ld.o.StartOffset
	if n := len(ld.list); n > 0 {
		end = ld.list[n-1].NextOffset()
	}
	if end < ld.o.StartOffset {
		ld.logger.Warn("the log ends before its checkpointed start; it begins anew there",
			"dir", ld.dir, "end", end, "start", ld.o.StartOffset)
		for _, s := range ld.list {
			if err := s.Remove(); err != nil {
				return err
			}
		}
		ld.list, end = nil, ld.o.StartOffset
		ld.state, ld.stateEnd = producerstate.New(), end
	}
	if len(ld.list) == 0 {
		s, err := segment.Create(ld.where(end), ld.segmentConfig())
		if err != nil {
			return err
		}
		ld.newNames.Store(true)
		ld.list = append(ld.list, s)
	}
	if err := ld.list[len(ld.list)-1].Activate(); err != nil {
		return err
	}
	if err := ld.dropSnapshotsAfter(end); err != nil {
		return err
	}
	if err := ld.producersAt(end, ld.list); err != nil {
		return err
	}
	ld.end.Store(end)
	ld.start.Store(max(ld.o.StartOffset, ld.list[0].Base()))
	return nil
}

// dropSnapshotsAfter removes snapshots of records that the log has lost, before
// others take their offsets; and those that belong to no segment but the end.
func (ld *loader) dropSnapshotsAfter(end int64) error {
	var kept []int64
	for i, at := range ld.snapshots {
		last := i == len(ld.snapshots)-1 || ld.snapshots[i+1] > end
		ofSegment := slices.ContainsFunc(ld.list, func(s *segment.Segment) bool { return s.Base() == at })
		if slices.Contains(ld.spoiled, at) {
			continue
		}
		if at <= end && (last || ofSegment) {
			kept = append(kept, at)
			continue
		}
		if err := ld.fs.Remove(ld.snapshotName(at)); err != nil {
			return err
		}
	}
	ld.snapshots = kept
	return nil
}

// finish publishes what was loaded and begins this leader's epoch.
func (ld *loader) finish() error {
	l := ld.Log
	if mutation.On(mutation.ForgottenProducers) {
		ld.state = producerstate.New()
	}
	l.producers = ld.state
	l.publish(ld.list)
	l.setActive(ld.o.Now)
	l.everWritten = l.EndOffset() > 0
	l.snapshotAt = -1
	if n := len(ld.snapshots); n > 0 && !slices.Contains(ld.spoiled, ld.snapshots[n-1]) {
		l.snapshotAt = ld.snapshots[n-1]
	}
	l.recovery.Store(min(ld.o.RecoveryPoint, l.EndOffset()))
	if ld.o.Clean {
		l.recovery.Store(l.EndOffset())
	}
	// Of files that the process before made and did not sync: it was killed, or had
	// nothing in them that was worth it.
	l.newNames.Store(true)
	l.updateStable()
	return ld.beginEpoch()
}

// beginEpoch lets a new leader epoch begin if the last run ended in a crash, so
// that a consumer that read what was lost can tell (KIP-320).
func (ld *loader) beginEpoch() error {
	latest := ld.epochs.latest()
	if latest == NoEpoch || !ld.o.Clean {
		ld.epochs.truncateEnd(ld.EndOffset())
		if err := ld.epochs.assign(latest+1, ld.EndOffset()); err != nil {
			return err
		}
	}
	return ld.epochs.truncateStart(ld.start.Load())
}
