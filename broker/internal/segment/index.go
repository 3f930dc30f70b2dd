package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// ErrIndex is matched when an index file does not fit its log: Recover makes
// new ones.
var ErrIndex = errors.New("index does not fit its log")

const (
	offsetEntry = 8
	timeEntry   = 12
	// saveBytes is how much of an index waits in memory before it is written. A
	// crash costs nothing that Recover does not make again.
	saveBytes = 4096
)

// index is a file of entries of one width that only grows. Segment.mu guards it.
type index struct {
	file  vfs.File
	width int
	mem   []byte // all entries while the segment is appended to; nil afterwards
	count int    // entries
	saved int    // entries that are in the file, which has no others
}

// open takes what is in the file; mem stays nil.
func (x *index) open() error {
	size, err := x.file.Size()
	if err != nil {
		return err
	}
	if size%int64(x.width) != 0 {
		return fmt.Errorf("%w: %d bytes are no multiple of %d", ErrIndex, size, x.width)
	}
	x.count = int(size) / x.width
	x.saved = x.count
	return nil
}

// activate loads the entries for appending.
func (x *index) activate() error {
	mem := make([]byte, x.count*x.width, max(x.count*x.width, 64*x.width))
	if len(mem) > 0 {
		if _, err := x.file.ReadAt(mem, 0); err != nil {
			return err
		}
	}
	x.mem = mem
	return nil
}

// reset forgets all entries; the file is cut at once.
func (x *index) reset() error {
	x.mem, x.count, x.saved = []byte{}, 0, 0
	return x.file.Truncate(0)
}

func (x *index) append(entry []byte) {
	x.mem = append(x.mem, entry...)
	x.count++
}

// unsaved is the number of bytes that only memory has.
func (x *index) unsaved() int { return (x.count - x.saved) * x.width }

// save writes what only memory has.
func (x *index) save() error {
	if x.unsaved() == 0 {
		return nil
	}
	from := x.saved * x.width
	if _, err := x.file.WriteAt(x.mem[from:], int64(from)); err != nil {
		// An entry written in part must not be taken for a whole one.
		return errors.Join(err, x.file.Truncate(int64(from)))
	}
	x.saved = x.count
	return nil
}

// entry reads entry i, from 0.
func (x *index) entry(i int) ([]byte, error) {
	if x.mem != nil {
		return x.mem[i*x.width : (i+1)*x.width], nil
	}
	b := make([]byte, x.width)
	_, err := x.file.ReadAt(b, int64(i*x.width))
	return b, err
}

// last finds the last entry that is not after what the caller looks for; false
// means that there is none.
func (x *index) last(after func(entry []byte) bool) (entry []byte, ok bool, err error) {
	i := sort.Search(x.count, func(i int) bool {
		e, readErr := x.entry(i)
		if readErr != nil {
			err = readErr
			return true
		}
		return after(e)
	})
	if err != nil || i == 0 {
		return nil, false, err
	}
	entry, err = x.entry(i - 1)
	return entry, err == nil, err
}

// position looks up where to begin the search for offset (relative).
func (x *index) position(offset int64) (int64, error) {
	e, ok, err := x.last(func(e []byte) bool { return relativeOffset(e) > offset })
	if err != nil || !ok {
		return 0, err
	}
	return entryPosition(e), nil
}

func relativeOffset(e []byte) int64 { return int64(int32(binary.BigEndian.Uint32(e))) }

func entryPosition(e []byte) int64 { return int64(int32(binary.BigEndian.Uint32(e[4:]))) }

func entryTimestamp(e []byte) int64 { return int64(binary.BigEndian.Uint64(e)) }

func entryTimeOffset(e []byte) int64 { return int64(int32(binary.BigEndian.Uint32(e[8:]))) }
