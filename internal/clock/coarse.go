package clock

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	tick = time.Millisecond

	// parkAfter is the number of ticks without a call after which the goroutine
	// ends.
	parkAfter = 4

	// startAfter is the number of calls within one millisecond that start the
	// goroutine. A tick costs some microseconds, a reading of the clock some
	// fifty nanoseconds: below this rate the goroutine costs more than it saves.
	startAfter = 32
)

// States of Coarse.word. While the goroutine ticks it holds the time in
// milliseconds, shifted left by one; the lowest bit says that someone asked
// since the last tick. Both states lack it, so that Milli looks closer.
const (
	parked = int64(0)
	closed = int64(-2)
	used   = int64(1)
)

// Coarse tells the time in milliseconds for the price of an atomic load, about
// 2 ns where time.Now takes 47, which is a third of what a record may cost. A
// goroutine renews the time every millisecond, but only while many calls come:
// it starts when they do, and ends after some milliseconds without one. In
// between Milli reads the system's clock, so that it is never stale for having
// been idle.
//
//	accuracy   a millisecond; where all processors are busy the goroutine may
//	           wait its turn, some ten milliseconds in a bad moment
//	order      two calls may go back in time when the wall clock is set back, and
//	           Milli may lie behind a Now that was read before it
//
// Its methods may be called by many goroutines at once.
//
// Ownership: NewCoarse's caller calls Close, after which no goroutine is left.
// Locks: mu is a leaf and is taken to start, park and close, not to read.
type Coarse struct {
	word  atomic.Int64 // see parked
	burst atomic.Int64 // while parked: the millisecond of the last call, << 8, and calls in it

	mu      sync.Mutex
	closing bool
	quit    chan struct{}
	running sync.WaitGroup
}

// NewCoarse makes a parked clock: no goroutine runs yet.
func NewCoarse() *Coarse { return &Coarse{quit: make(chan struct{})} }

// Now is the exact time, read from the system.
func (c *Coarse) Now() time.Time { return time.Now() }

// Milli is the number of milliseconds since the Unix epoch.
func (c *Coarse) Milli() int64 {
	if w := c.word.Load(); w&used != 0 {
		return w >> 1
	}
	return c.look()
}

// look is Milli for the first caller after a tick, and where nothing ticks.
func (c *Coarse) look() int64 {
	w := c.word.Load()
	switch w {
	case parked:
		return c.count(time.Now().UnixMilli())
	case closed:
		return time.Now().UnixMilli()
	}
	c.word.CompareAndSwap(w, w|used) // if it fails, someone did it or a tick came
	return w >> 1
}

// count counts a call while parked and starts the goroutine if they are many.
// Races lose or double a call, which does no harm.
func (c *Coarse) count(now int64) int64 {
	const calls = 0xff
	if b := c.burst.Load(); b>>8 != now {
		c.burst.Store(now << 8)
	} else if c.burst.Add(1)&calls >= startAfter {
		c.start(now)
	}
	return now
}

func (c *Coarse) start(now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.word.Load() != parked {
		return
	}
	c.word.Store(now<<1 | used)
	c.running.Go(c.run)
}

// run renews the time until nobody asks for it, or Close.
//
// Started by: start. Ends: by itself after parkAfter idle ticks, or in Close.
// Runs user code: never.
func (c *Coarse) run() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for idle := 0; ; {
		select {
		case <-t.C:
		case <-c.quit:
			return
		}
		now := time.Now().UnixMilli() << 1
		if before := c.word.Swap(now); before&used != 0 {
			idle = 0
			continue
		}
		idle++
		if idle >= parkAfter && c.word.CompareAndSwap(now, parked) {
			return
		}
	}
}

// Close ends the goroutine, if there is one, and waits for it: a moment, since
// it waits for nothing but its ticks. Milli then reads the system's clock.
func (c *Coarse) Close() {
	c.mu.Lock()
	if !c.closing {
		c.closing = true
		close(c.quit)
	}
	c.mu.Unlock()
	c.running.Wait()
	c.word.Store(closed)
}
