package completion

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste/internal/producer/batch"
)

// of is a batch with entries for so many records.
func of(id batch.PartitionID, records int) *batch.Batch {
	b := batch.New(id, "t", 0, make([]byte, 0, 200), 0)
	b.Entries = make([]batch.Entry, records)
	return b
}

// witness writes down what the queue does.
type witness struct {
	mu    sync.Mutex
	order []string
}

func (w *witness) note(what string) func(*batch.Batch) {
	return func(b *batch.Batch) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.order = append(w.order, what+string(rune('0'+b.Partition)))
	}
}

// Batches are handled once, in the order in which they came; a flush is done when
// what was before it is.
func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		q := New(func(b *batch.Batch) {
			time.Sleep(time.Second)
			w.note("h")(b)
		}, w.note("r"))
		f := &batch.Flush{Done: make(chan struct{})}
		q.Complete(of(1, 1))
		q.Complete(of(2, 1))
		q.Flush(f)
		q.Complete(of(3, 1))
		start := time.Now()
		<-f.Done
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("the flush was done after %v, want 2s", d)
		}
		q.Close()
		if want := []string{"h1", "h2", "h3"}; !slices.Equal(w.order, want) {
			t.Errorf("order %v, want %v", w.order, want)
		}
	})
}

// A buffer goes back at the acknowledgement as long as few records wait for their
// callbacks; beyond that it waits for its own.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		leave := make(chan struct{})
		q := New(func(b *batch.Batch) { <-leave; w.note("h")(b) }, w.note("r"))
		first, second := of(1, backlog), of(2, 1)
		q.Complete(first)
		if q.Keep(first) {
			t.Error("kept though the backlog is just full")
		}
		q.Complete(second)
		if !q.Keep(second) {
			t.Error("not kept though the backlog is over its bound")
		}
		if q.Keep(of(3, 0)) {
			t.Error("a batch without callbacks was kept")
		}
		close(leave)
		synctest.Wait()
		third := of(3, 1)
		q.Complete(third)
		synctest.Wait()
		if q.Keep(third) {
			t.Error("kept though nothing waits any more")
		}
		q.Close()
		if want := []string{"h1", "h2", "r2", "h3"}; !slices.Equal(w.order, want) {
			t.Errorf("order %v, want %v", w.order, want)
		}
	})
}

// Inside tells callbacks from everything else, however deep, and also in a
// goroutine that a callback started: that one may wait.
func TestInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if Inside() {
			t.Error("a test is no callback")
		}
		q := New(func(*batch.Batch) {
			if !Inside() {
				t.Error("not inside, directly")
			}
			deep(1000, func() {
				if !Inside() {
					t.Error("not inside, a thousand calls deep")
				}
			})
			done := make(chan bool)
			go func() { done <- Inside() }()
			if <-done {
				t.Error("a goroutine of its own is not inside")
			}
		}, nil)
		q.Complete(of(1, 1))
		q.Close()
	})
}

//go:noinline
func deep(n int, f func()) {
	if n > 0 {
		deep(n-1, f)
		return
	}
	f()
}

// CloseLater does not wait for the callback that calls it.
func TestCloseLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		var q *Queue
		q = New(func(b *batch.Batch) {
			q.CloseLater()
			w.note("h")(b)
		}, nil)
		q.Complete(of(1, 1))
		synctest.Wait()
		<-q.ended
		if !slices.Equal(w.order, []string{"h1"}) {
			t.Errorf("order %v", w.order)
		}
	})
}

// Many puts from many goroutines lose nothing.
func TestManyPuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := 0
		q := New(func(*batch.Batch) { handled++ }, func(*batch.Batch) {})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range 500 {
					b := of(1, 1)
					q.Complete(b)
					q.Keep(b)
				}
			})
		}
		wg.Wait()
		q.Close()
		if handled != 5000 || q.queued != 0 {
			t.Errorf("%d handled, %d still count as queued", handled, q.queued)
		}
	})
}
