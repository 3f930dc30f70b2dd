package partition

import (
	"slices"
	"sync"
	"sync/atomic"
)

// watchers are the channels that want to know of new records. A partition that
// nobody watches pays one atomic load for it.
//
// Locks: mu is a leaf; sends under it never block.
type watchers struct {
	count atomic.Int32

	mu   sync.Mutex
	list []*watch
}

type watch struct{ ready chan<- struct{} }

func (w *watchers) add(ready chan<- struct{}) (stop func()) {
	x := &watch{ready}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, x)
	w.count.Add(1)
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.list = slices.DeleteFunc(w.list, func(y *watch) bool { return x == y })
		w.count.Add(-1)
	})
}

// notify tells all watchers that have room to be told.
func (w *watchers) notify() {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.list {
		select {
		case x.ready <- struct{}{}:
		default:
		}
	}
}

// Watch sends to ready, without blocking, whenever there may be more to read:
// after an append, when the last stable offset moves, when records are deleted,
// and when the partition closes. One channel with room for one value may watch
// any number of partitions. A watch ends with the stop function only.
//
// To miss nothing: Watch, then Fetch, then wait.
func (p *Partition) Watch(ready chan<- struct{}) (stop func()) { return p.watchers.add(ready) }
