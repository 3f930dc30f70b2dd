package vfs

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mem is a file system in memory. See NewMem and NewCrashMem.
//
// Locks: mu guards the names, node.mu one file's bytes; mu is taken first.
type Mem struct {
	journal bool // keep what CrashClone needs
	now     func() time.Time

	mu      sync.Mutex
	names   map[string]*node // clean paths of files and directories
	locks   map[string]bool
	durable map[string]*node // names as of the last SyncDir of their directory
	renames []nameOp         // since then, oldest first
}

// node is a file's content, whatever its names are.
type node struct {
	dir bool

	mu      sync.RWMutex
	data    []byte
	modTime time.Time

	// What CrashClone needs. Until something but the end of the file changes, the
	// first synced bytes of data are what the last Sync left, and the rest was
	// appended since; then history has both.
	synced  int
	history *history
}

// history is a file's content as of its last Sync and the changes after that.
type history struct {
	synced []byte
	writes []writeOp // oldest first
}

// writeOp is a write, or, with data nil, a truncation to off.
type writeOp struct {
	off  int64
	data []byte
}

// nameOp is one change of the names: to now means node, or nothing if it is
// nil; from, if set, is gone.
type nameOp struct {
	from, to string
	node     *node
}

// dir is the directory that the change has to be synced in.
func (o nameOp) dir() string {
	if o.to != "" {
		return path.Dir(o.to)
	}
	return path.Dir(o.from)
}

var _ FS = (*Mem)(nil)

// NewMem returns an empty file system. now gives files their times; nil means
// that they have none.
func NewMem(now func() time.Time) *Mem {
	if now == nil {
		now = func() time.Time { return time.Time{} }
	}
	m := &Mem{now: now, names: map[string]*node{}, locks: map[string]bool{}}
	m.names["/"], m.names["."] = &node{dir: true}, &node{dir: true}
	return m
}

// NewCrashMem is NewMem with CrashClone: it remembers what was not synced,
// which costs nothing for files that are only appended to.
func NewCrashMem(now func() time.Time) *Mem {
	m := NewMem(now)
	m.journal = true
	m.durable = map[string]*node{"/": m.names["/"], ".": m.names["."]}
	return m
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (m *Mem) noteLocked(op nameOp) {
	if m.journal {
		m.renames = append(m.renames, op)
	}
}

// OpenFile opens name.
func (m *Mem) OpenFile(name string, mode Mode) (File, error) {
	name = path.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.names[name]
	switch {
	case ok && n.dir:
		return nil, pathError("open", name, fs.ErrInvalid)
	case !ok && mode < Create:
		return nil, pathError("open", name, fs.ErrNotExist)
	case !ok:
		if parent, found := m.names[path.Dir(name)]; !found || !parent.dir {
			return nil, pathError("open", name, fs.ErrNotExist)
		}
		n = &node{modTime: m.now()}
		m.names[name] = n
		m.noteLocked(nameOp{to: name, node: n})
	}
	f := &memFile{fs: m, node: n, name: name, writable: mode != ReadOnly}
	if mode == Truncate {
		return f, f.Truncate(0)
	}
	return f, nil
}

// MkdirAll makes dir and its parents.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mkdirLocked(path.Clean(dir))
}

func (m *Mem) mkdirLocked(dir string) error {
	if n, ok := m.names[dir]; ok {
		if !n.dir {
			return pathError("mkdir", dir, fs.ErrExist)
		}
		return nil
	}
	if err := m.mkdirLocked(path.Dir(dir)); err != nil {
		return err
	}
	n := &node{dir: true}
	m.names[dir] = n
	m.noteLocked(nameOp{to: dir, node: n})
	return nil
}

// ReadDir lists dir, sorted by name.
func (m *Mem) ReadDir(dir string) ([]Info, error) {
	dir = path.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.names[dir]; !ok || !n.dir {
		return nil, pathError("readdir", dir, fs.ErrNotExist)
	}
	var infos []Info
	for name, n := range m.names {
		if path.Dir(name) == dir && name != dir {
			infos = append(infos, n.info(name))
		}
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos, nil
}

func (n *node) info(name string) Info {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return Info{
		Name: path.Base(name), Size: int64(len(n.data)), ModTime: n.modTime, IsDir: n.dir,
	}
}

// Stat describes name.
func (m *Mem) Stat(name string) (Info, error) {
	name = path.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.names[name]
	if !ok {
		return Info{}, pathError("stat", name, fs.ErrNotExist)
	}
	return n.info(name), nil
}

// Rename moves a file or a directory with all below it.
func (m *Mem) Rename(from, to string) error {
	from, to = path.Clean(from), path.Clean(to)
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.names[from]
	if !ok {
		return pathError("rename", from, fs.ErrNotExist)
	}
	if old, ok := m.names[to]; ok && (old.dir || n.dir) {
		return pathError("rename", to, fs.ErrExist)
	}
	op := nameOp{from: from, to: to, node: n}
	op.apply(m.names)
	m.noteLocked(op)
	return nil
}

// Remove removes a file or an empty directory.
func (m *Mem) Remove(name string) error {
	name = path.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.names[name]; !ok {
		return pathError("remove", name, fs.ErrNotExist)
	}
	for other := range m.names {
		if strings.HasPrefix(other, name+"/") {
			return pathError("remove", name, fs.ErrExist)
		}
	}
	m.removeLocked(name)
	return nil
}

func (m *Mem) removeLocked(name string) {
	op := nameOp{from: name}
	op.apply(m.names)
	m.noteLocked(op)
}

// RemoveAll removes a tree, the deepest names first.
func (m *Mem) RemoveAll(name string) error {
	name = path.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	var tree []string
	for other := range m.names {
		if other == name || strings.HasPrefix(other, name+"/") {
			tree = append(tree, other)
		}
	}
	slices.Sort(tree)
	slices.Reverse(tree)
	for _, n := range tree {
		m.removeLocked(n)
	}
	return nil
}

// apply makes the change in names, with everything below a directory.
func (o nameOp) apply(names map[string]*node) {
	if o.from != "" && o.to != "" {
		for name, n := range names {
			if rest, below := strings.CutPrefix(name, o.from+"/"); below {
				delete(names, name)
				names[o.to+"/"+rest] = n
			}
		}
	}
	if o.from != "" {
		delete(names, o.from)
	}
	if o.to != "" {
		names[o.to] = o.node
	}
}

// SyncDir makes the names in dir durable.
func (m *Mem) SyncDir(dir string) error {
	dir = path.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.names[dir]; !ok || !n.dir {
		return pathError("sync", dir, fs.ErrNotExist)
	}
	m.renames = slices.DeleteFunc(m.renames, func(o nameOp) bool {
		if o.dir() != dir {
			return false
		}
		o.apply(m.durable)
		return true
	})
	return nil
}

// Lock takes name until the returned Closer's Close.
func (m *Mem) Lock(name string) (io.Closer, error) {
	f, err := m.OpenFile(name, Create)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	if m.locks[name] {
		return nil, pathError("lock", name, ErrLocked)
	}
	m.locks[name] = true
	return memLock{m, name, f}, nil
}

type memLock struct {
	fs   *Mem
	name string
	file File
}

func (l memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return l.file.Close()
}
