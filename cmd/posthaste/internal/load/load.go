// Package load sends records to a producer, as fast as it takes them or at a
// rate, and measures what became of them: the stretch of work that `perf
// --compare` and `tune` repeat.
//
// It is not to be the bottleneck. As fast as it can, it times every 64th record
// and lets the producer's own counters tell of the others, because a callback
// and two looks at the clock cost more than the producer needs for a record. At
// a rate, every record is timed from when it was due, so that a stall shows in
// all that it held up (coordinated omission).
package load

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

// SampleEvery is how many records share one look at the clock where there is no
// rate.
const SampleEvery = 64

// Producer is what a load needs of a posthaste.Producer.
type Producer interface {
	Send(ctx context.Context, r posthaste.Record) (posthaste.Delivery, error)
	SendAsync(ctx context.Context, r posthaste.Record, done posthaste.Callback)
	Flush(ctx context.Context) error
	Metrics() posthaste.Metrics
}

// Workload is what to send. Records or Length must bound it; the one that is
// reached first ends it.
type Workload struct {
	Topic   string
	Value   func(i int64) []byte // of record i; may be used again for the next
	Rate    float64              // records per second; 0 is as fast as they are taken
	Records int64                // 0: no bound
	Length  time.Duration        // of sending; 0: no bound
}

// Result is what was measured, from the first send to the last outcome.
type Result struct {
	Records int64 // acknowledged
	Failed  int64
	Bytes   int64 // of the values of acknowledged records
	Elapsed time.Duration
	CPU     time.Duration // user + system of the whole process; 0 where unknown

	Batches   uint64 // acknowledged
	Requests  uint64
	Retries   uint64
	RawBytes  uint64 // of the batches' records before compression
	WireBytes uint64 // of the batches as sent

	Latency *report.Latency // from due, or from Send, to the acknowledgement
	First   error           // why the first record that failed did
}

// Run sends w. The error is the interruption of ctx, or that no record got
// through; records that fail beside others are counted.
func Run(ctx context.Context, p Producer, w *Workload) (Result, error) {
	r := run{producer: p, work: w, latency: report.NewLatency()}
	before := p.Metrics()
	cpu := ProcessCPU()
	r.base = time.Now()
	err := r.send(ctx)
	if flushing := p.Flush(ctx); err == nil {
		err = flushing
	}
	elapsed := time.Since(r.base)
	cpu = ProcessCPU() - cpu
	after := p.Metrics()

	r.mu.Lock()
	defer r.mu.Unlock()
	out := Result{
		Records: int64(after.RecordsSent - before.RecordsSent),
		Elapsed: elapsed, CPU: cpu, Latency: r.latency, First: r.first,
		Batches: after.Batches - before.Batches, Requests: after.Requests - before.Requests,
		Retries:   after.Retries - before.Retries,
		RawBytes:  after.BytesUncompressed - before.BytesUncompressed,
		WireBytes: after.BytesCompressed - before.BytesCompressed,
	}
	if out.Failed = r.sent - out.Records; r.sent > 0 {
		out.Bytes = int64(float64(r.bytes) * float64(out.Records) / float64(r.sent))
	}
	if err == nil && out.Records == 0 {
		err = fmt.Errorf("no record was acknowledged: %w", r.first)
	}
	return out, err
}

// run is a load under way.
//
// Locks: mu guards what callbacks touch. No send happens under it.
type run struct {
	producer Producer
	work     *Workload
	base     time.Time
	sent     int64
	bytes    int64 // of the values sent
	mine     []*flight

	mu      sync.Mutex
	latency *report.Latency
	first   error
	free    []*flight
}

// flight is a record that is timed.
type flight struct {
	at   time.Duration
	done posthaste.Callback
}

func (r *run) send(ctx context.Context) error {
	w := r.work
	record := posthaste.Record{Topic: w.Topic}
	for i := int64(0); w.Records == 0 || i < w.Records; i++ {
		timed := w.Rate > 0 || i%SampleEvery == 0
		var at time.Duration
		if timed {
			var err error
			if at, err = r.turn(ctx, i); err != nil {
				return err
			}
			if w.Length > 0 && at >= w.Length {
				return nil
			}
			if i == SampleEvery && r.failure() != nil {
				return nil // the first one shows that none will get through
			}
		}
		record.Value = w.Value(i)
		r.sent++
		r.bytes += int64(len(record.Value))
		if timed {
			f := r.take()
			f.at = at
			r.producer.SendAsync(ctx, record, f.done)
		} else if _, err := r.producer.Send(ctx, record); err != nil {
			r.note(err)
		}
	}
	return nil
}

// turn waits until record i is due and returns when that was.
func (r *run) turn(ctx context.Context, i int64) (time.Duration, error) {
	if r.work.Rate <= 0 {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return time.Since(r.base), nil
	}
	due := time.Duration(float64(i) / r.work.Rate * float64(time.Second))
	return due, SleepUntil(ctx, r.base, due)
}

// note keeps the first error.
func (r *run) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = err
	}
}

func (r *run) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.latency.Count() > 0 {
		return nil
	}
	return r.first
}

// take returns a flight that is not in use. Only the sender calls it.
func (r *run) take() *flight {
	if len(r.mine) == 0 {
		r.mu.Lock()
		r.mine, r.free = r.free, r.mine
		r.mu.Unlock()
	}
	if n := len(r.mine); n > 0 {
		f := r.mine[n-1]
		r.mine = r.mine[:n-1]
		return f
	}
	f := &flight{}
	f.done = func(_ posthaste.RecordMetadata, err error) { r.complete(f, err) }
	return f
}

func (r *run) complete(f *flight, err error) {
	took := time.Since(r.base) - f.at
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.latency.Add(took)
	} else if r.first == nil {
		r.first = err
	}
	r.free = append(r.free, f)
}

// pause is changed by tests on virtual time, which no system call keeps.
var pause = nanosleep

// SleepUntil returns when due has passed since base, or ctx has ended.
func SleepUntil(ctx context.Context, base time.Time, due time.Duration) error {
	for {
		left := due - time.Since(base)
		if left <= 0 {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		pause(min(left, 50*time.Millisecond))
	}
}
