package log

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"sync"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// NoEpoch stands for no leader epoch.
const NoEpoch = int32(-1)

const epochsName = "leader-epoch-checkpoint"

// EpochStart is a leader epoch and the offset of its first record.
type EpochStart struct {
	Epoch       int32
	StartOffset int64
}

// epochs is the history of leader epochs, in the file leader-epoch-checkpoint.
// Source: LeaderEpochFileCache.
//
// Locks: mu is a leaf, but for the writing of the file, which is rare.
type epochs struct {
	fs   vfs.FS
	name string

	mu   sync.RWMutex
	list []EpochStart // both columns rise
}

func newEpochs(fsys vfs.FS, dir string) *epochs {
	return &epochs{fs: fsys, name: path.Join(dir, epochsName)}
}

func (e *epochs) load() error {
	c, err := ReadCheckpoint(e.fs, e.name, 2)
	if err != nil {
		return err
	}
	var list []EpochStart
	for _, line := range c {
		epoch, err := strconv.ParseInt(line[0], 10, 32)
		if err != nil {
			return fmt.Errorf("%s: %w: epoch %q", e.name, ErrFile, line[0])
		}
		start, err := strconv.ParseInt(line[1], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w: offset %q", e.name, ErrFile, line[1])
		}
		list = append(list, EpochStart{int32(epoch), start})
	}
	e.list = list
	return nil
}

func (e *epochs) saveLocked() error {
	c := make(Checkpoint, 0, len(e.list))
	for _, x := range e.list {
		c = append(c, []string{
			strconv.FormatInt(int64(x.Epoch), 10), strconv.FormatInt(x.StartOffset, 10),
		})
	}
	return c.Write(e.fs, e.name, false)
}

// latest is the current epoch, or NoEpoch.
func (e *epochs) latest() int32 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if len(e.list) == 0 {
		return NoEpoch
	}
	return e.list[len(e.list)-1].Epoch
}

// note adds an epoch that begins at offset start, without saving; an epoch that
// is not the largest so far changes nothing. Earlier ones that would begin there
// or later had no records.
func (e *epochs) note(epoch int32, start int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.list); epoch < 0 || n > 0 && e.list[n-1].Epoch >= epoch {
		return
	}
	e.list = slices.DeleteFunc(e.list, func(x EpochStart) bool { return x.StartOffset >= start })
	e.list = append(e.list, EpochStart{epoch, start})
}

// assign is note, and saves.
func (e *epochs) assign(epoch int32, start int64) error {
	e.note(epoch, start)
	return e.save()
}

func (e *epochs) save() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.saveLocked()
}

// truncateEnd forgets epochs that begin at end or later: they have no records.
func (e *epochs) truncateEnd(end int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = slices.DeleteFunc(e.list, func(x EpochStart) bool { return x.StartOffset >= end })
}

// truncateStart forgets what ended before start and lets the epoch that has
// start begin there. It saves if that changed anything.
func (e *epochs) truncateStart(start int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := 0
	for i+1 < len(e.list) && e.list[i+1].StartOffset <= start {
		i++
	}
	if len(e.list) == 0 || e.list[i].StartOffset >= start {
		return nil
	}
	e.list = slices.Clone(e.list[i:])
	e.list[0].StartOffset = start
	return e.saveLocked()
}

// end finds the largest epoch that is not above epoch, and the offset after its
// last record, which is logEnd for the current one. It is NoEpoch and -1 for
// what is not known. Source: LeaderEpochFileCache.endOffsetFor.
func (e *epochs) end(epoch int32, logEnd int64) (int32, int64) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	n := len(e.list)
	if epoch < 0 || n == 0 || epoch > e.list[n-1].Epoch {
		return NoEpoch, -1
	}
	higher := slices.IndexFunc(e.list, func(x EpochStart) bool { return x.Epoch > epoch })
	switch higher {
	case -1:
		return epoch, logEnd
	case 0:
		return epoch, e.list[0].StartOffset
	}
	return e.list[higher-1].Epoch, e.list[higher].StartOffset
}

// of is the epoch that offset was written in, or NoEpoch.
func (e *epochs) of(offset int64) int32 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, x := range slices.Backward(e.list) {
		if x.StartOffset <= offset {
			return x.Epoch
		}
	}
	return NoEpoch
}
