package accumulator

import (
	"sync"
	"sync/atomic"

	"github.com/posthaste-go/posthaste/internal/producer/batch"
)

// watch is what the sender waits for at a partition. A notice is given once;
// then the partition is quiet until the sender has looked at it.
type watch uint8

const (
	watchNone   watch = iota // the sender will come by itself
	watchBehind              // ... sooner if one more batch waits behind the first
	watchSealed              // the first closed batch is being compressed
	watchFull                // only an open batch, whose linger the sender counts
	watchAny                 // empty: any record
)

// Partition is the open batch of one partition and the full ones behind it.
//
// Locks: mu guards everything below it. Under it records are appended and
// batches opened and detached; no memory is waited for, nothing is compressed
// and no user code runs.
type Partition struct {
	ID    batch.PartitionID
	Index int32
	topic *Topic

	queued atomic.Int32 // weights of batches not sent yet, open one included: the adaptive choice

	mu          sync.Mutex
	open        *batch.Batch
	closed      []*batch.Batch // oldest first
	watch       watch
	hint        int // capacity to start the next batch with
	opened      int64
	stickyBytes int // put here since this became the topic's sticky partition

	_ [64]byte // keeps neighbours' locks off this cache line
}

// await returns when an append that has not seen that the accumulator is closed
// is through.
func (p *Partition) await() {
	p.mu.Lock()
	defer p.mu.Unlock()
}

// growFor is how long a batch grows beyond batch.size, milliseconds. Its records end
// together, also by delivery.timeout.ms, which counts from the first.
const growFor = 1000

// mostLocked is the capacity up to which the open batch grows. One that could go
// at once is full at batch.size. One behind others cannot go before them, so it
// may as well take more: the fewer and bigger batches are, the less each record
// costs, a broker most of all.
func (p *Partition) mostLocked() int {
	a := p.topic.owner
	behind := int(p.topic.behind.Load())
	if len(p.closed) == 0 || behind <= a.settings.BatchSize ||
		p.open != nil && a.clock.Milli()-p.open.Opened > growFor {
		return a.usual()
	}
	return behind + batch.Overhead
}

// TooLarge tells that a broker refused a batch of partition id for its size. From
// now on no batch of the topic grows beyond batch.size.
func (a *Accumulator) TooLarge(id batch.PartitionID) {
	(*a.partitions.Load())[id].topic.behind.Store(0)
}

// closeLocked detaches the open batch to the closed ones. Without compression
// it is Ready at once.
func (p *Partition) closeLocked() *batch.Batch {
	b := p.open
	p.open = nil
	p.hint = batch.FrontRoom + b.Size()
	b.Weight = int32(max(1, b.Size()/p.topic.owner.settings.BatchSize))
	p.queued.Add(b.Weight - 1)
	b.Close()
	if p.topic.owner.settings.Compressor == nil {
		p.topic.owner.Compress(b)
	}
	p.closed = append(p.closed, b)
	return b
}

// noticeLocked reports whether the sender is to be told of an event, and falls
// silent if so. What ends a weaker wait ends a stronger one as well: a sender
// that waits for any record also cares for a full batch.
func (p *Partition) noticeLocked(event watch) bool {
	if p.watch < event {
		return false
	}
	p.watch = watchNone
	return true
}

// closedLocked is the event that a closed batch is Ready, which is event unless
// others wait before it.
func (p *Partition) closedLocked(event watch) watch {
	if len(p.closed) > 1 {
		return watchBehind
	}
	return event
}

// Closed counts the closed batches of partition id, which gives notice when one
// more is Ready.
func (a *Accumulator) Closed(id batch.PartitionID) int {
	p := (*a.partitions.Load())[id]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch = max(p.watch, watchBehind)
	return len(p.closed)
}

// Look reports what partition id holds. If that is not ready the partition
// gives notice when it changes.
func (a *Accumulator) Look(id batch.PartitionID) batch.Work {
	p := (*a.partitions.Load())[id]
	p.mu.Lock()
	defer p.mu.Unlock()
	var w batch.Work
	w.Opened = p.opened
	if p.open != nil {
		w.Open, w.OpenSince, w.Oldest = true, p.open.Created, p.open.Created
		w.Full = len(p.closed) == 0 && p.open.Size() >= a.settings.BatchSize
	}
	if len(p.closed) > 0 {
		head := p.closed[0]
		w.Ready = head.State() == batch.Ready
		w.Sealing = !w.Ready
		w.Oldest = head.Created
	}
	switch {
	case w.Ready:
		p.watch = watchNone
	case w.Sealing:
		p.watch = watchSealed
	case w.Open:
		p.watch = watchFull
	default:
		p.watch = watchAny
	}
	return w
}

// Take hands the partition's first batch to the sender: the oldest closed one
// if it is Ready, or if there are none and open is set, the open one, which is
// then in state Closed if it has yet to be compressed. It returns nil if there
// is no such batch.
func (a *Accumulator) Take(id batch.PartitionID, open bool) *batch.Batch {
	p := (*a.partitions.Load())[id]
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.closed) == 0 && open && p.open != nil {
		p.closeLocked()
	} else if len(p.closed) == 0 || p.closed[0].State() != batch.Ready {
		return nil
	}
	b := p.closed[0]
	p.closed[0] = nil
	if len(p.closed) == 1 { // the usual case keeps its memory
		p.closed = p.closed[:0]
		p.firstLocked()
	} else {
		p.closed = p.closed[1:]
	}
	return b
}

// firstLocked holds the open batch, which is behind no other any more, to batch.size.
func (p *Partition) firstLocked() {
	usual := p.topic.owner.usual()
	if p.open != nil && p.open.Bound() > usual {
		p.open.Limit(usual)
	}
}

// Sent tells the adaptive choice that b left the queue (n = 1) or came back to it
// (n = -1).
func (a *Accumulator) Sent(b *batch.Batch, n int) {
	(*a.partitions.Load())[b.Partition].queued.Add(-int32(n) * max(1, b.Weight))
}

// Starving reports whether a caller waits for buffer.memory.
func (a *Accumulator) Starving() bool { return a.pool.Waiting() }
