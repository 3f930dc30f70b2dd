package vfs

import (
	"io"
	"io/fs"
	"slices"
	"sync/atomic"
)

// memFile is an open file of a Mem.
type memFile struct {
	fs       *Mem
	node     *node
	name     string
	writable bool
	closed   atomic.Bool
}

func (f *memFile) check(op string, write bool) error {
	switch {
	case f.closed.Load():
		return pathError(op, f.name, fs.ErrClosed)
	case write && !f.writable:
		return pathError(op, f.name, fs.ErrPermission)
	}
	return nil
}

// ReadAt reads at off.
func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	n := f.node
	n.mu.RLock()
	defer n.mu.RUnlock()
	if off >= int64(len(n.data)) {
		return 0, io.EOF
	}
	k := copy(b, n.data[off:])
	if k < len(b) {
		return k, io.EOF
	}
	return k, nil
}

// WriteAt writes at off, with zeros between the end and off.
func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	n := f.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if f.fs.journal {
		n.note(writeOp{off, b})
	}
	n.data = writeOp{off, b}.apply(n.data)
	n.modTime = f.fs.now()
	return len(b), nil
}

// note remembers a change that is about to be made.
func (n *node) note(o writeOp) {
	if n.history == nil {
		if o.data != nil && o.off == int64(len(n.data)) {
			return
		}
		n.history = n.past()
	}
	o.data = slices.Clone(o.data)
	n.history.writes = append(n.history.writes, o)
}

// past is the history of a file that may have none yet. It shares nothing.
func (n *node) past() *history {
	if n.history != nil {
		return &history{slices.Clone(n.history.synced), n.history.writes}
	}
	h := &history{synced: slices.Clone(n.data[:n.synced])}
	if n.synced < len(n.data) {
		h.writes = []writeOp{{int64(n.synced), slices.Clone(n.data[n.synced:])}}
	}
	return h
}

// apply returns data as the operation leaves it; it may reuse data's array.
func (o writeOp) apply(data []byte) []byte {
	end := o.off + int64(len(o.data))
	if grow := end - int64(len(data)); grow > 0 {
		old := len(data)
		data = append(data, make([]byte, grow)...)
		clear(data[old:])
	}
	if o.data == nil {
		return data[:o.off]
	}
	copy(data[o.off:], o.data)
	return data
}

// Truncate sets the size.
func (f *memFile) Truncate(size int64) error {
	if err := f.check("truncate", true); err != nil {
		return err
	}
	n := f.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if f.fs.journal {
		n.note(writeOp{off: size})
	}
	n.data = writeOp{off: size}.apply(n.data)
	n.modTime = f.fs.now()
	return nil
}

// Sync makes the content survive a power cut.
func (f *memFile) Sync() error {
	if err := f.check("sync", false); err != nil {
		return err
	}
	n := f.node
	n.mu.Lock()
	defer n.mu.Unlock()
	n.synced, n.history = len(n.data), nil
	return nil
}

// Size is the length in bytes.
func (f *memFile) Size() (int64, error) {
	if err := f.check("stat", false); err != nil {
		return 0, err
	}
	f.node.mu.RLock()
	defer f.node.mu.RUnlock()
	return int64(len(f.node.data)), nil
}

// Close ends the use of this File; a second Close fails.
func (f *memFile) Close() error {
	if f.closed.Swap(true) {
		return pathError("close", f.name, fs.ErrClosed)
	}
	return nil
}
