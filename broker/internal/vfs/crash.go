package vfs

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// Crash is a way in which everything ends.
type Crash uint8

const (
	// ProcessKilled keeps all that was written: the operating system goes on.
	ProcessKilled Crash = iota
	// PowerCut keeps what was synced, and of the rest what the seed says.
	PowerCut
)

const sector = 512 // bytes that a disk writes whole or not at all

// CrashClone returns the disk as the next start would find it, were everything
// to end now; m itself goes on. Equal histories and seeds give equal clones.
// m must come from NewCrashMem; so does the clone, on which nothing is locked.
//
// After PowerCut a file has what it had at its last Sync, plus sectors of later
// writes: none, all, or some, as the seed decides; and a directory has the
// names of its last SyncDir plus the first few changes after it.
func (m *Mem) CrashClone(c Crash, seed uint64) *Mem {
	if !m.journal {
		panic("vfs: CrashClone of a Mem that NewCrashMem did not make")
	}
	rng := rand.New(rand.NewPCG(seed, uint64(c)))
	m.mu.Lock()
	defer m.mu.Unlock()
	names := m.names
	if c == PowerCut {
		names = m.survivingNamesLocked(rng)
	}
	out := NewCrashMem(m.now)
	copies := map[*node]*node{}
	for _, name := range slices.Sorted(maps.Keys(names)) { // sorted: the seed decides
		n := names[name]
		if copies[n] == nil {
			copies[n] = n.survive(c, rng)
		}
		out.names[name], out.durable[name] = copies[n], copies[n]
	}
	return out
}

// survivingNamesLocked keeps a prefix of each directory's changes: journaling
// file systems write them in order.
func (m *Mem) survivingNamesLocked(rng *rand.Rand) map[string]*node {
	names := maps.Clone(m.durable)
	lost := map[string]bool{}
	for _, o := range m.renames {
		if lost[o.dir()] || rng.IntN(8) == 0 {
			lost[o.dir()] = true
			continue
		}
		o.apply(names)
	}
	maps.DeleteFunc(names, func(name string, _ *node) bool { return orphaned(names, name) })
	return names
}

// orphaned reports whether a directory above name is gone.
func orphaned(names map[string]*node, name string) bool {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if _, ok := names[dir]; !ok {
			return true
		}
		if dir == path.Dir(dir) {
			return false
		}
	}
}

func (n *node) survive(c Crash, rng *rand.Rand) *node {
	n.mu.RLock()
	defer n.mu.RUnlock()
	data := slices.Clone(n.data)
	if c == PowerCut && !n.dir {
		keep := []float64{0, 0.5, 0.9, 1}[rng.IntN(4)] // share of sectors that made it
		past := n.past()
		data = past.synced
		for _, w := range past.writes {
			data = w.survive(data, keep, rng)
		}
	}
	return &node{dir: n.dir, data: data, synced: len(data), modTime: n.modTime}
}

// survive applies the sectors of a write that the disk got.
func (o writeOp) survive(data []byte, keep float64, rng *rand.Rand) []byte {
	if o.data == nil {
		if rng.Float64() < keep {
			return o.apply(data)
		}
		return data
	}
	for rest, off := o.data, o.off; len(rest) > 0; {
		k := min(int64(len(rest)), sector-off%sector)
		if rng.Float64() < keep {
			data = writeOp{off, rest[:k]}.apply(data)
		}
		rest, off = rest[k:], off+k
	}
	return data
}
