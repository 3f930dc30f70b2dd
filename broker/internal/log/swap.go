package log

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/broker/internal/segment"
)

const (
	// cleanedSuffix marks a segment that compaction is still writing.
	cleanedSuffix = ".cleaned"
	// swapSuffix marks one that is whole and replaces those whose offsets it has.
	swapSuffix = ".swap"
)

// finishSwap finishes what a crash interrupted in Compaction.Swap: segments that
// a whole new one replaces are removed, and it takes their place. Its indexes
// are made again.
func (ld *loader) finishSwap() error {
	infos, err := ld.fs.ReadDir(ld.dir)
	if err != nil {
		return err
	}
	for _, i := range infos {
		base, suffix, ok := segment.ParseFileName(i.Name)
		if !ok || !strings.HasSuffix(suffix, swapSuffix) {
			continue
		}
		if suffix != segment.LogSuffix+swapSuffix {
			if err := ld.fs.Remove(path.Join(ld.dir, i.Name)); err != nil {
				return err
			}
			continue
		}
		if err := ld.finishOne(base); err != nil {
			return err
		}
	}
	return nil
}

// finishOne removes the segments that begin where the swapped one has offsets,
// and renames it.
func (ld *loader) finishOne(base int64) error {
	w := ld.where(base)
	w.Suffix = swapSuffix
	end, err := segment.EndOf(w)
	if err != nil {
		return err
	}
	infos, err := ld.fs.ReadDir(ld.dir)
	if err != nil {
		return err
	}
	for _, i := range infos {
		at, suffix, ok := segment.ParseFileName(i.Name)
		replaced := ok && at >= base && (at == base || at < end) &&
			slices.Contains(segment.Suffixes[:], suffix)
		if !replaced {
			continue
		}
		err := ld.fs.Remove(path.Join(ld.dir, i.Name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	ld.logger.Info("took a compacted segment that a crash left", "dir", ld.dir, "segment", base)
	ld.swapped = append(ld.swapped, base)
	name := path.Join(ld.dir, segment.FileName(base, segment.LogSuffix))
	return ld.fs.Rename(name+swapSuffix, name)
}
