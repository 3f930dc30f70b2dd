package partition

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/broker/internal/log"
)

// readUnchecked finds out which partitions have to be checked when they are
// opened.
func (d *Dir) readUnchecked() error {
	d.unchecked = map[TopicPartition]bool{}
	for _, f := range d.found {
		d.unchecked[f.TopicPartition] = true
	}
	if !d.clean {
		return nil
	}
	c, err := log.ReadCheckpoint(d.fs, d.file(uncheckedName), 2)
	if err != nil {
		if errors.Is(err, log.ErrFile) {
			return nil // checking too many does no harm
		}
		return err
	}
	named := map[string]bool{}
	for _, line := range c {
		named[strings.Join(line, "-")] = true
	}
	maps.DeleteFunc(d.unchecked, func(tp TopicPartition, _ bool) bool { return !named[tp.String()] })
	return nil
}

// saveUnchecked writes the partitions that the next start has to check; without
// any, there is no file.
func (d *Dir) saveUnchecked() error {
	d.mu.Lock()
	left := slices.SortedFunc(maps.Keys(d.unchecked), compare)
	d.mu.Unlock()
	if len(left) == 0 {
		err := d.fs.Remove(d.file(uncheckedName))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	c := make(log.Checkpoint, 0, len(left))
	for _, tp := range left {
		c = append(c, []string{tp.Topic, strconv.Itoa(int(tp.Partition))})
	}
	return c.Write(d.fs, d.file(uncheckedName), true)
}

// readOffsets reads a checkpoint of offsets. A malformed one is passed over:
// then more is checked, or deleted records come back.
func (d *Dir) readOffsets(name string) (m map[TopicPartition]int64, lost bool, err error) {
	m = map[TopicPartition]int64{}
	c, err := log.ReadCheckpoint(d.fs, d.file(name), 3)
	if errors.Is(err, log.ErrFile) {
		d.cfg.Logger.Warn("passed over a checkpoint", "error", err)
		return m, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, line := range c {
		partition, perr := strconv.ParseInt(line[1], 10, 32)
		offset, oerr := strconv.ParseInt(line[2], 10, 64)
		if perr != nil || oerr != nil {
			d.cfg.Logger.Warn("passed over a line of a checkpoint", "file", name, "line", line)
			lost = true
			continue
		}
		m[TopicPartition{line[0], int32(partition)}] = offset
	}
	return m, lost, nil
}

// savePoints writes the offsets up to which each partition was synced.
func (d *Dir) savePoints() error {
	return d.saveOffsets(pointsName, true, func(p *Partition) (int64, bool) {
		return p.log.RecoveryPoint(), true
	})
}

// saveStarts writes the log start offsets that no segment's name tells.
func (d *Dir) saveStarts() error {
	return d.saveOffsets(startsName, true, func(p *Partition) (int64, bool) {
		start := p.log.StartOffset()
		return start, start > 0
	})
}

// saveEnds writes the high watermarks, for Apache Kafka: we do not need them.
func (d *Dir) saveEnds() error {
	return d.saveOffsets(endsName, false, func(p *Partition) (int64, bool) {
		return p.log.EndOffset(), true
	})
}

// saveCleaned writes the offsets before which logs are compacted.
func (d *Dir) saveCleaned() error {
	return d.saveOffsets(cleanedName, true, func(p *Partition) (int64, bool) {
		return p.firstDirty, p.firstDirty > 0
	})
}

// saveOffsets writes a checkpoint of an offset of each partition, with what the
// last run wrote of those that are not open. What is written already is not
// written again.
func (d *Dir) saveOffsets(name string, known bool, of func(*Partition) (int64, bool)) error {
	d.saveMu.Lock()
	defer d.saveMu.Unlock()
	offsets := map[TopicPartition]int64{}
	if known {
		d.mu.Lock()
		maps.Copy(offsets, map[string]map[TopicPartition]int64{
			pointsName: d.points, startsName: d.starts, cleanedName: d.cleaned,
		}[name])
		d.mu.Unlock()
	}
	for _, p := range d.partitions() {
		delete(offsets, p.tp)
		if offset, ok := of(p); ok {
			offsets[p.tp] = offset
		}
	}
	c := make(log.Checkpoint, 0, len(offsets))
	for _, tp := range slices.SortedFunc(maps.Keys(offsets), compare) {
		c = append(c, []string{
			tp.Topic, strconv.Itoa(int(tp.Partition)), strconv.FormatInt(offsets[tp], 10),
		})
	}
	text := fmt.Sprint(c)
	if d.saved[name] == text {
		return nil
	}
	if err := c.Write(d.fs, d.file(name), true); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	d.saved[name] = text
	return nil
}
