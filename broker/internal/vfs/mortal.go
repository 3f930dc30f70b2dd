package vfs

import (
	"io"
	"io/fs"
	"sync"
)

// Mortal is a file system that a process uses until it is killed: from Kill on
// nothing of it has an effect any more, locks are free and files are closed. It
// lets a test end a broker in its own process as kill -9 ends one.
type Mortal struct {
	fs FS

	// mu is held, shared, by every operation, so that Kill comes before or after
	// a write and never in the middle of one.
	mu   sync.RWMutex
	dead bool

	open sync.Map // io.Closer: files and locks
}

// NewMortal returns fs as a process sees it.
func NewMortal(fs FS) *Mortal { return &Mortal{fs: fs} }

// Kill ends it. Operations under way have ended when Kill returns; all later
// ones fail with fs.ErrClosed.
func (m *Mortal) Kill() {
	m.mu.Lock()
	m.dead = true
	m.mu.Unlock()
	m.open.Range(func(c, _ any) bool {
		_ = c.(io.Closer).Close() // as the operating system does it for a dead process
		return true
	})
}

func alive[T any](m *Mortal, op, name string, fn func() (T, error)) (T, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.dead {
		var none T
		return none, pathError(op, name, fs.ErrClosed)
	}
	return fn()
}

func aliveDo(m *Mortal, op, name string, fn func() error) error {
	_, err := alive(m, op, name, func() (struct{}, error) { return struct{}{}, fn() })
	return err
}

// OpenFile opens name.
func (m *Mortal) OpenFile(name string, mode Mode) (File, error) {
	return alive(m, "open", name, func() (File, error) {
		f, err := m.fs.OpenFile(name, mode)
		if err != nil {
			return nil, err
		}
		m.open.Store(f, nil)
		return &mortalFile{File: f, m: m, name: name}, nil
	})
}

// MkdirAll makes dir and its parents.
func (m *Mortal) MkdirAll(dir string) error {
	return aliveDo(m, "mkdir", dir, func() error { return m.fs.MkdirAll(dir) })
}

// ReadDir lists dir.
func (m *Mortal) ReadDir(dir string) ([]Info, error) {
	return alive(m, "readdir", dir, func() ([]Info, error) { return m.fs.ReadDir(dir) })
}

// Stat describes name.
func (m *Mortal) Stat(name string) (Info, error) {
	return alive(m, "stat", name, func() (Info, error) { return m.fs.Stat(name) })
}

// Rename replaces to by from.
func (m *Mortal) Rename(from, to string) error {
	return aliveDo(m, "rename", from, func() error { return m.fs.Rename(from, to) })
}

// Remove removes name.
func (m *Mortal) Remove(name string) error {
	return aliveDo(m, "remove", name, func() error { return m.fs.Remove(name) })
}

// RemoveAll removes a tree.
func (m *Mortal) RemoveAll(name string) error {
	return aliveDo(m, "remove", name, func() error { return m.fs.RemoveAll(name) })
}

// SyncDir syncs dir's names.
func (m *Mortal) SyncDir(dir string) error {
	return aliveDo(m, "sync", dir, func() error { return m.fs.SyncDir(dir) })
}

// Lock takes name.
func (m *Mortal) Lock(name string) (io.Closer, error) {
	return alive(m, "lock", name, func() (io.Closer, error) {
		l, err := m.fs.Lock(name)
		if err != nil {
			return nil, err
		}
		m.open.Store(l, nil)
		return &mortalLock{l, m}, nil
	})
}

type mortalLock struct {
	io.Closer
	m *Mortal
}

func (l *mortalLock) Close() error {
	return aliveDo(l.m, "unlock", "", func() error {
		l.m.open.Delete(l.Closer)
		return l.Closer.Close()
	})
}

type mortalFile struct {
	File
	m    *Mortal
	name string
}

func (f *mortalFile) ReadAt(b []byte, off int64) (int, error) {
	return alive(f.m, "read", f.name, func() (int, error) { return f.File.ReadAt(b, off) })
}

func (f *mortalFile) WriteAt(b []byte, off int64) (int, error) {
	return alive(f.m, "write", f.name, func() (int, error) { return f.File.WriteAt(b, off) })
}

func (f *mortalFile) Truncate(size int64) error {
	return aliveDo(f.m, "truncate", f.name, func() error { return f.File.Truncate(size) })
}

func (f *mortalFile) Sync() error { return aliveDo(f.m, "sync", f.name, f.File.Sync) }

func (f *mortalFile) Size() (int64, error) { return alive(f.m, "size", f.name, f.File.Size) }

func (f *mortalFile) Close() error {
	return aliveDo(f.m, "close", f.name, func() error {
		f.m.open.Delete(f.File)
		return f.File.Close()
	})
}
