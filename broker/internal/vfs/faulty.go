package vfs

import (
	"io"
	"path"
	"sync"
)

// Op is a kind of operation that Faulty can make fail.
type Op uint8

// The operations; reading directories and sizes never fails by plan.
const (
	OpOpen Op = iota
	OpRead
	OpWrite
	OpTruncate
	OpSync
	OpClose
	OpMkdir
	OpRename
	OpRemove
	OpSyncDir
)

func (o Op) String() string {
	return [...]string{
		"open", "read", "write", "truncate", "sync", "close", "mkdir", "rename", "remove", "syncdir",
	}[o]
}

// Fault is a plan for one failure. The zero Name means any name.
type Fault struct {
	Op    Op
	Name  string // pattern of path.Match for the last element, such as "*.log"
	Nth   int    // the first operation of that kind and name to fail, from 1
	Times int    // how many fail from there on: 0 means one, negative all
	Err   error
	Short int // bytes that a failing write leaves behind all the same
}

// Call is an operation as Faulty sees it, before it is done.
type Call struct {
	Op   Op
	Name string
	Off  int64  // of a read or write; the size of a truncation
	Data []byte // of a write
}

// Faulty makes another FS fail by plan. The zero value is not usable; see
// NewFaulty.
type Faulty struct {
	fs FS

	mu      sync.Mutex
	faults  []*fault
	observe func(Call)
}

type fault struct {
	Fault
	seen int
}

var _ FS = (*Faulty)(nil)

// NewFaulty wraps fs.
func NewFaulty(fs FS) *Faulty { return &Faulty{fs: fs} }

// Inject adds a failure to come; its Nth counts from now.
func (f *Faulty) Inject(plan Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, &fault{Fault: plan})
}

// Heal forgets all failures to come.
func (f *Faulty) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = nil
}

// Observe calls fn before every operation, one at a time; nil ends that.
func (f *Faulty) Observe(fn func(Call)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observe = fn
}

// due counts c and returns the failure planned for it, or nil.
func (f *Faulty) due(c Call) *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.observe != nil {
		f.observe(c)
	}
	var found *fault
	for _, p := range f.faults {
		if p.Op != c.Op {
			continue
		}
		if ok, err := path.Match(p.Name, path.Base(c.Name)); p.Name != "" && (err != nil || !ok) {
			continue
		}
		p.seen++
		if last := p.Nth + max(p.Times, 1) - 1; p.seen >= p.Nth && (p.Times < 0 || p.seen <= last) {
			found = p
		}
	}
	return found
}

// do runs fn unless a failure of the operation is due.
func (f *Faulty) do(op Op, name string, fn func() error) error {
	if p := f.due(Call{Op: op, Name: name}); p != nil {
		return pathError(op.String(), name, p.Err)
	}
	return fn()
}

// OpenFile opens name; the File fails by the same plan.
func (f *Faulty) OpenFile(name string, mode Mode) (File, error) {
	if p := f.due(Call{Op: OpOpen, Name: name}); p != nil {
		return nil, pathError("open", name, p.Err)
	}
	file, err := f.fs.OpenFile(name, mode)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: file, fs: f, name: name}, nil
}

// MkdirAll makes a directory.
func (f *Faulty) MkdirAll(dir string) error {
	return f.do(OpMkdir, dir, func() error { return f.fs.MkdirAll(dir) })
}

// ReadDir lists a directory.
func (f *Faulty) ReadDir(dir string) ([]Info, error) { return f.fs.ReadDir(dir) }

// Stat describes name.
func (f *Faulty) Stat(name string) (Info, error) { return f.fs.Stat(name) }

// Rename moves a file.
func (f *Faulty) Rename(from, to string) error {
	return f.do(OpRename, from, func() error { return f.fs.Rename(from, to) })
}

// Remove removes a file.
func (f *Faulty) Remove(name string) error {
	return f.do(OpRemove, name, func() error { return f.fs.Remove(name) })
}

// RemoveAll removes a tree.
func (f *Faulty) RemoveAll(name string) error {
	return f.do(OpRemove, name, func() error { return f.fs.RemoveAll(name) })
}

// SyncDir syncs a directory.
func (f *Faulty) SyncDir(dir string) error {
	return f.do(OpSyncDir, dir, func() error { return f.fs.SyncDir(dir) })
}

// Lock locks name.
func (f *Faulty) Lock(name string) (io.Closer, error) { return f.fs.Lock(name) }

type faultyFile struct {
	File
	fs   *Faulty
	name string
}

func (f *faultyFile) ReadAt(b []byte, off int64) (int, error) {
	if p := f.fs.due(Call{Op: OpRead, Name: f.name, Off: off}); p != nil {
		return 0, pathError("read", f.name, p.Err)
	}
	return f.File.ReadAt(b, off)
}

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	p := f.fs.due(Call{Op: OpWrite, Name: f.name, Off: off, Data: b})
	if p == nil {
		return f.File.WriteAt(b, off)
	}
	n, err := f.File.WriteAt(b[:min(p.Short, len(b))], off)
	if err != nil {
		return n, err
	}
	return n, pathError("write", f.name, p.Err)
}

func (f *faultyFile) Truncate(size int64) error {
	if p := f.fs.due(Call{Op: OpTruncate, Name: f.name, Off: size}); p != nil {
		return pathError("truncate", f.name, p.Err)
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Sync() error { return f.fs.do(OpSync, f.name, f.File.Sync) }

func (f *faultyFile) Close() error { return f.fs.do(OpClose, f.name, f.File.Close) }
