package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// AbortedTxn is an aborted transaction, in the index of the segment that holds
// its ABORT marker.
type AbortedTxn struct {
	ProducerID       int64
	FirstOffset      int64
	LastOffset       int64 // of the marker
	LastStableOffset int64 // of the partition when the marker was written
}

const txnEntry = 34

// txnIndex is a segment's aborted transactions, all of them in memory. The file
// exists only if there are any. Segment.mu guards it.
type txnIndex struct {
	name  string
	fs    vfs.FS
	txns  []AbortedTxn
	saved int
}

func (x *txnIndex) open() error {
	f, err := x.fs.OpenFile(x.name, vfs.ReadOnly)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(x.load(f), f.Close())
}

func (x *txnIndex) load(f vfs.File) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	if size%txnEntry != 0 {
		return fmt.Errorf("%w: %d bytes are no multiple of %d", ErrIndex, size, txnEntry)
	}
	b := make([]byte, size)
	if size > 0 {
		if _, err := f.ReadAt(b, 0); err != nil {
			return err
		}
	}
	x.txns = nil
	for ; len(b) > 0; b = b[txnEntry:] {
		if v := binary.BigEndian.Uint16(b); v != 0 {
			return fmt.Errorf("%w: aborted transaction of version %d", ErrIndex, v)
		}
		x.txns = append(x.txns, AbortedTxn{
			ProducerID:       int64(binary.BigEndian.Uint64(b[2:])),
			FirstOffset:      int64(binary.BigEndian.Uint64(b[10:])),
			LastOffset:       int64(binary.BigEndian.Uint64(b[18:])),
			LastStableOffset: int64(binary.BigEndian.Uint64(b[26:])),
		})
	}
	x.saved = len(x.txns)
	return nil
}

// save writes what only memory has.
func (x *txnIndex) save() error {
	if x.saved == len(x.txns) {
		return nil
	}
	f, err := x.fs.OpenFile(x.name, vfs.Create)
	if err != nil {
		return err
	}
	var b []byte
	for _, t := range x.txns[x.saved:] {
		b = binary.BigEndian.AppendUint16(b, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(t.ProducerID))
		b = binary.BigEndian.AppendUint64(b, uint64(t.FirstOffset))
		b = binary.BigEndian.AppendUint64(b, uint64(t.LastOffset))
		b = binary.BigEndian.AppendUint64(b, uint64(t.LastStableOffset))
	}
	at := int64(x.saved * txnEntry)
	if _, err := f.WriteAt(b, at); err != nil {
		return errors.Join(err, f.Truncate(at), f.Close())
	}
	x.saved = len(x.txns)
	return f.Close()
}

// sync makes the file, which must exist, survive a power cut.
func (x *txnIndex) sync() error {
	f, err := x.fs.OpenFile(x.name, vfs.ReadWrite)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (x *txnIndex) reset() error {
	x.txns, x.saved = nil, 0
	if err := x.fs.Remove(x.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
