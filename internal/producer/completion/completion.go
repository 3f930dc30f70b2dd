// Package completion runs what applications want to hear of outcomes:
// callbacks and interceptors, on one goroutine, in the order in which batches
// were resolved. It stands apart from the sender so that a slow callback delays
// other callbacks and nothing else.
package completion

import (
	"runtime"
	"strings"
	"sync"

	"github.com/posthaste-go/posthaste/internal/mutation"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
)

// backlog is how many records may wait for their callbacks before batches keep
// their share of buffer.memory until theirs have run. New sends then wait for
// callbacks; answers from brokers never do.
const backlog = 10_000

// Queue is the outcomes that applications have yet to hear of. A Put never
// blocks.
//
// Locks: mu is a leaf and guards everything below it.
type Queue struct {
	handle  func(*batch.Batch)
	release func(*batch.Batch)
	ended   chan struct{}

	mu     sync.Mutex
	more   sync.Cond
	items  []item
	spare  []item
	queued int // records that wait
	closed bool
}

type item struct {
	batch   *batch.Batch
	records int // with callbacks
	flush   *batch.Flush
	release bool // the buffer was kept and goes back now
}

// New starts a queue. handle is called for each batch, release for those whose
// buffer was kept.
func New(handle, release func(*batch.Batch)) *Queue {
	q := &Queue{handle: handle, release: release, ended: make(chan struct{})}
	q.more.L = &q.mu
	go q.run()
	return q
}

// Complete queues a resolved batch.
func (q *Queue) Complete(b *batch.Batch) {
	b.Callbacks = len(b.Entries)
	q.put(item{batch: b, records: b.Callbacks}, b.Callbacks)
}

// Flush closes f.Done once everything queued before has run.
func (q *Queue) Flush(f *batch.Flush) { q.put(item{flush: f}, 0) }

// Keep reports whether b's buffer must wait until b's callbacks have run; if so
// the queue gives it back. It is asked after Complete.
func (q *Queue) Keep(b *batch.Batch) bool {
	if b.Callbacks == 0 {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.queued <= backlog {
		return false
	}
	q.items = append(q.items, item{batch: b, release: true})
	q.more.Signal()
	return true
}

func (q *Queue) put(i item, records int) {
	q.mu.Lock()
	q.items = append(q.items, i)
	q.queued += records
	q.mu.Unlock()
	q.more.Signal()
}

// Close ends the queue when everything in it has run, and waits for that.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.more.Signal()
	<-q.ended
}

// CloseLater is Close without waiting, for a callback that closes its producer.
func (q *Queue) CloseLater() { go q.Close() }

// run is the goroutine on which applications hear of outcomes.
//
// Started by: New. Ends: Close. Runs user code: yes, all of it.
func (q *Queue) run() {
	defer close(q.ended)
	for {
		items := q.take()
		if items == nil {
			return
		}
		for i := range items {
			q.do(&items[i])
			items[i] = item{}
		}
		q.mu.Lock()
		q.spare = items[:0]
		q.mu.Unlock()
	}
}

func (q *Queue) take() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 {
		if q.closed {
			return nil
		}
		q.more.Wait()
	}
	items := q.items
	q.items = q.spare
	q.spare = nil
	return items
}

func (q *Queue) do(i *item) {
	switch {
	case i.flush != nil:
		close(i.flush.Done)
	case i.release:
		q.release(i.batch)
	default:
		q.handle(i.batch)
		if mutation.On(mutation.CallbackTwice) {
			q.handle(i.batch)
		}
		i.batch.Entries, i.batch.Headers = nil, nil // a Delivery may keep the batch for long
		q.mu.Lock()
		q.queued -= i.records
		q.mu.Unlock()
	}
}

// Inside reports whether the caller runs in a callback, however deep: waiting for
// callbacks there would be waiting for itself.
func Inside() bool {
	pcs := make([]uintptr, 64)
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs)
		if n == 0 {
			return false
		}
		frames := runtime.CallersFrames(pcs[:n])
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			if strings.HasSuffix(f.Function, "completion.(*Queue).run") {
				return true
			}
		}
	}
}
