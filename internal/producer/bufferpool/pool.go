// Package bufferpool is buffer.memory: how many bytes batches may hold, who
// waits for some, and who is next.
//
// A buffer's capacity is what it is charged for. Waiting senders are served
// strictly in the order they came: freed bytes are handed to the first of them,
// and nobody who comes later, however little he wants, gets past. That is the
// promise of Java's BufferPool, kept without its wake-ups: a waiter is woken
// once, when its bytes are there.
package bufferpool

import (
	"context"
	"errors"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// Errors of Get. The caller knows the sizes and says them.
var (
	ErrExhausted = errors.New("buffer memory exhausted")   // the wait took too long
	ErrTooLarge  = errors.New("larger than buffer memory") // can never be granted
	ErrClosed    = errors.New("buffer pool closed")
)

// minClass is the capacity of the smallest buffers that are kept for reuse.
const minClass = 512

// Pool grants batch buffers. The zero value is not usable; see New.
//
// Ownership: Get transfers a buffer to its caller, Put transfers it back. The
// pool never touches a buffer in between.
//
// Locks: mu is a leaf. No channel operation that can block, no I/O and no user
// code runs under it, so a goroutine that waits for mu waits for nanoseconds;
// that is also what lets testing/synctest see waiting senders as blocked.
type Pool struct {
	total int64 // buffer.memory
	top   int   // the capacity of a full-size batch's buffer: the largest kept

	mu      sync.Mutex
	free    [][][]byte // kept buffers by size class; their bytes count as available
	kept    int64      // bytes in free
	avail   int64      // bytes of buffer.memory nobody holds, kept ones included
	waiters []*waiter  // oldest first; non-empty only while avail is too small for the first
	arenas  []arena    // by size class
	closed  bool
	refused uint64 // waits that ended in ErrExhausted
}

type waiter struct {
	size    int
	err     error         // set before granted closes
	granted chan struct{} // closed, under mu, when size bytes are ours or the pool is closed
}

// New makes a pool of total bytes. top is the capacity of a full batch's
// buffer, or of one that takes all memory if that is less.
func New(total int64, top int) *Pool {
	top = int(min(int64(top), total))
	p := &Pool{total: total, top: top, avail: total}
	p.free = make([][][]byte, p.class(top)+1)
	p.arenas = make([]arena, len(p.free))
	for c := range p.arenas {
		p.arenas[c] = newArena(min(minClass<<c, top))
	}
	return p
}

// Round is the capacity that a request for size bytes gets: the next power of
// two, or exactly top, or exactly size above that.
func (p *Pool) Round(size int) int {
	switch {
	case size > p.top:
		return size
	case size <= minClass:
		return min(minClass, p.top)
	}
	return min(1<<bits.Len(uint(size-1)), p.top)
}

// class is the index into free of buffers of a rounded capacity.
func (p *Pool) class(capacity int) int {
	if capacity <= minClass {
		return 0
	}
	return bits.Len(uint(capacity-1)) - bits.Len(uint(minClass-1))
}

// TryGet is Get without waiting. It yields nothing while others wait.
func (p *Pool) TryGet(size int) ([]byte, bool) {
	size = p.Round(size)
	p.mu.Lock()
	if p.closed || len(p.waiters) > 0 || p.avail < int64(size) {
		p.mu.Unlock()
		return nil, false
	}
	buf := p.takeLocked(size)
	p.mu.Unlock()
	return fresh(buf, size), true
}

// takeLocked charges size bytes and returns a kept buffer of that capacity, or
// nil if the caller has to make one.
func (p *Pool) takeLocked(size int) []byte {
	p.avail -= int64(size)
	if size <= p.top {
		c := p.class(size)
		if n := len(p.free[c]); n > 0 {
			buf := p.free[c][n-1]
			p.free[c][n-1] = nil
			p.free[c] = p.free[c][:n-1]
			p.kept -= int64(size)
			return buf
		}
	}
	// What is kept counts as available: let go of as much as the new buffer
	// takes away from it.
	for c := len(p.free) - 1; c >= 0 && p.kept > p.avail; c-- {
		for n := len(p.free[c]); n > 0 && p.kept > p.avail; n-- {
			buf := p.free[c][n-1]
			p.kept -= int64(cap(buf))
			p.free[c][n-1] = nil
			p.free[c] = p.free[c][:n-1]
			p.arenas[c].cool(buf)
		}
	}
	if size > p.top {
		return nil
	}
	return p.arenas[p.class(size)].take()
}

// Get waits for a buffer of at least size bytes until wait has passed or ctx
// is done. Errors: ErrTooLarge at once, ErrExhausted after wait, ErrClosed, or
// the context's cause.
func (p *Pool) Get(ctx context.Context, size int, wait time.Duration) ([]byte, error) {
	size = p.Round(size)
	if int64(size) > p.total {
		return nil, ErrTooLarge
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrClosed
	}
	if len(p.waiters) == 0 && p.avail >= int64(size) {
		buf := p.takeLocked(size)
		p.mu.Unlock()
		return fresh(buf, size), nil
	}
	if wait <= 0 {
		p.refused++
		p.mu.Unlock()
		return nil, ErrExhausted
	}
	w := &waiter{size: size, granted: make(chan struct{})}
	p.waiters = append(p.waiters, w)
	p.mu.Unlock()
	return p.await(ctx, w, wait)
}

func (p *Pool) await(ctx context.Context, w *waiter, wait time.Duration) ([]byte, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var err error
	select {
	case <-w.granted:
	case <-timer.C:
		err = ErrExhausted
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiters, w); i >= 0 { // not granted: leave no hole in the queue
		p.waiters = slices.Delete(p.waiters, i, i+1)
		if errors.Is(err, ErrExhausted) {
			p.refused++
		}
		p.serveLocked()
		return nil, err
	}
	if w.err != nil {
		return nil, w.err
	}
	if err != nil && !errors.Is(err, ErrExhausted) { // granted, but the caller is gone
		p.avail += int64(w.size)
		p.serveLocked()
		p.freeLocked()
		return nil, err
	}
	p.avail += int64(w.size) // the grant becomes a buffer
	return fresh(p.takeLocked(w.size), w.size), nil
}

func fresh(buf []byte, size int) []byte {
	if buf == nil {
		return make([]byte, 0, size)
	}
	return buf
}

// Put gives a buffer back. charge is what it was charged for: its capacity.
func (p *Pool) Put(buf []byte) {
	size := cap(buf)
	p.mu.Lock()
	p.avail += int64(size)
	// Buffers bigger than a batch are rare and not kept.
	if !p.closed && size <= p.top && size == p.Round(size) {
		c := p.class(size)
		p.free[c] = append(p.free[c], buf[:0])
		p.kept += int64(size)
	}
	if len(p.waiters) > 0 {
		p.serveLocked()
	}
	if p.closed {
		p.freeLocked()
	}
	p.mu.Unlock()
}

// freeLocked gives the arena back once the pool is closed and nobody holds
// anything.
func (p *Pool) freeLocked() {
	if p.closed && p.avail == p.total {
		for c := range p.arenas {
			p.arenas[c].free()
		}
	}
}

// serveLocked hands available bytes to waiters in the order they came.
func (p *Pool) serveLocked() {
	for len(p.waiters) > 0 && p.avail >= int64(p.waiters[0].size) {
		w := p.waiters[0]
		p.avail -= int64(w.size)
		p.waiters[0] = nil
		p.waiters = p.waiters[1:]
		close(w.granted)
	}
}

// Close lets all waiters go with ErrClosed and refuses new ones. Buffers may
// still be given back.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, w := range p.waiters {
		w.err = ErrClosed
		close(w.granted)
	}
	p.waiters = nil
	for c := range p.free {
		p.free[c] = nil
	}
	p.kept = 0
	p.freeLocked()
}

// Stats is a snapshot of the pool.
type Stats struct {
	Total     int64  // buffer.memory, bytes
	Available int64  // bytes nobody holds
	Waiting   int    // senders that wait for memory
	Exhausted uint64 // waits that ended without memory
}

// Stats reports the pool's state.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Total: p.total, Available: p.avail, Waiting: len(p.waiters), Exhausted: p.refused}
}

// Waiting reports whether a sender waits for memory.
func (p *Pool) Waiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiters) > 0
}
