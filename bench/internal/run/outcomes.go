package run

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

var epoch = time.Now()

// Now is the time in nanoseconds since the process started, never 0, on the
// monotonic clock.
func Now() int64 { return int64(time.Since(epoch)) + 1 }

// Outcomes gathers what became of the records of a run. All methods are safe for
// concurrent use.
type Outcomes struct {
	done   atomic.Int64 // records with an outcome, good or bad
	failed atomic.Int64
	target atomic.Int64 // done at which reached is told; 0 when nobody waits

	reached chan struct{} // holds at most one token

	mu       sync.Mutex
	firstErr error
	latency  *hdr.Histogram // nanoseconds from the send call to the outcome
}

// newHistogram covers 1 µs to 2 minutes with three significant digits.
func newHistogram() *hdr.Histogram {
	return hdr.New(int64(time.Microsecond), int64(2*time.Minute), 3)
}

// NewOutcomes returns an empty Outcomes.
func NewOutcomes() *Outcomes {
	return &Outcomes{reached: make(chan struct{}, 1), latency: newHistogram()}
}

// Done counts one record's outcome. A sentAt other than 0 also records the time
// from then (see Now) to this call as the record's latency.
func (o *Outcomes) Done(sentAt int64, err error) {
	if sentAt != 0 {
		elapsed := Now() - sentAt
		o.mu.Lock()
		recordLatency(o.latency, elapsed)
		o.mu.Unlock()
	}
	o.DoneN(1, err)
}

// DoneN counts the same outcome for n records whose latency is not measured.
func (o *Outcomes) DoneN(n int64, err error) {
	if err != nil {
		o.failed.Add(n)
		o.note(err)
	}
	// Whoever passes the target tells the waiter; target is read after the add
	// and wait sets target before it reads done, so one of the two sees it.
	if done := o.done.Add(n); done >= o.target.Load() && o.target.Load() != 0 {
		select {
		case o.reached <- struct{}{}:
		default:
		}
	}
}

// wait returns when total records have an outcome, counted from the start, or
// says how many are missing when ctx ends.
func (o *Outcomes) wait(ctx context.Context, total int64) error {
	o.target.Store(total)
	defer o.target.Store(0)
	for o.done.Load() < total {
		select {
		case <-o.reached: // may be an old token: look again
		case <-ctx.Done():
			return fmt.Errorf("%d of %d records have no outcome: %w",
				total-o.done.Load(), total, context.Cause(ctx))
		}
	}
	return nil
}

// startMeasuring forgets the latencies of the warmup.
func (o *Outcomes) startMeasuring() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latency.Reset()
}

func (o *Outcomes) merge(h *hdr.Histogram) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latency.Merge(h)
}

func recordLatency(h *hdr.Histogram, nanos int64) {
	if err := h.RecordValue(nanos); err != nil {
		// Beyond two minutes: no percentile of interest tells it from the limit.
		_ = h.RecordValue(h.HighestTrackableValue())
	}
}

// note keeps err if it is the first.
func (o *Outcomes) note(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.firstErr == nil {
		o.firstErr = err
	}
}
