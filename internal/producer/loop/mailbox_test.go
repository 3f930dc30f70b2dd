package loop

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
)

// Notices come before events, so that a flush finds the records that were sent
// before it; starvation once, last; and nothing twice.
func TestMailboxOrder(t *testing.T) {
	m := newMailbox()
	var in mail
	f := sender.FlushAll{}
	m.post(f)
	m.Starved()
	m.Partition(3)
	m.Starved()
	m.Partition(1)
	want := []sender.Event{&sender.Noticed{3, 1}, f, sender.Starved{}}
	got, stopped := m.take(&in)
	if d := cmp.Diff(want, got); d != "" || stopped {
		t.Errorf("stopped %v, events (-want +got):\n%s", stopped, d)
	}
	if got, _ = m.take(&in); len(got) != 0 {
		t.Errorf("again: %v", got)
	}
	m.Partition(7)
	m.stop()
	got, stopped = m.take(&in)
	if d := cmp.Diff([]sender.Event{&sender.Noticed{7}}, got); d != "" || !stopped {
		t.Errorf("stopped %v, events (-want +got):\n%s", stopped, d)
	}
}

// Whoever posts wakes the loop, and many wake it once; no post is lost between.
func TestMailboxWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMailbox()
		var in mail
		seen, wakes := 0, 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for seen < 3000 {
				<-m.wake
				wakes++
				events, _ := m.take(&in)
				for _, ev := range events {
					if n, ok := ev.(*sender.Noticed); ok {
						seen += len(*n)
					} else {
						seen++
					}
				}
			}
		}()
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				for range 1000 {
					if i == 0 {
						m.post(sender.Tick{})
					} else {
						m.Partition(batch.PartitionID(i))
					}
				}
			})
		}
		wg.Wait()
		<-done
		if wakes > 3001 {
			t.Errorf("%d wake-ups for 3000 pieces of mail", wakes)
		}
	})
}

// Jobs run at most so many at a time, all of them, and no goroutine stays.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := workers{limit: 3}
		var running, most, ran atomic.Int32
		for range 50 {
			w.do(func() {
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Second)
				running.Add(-1)
				ran.Add(1)
			})
		}
		start := time.Now()
		w.wait()
		if d := time.Since(start); most.Load() != 3 || ran.Load() != 50 || d != 17*time.Second {
			t.Errorf("%d jobs in %v, %d at once; want 50 in 17s, 3 at once", ran.Load(), d, most.Load())
		}
	})
}
