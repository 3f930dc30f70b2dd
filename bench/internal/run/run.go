package run

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// sampleEvery is how many records share one latency sample when the client
	// is not paced: a clock read costs more than some clients need per record.
	sampleEvery = 64

	// outcomeTimeout bounds the wait for acknowledgements after the last send.
	outcomeTimeout = 3 * time.Minute
)

// Main runs one client with the process's flags and returns the exit status: 0
// when the figures were printed, 1 when the run failed, 2 for wrong flags.
func Main(identify func(*Options) (Identity, Factory, error)) int {
	o, err := ParseOptions(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	id, factory, err := identify(&o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := Run(&o, id, factory, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s: %v\n", id.Client, o.Scenario, err)
		return 1
	}
	return 0
}

// Run makes a client, warms it up, measures it and writes the result to w as
// one line of JSON. Records that failed are counted in the result; an error
// means that there are no figures.
func Run(o *Options, id Identity, factory Factory, w io.Writer) error {
	work, err := NewWorkload(o)
	if err != nil {
		return err
	}
	outcomes := NewOutcomes()
	client, err := factory(o, outcomes)
	if err != nil {
		return fmt.Errorf("start client: %w", err)
	}
	b := bench{options: o, work: work, client: client, outcomes: outcomes}
	result, err := b.run()
	if closeErr := client.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close client: %w", closeErr)
	}
	if err != nil {
		return err
	}
	result.Identify(id, o)
	if err := outcomes.firstErr; err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s: %d measured records failed; the first to fail: %v\n",
			id.Client, o.Scenario, result.Errors, err)
	}
	return json.NewEncoder(w).Encode(result)
}

// bench is one run in progress.
type bench struct {
	options  *Options
	work     *Workload
	client   Client
	outcomes *Outcomes

	reported int64 // outcomes that were or will be reported since the start
}

func (b *bench) run() (Result, error) {
	o := b.options
	warmup, err := b.phase(o.Warmup, o.MaxSeconds/2)
	if err != nil {
		return Result{}, fmt.Errorf("warmup: %w", err)
	}
	b.outcomes.startMeasuring()
	failedBefore := b.outcomes.failed.Load()

	stopProfile, err := startCPUProfile(o.CPUProfile)
	if err != nil {
		return Result{}, err
	}
	before := takeUsage()
	sent, err := b.phase(o.Records, o.MaxSeconds)
	after := takeUsage()
	stopProfile()
	if err != nil {
		return Result{}, fmt.Errorf("measured part: %w", err)
	}
	failed := b.outcomes.failed.Load() - failedBefore + sent.failed
	r := newResult(before, after, sent.records-failed, sent.bytes)
	r.Errors = failed
	r.WarmupRecords = warmup.records
	r.PaceLagMaxMicros = micros(sent.maxLag)
	r.setLatency(b.outcomes.latency)
	return r, writeAllocProfile(o.MemProfile)
}

// totals is what the threads of a phase did.
type totals struct {
	records int64 // sent, or tried
	failed  int64 // refused by Send, or failed in SendWait: no outcome is reported
	bytes   int64 // key + value of all records
	maxLag  int64 // nanoseconds a paced record was sent after it was due
}

// phase sends up to n records from all threads and returns when each has its
// outcome.
func (b *bench) phase(n int64, maxSeconds float64) (totals, error) {
	o := b.options
	threads := make([]thread, o.Threads)
	start := Now()
	var stopAt int64
	if maxSeconds > 0 {
		stopAt = start + int64(maxSeconds*float64(time.Second))
	}
	var wg sync.WaitGroup
	for i := range threads {
		t := &threads[i]
		*t = thread{bench: b, start: start, stopAt: stopAt, records: n / int64(o.Threads)}
		if int64(i) < n%int64(o.Threads) {
			t.records++
		}
		t.first = int64(i)
		t.cursor = b.work.cursor(t.first, int64(o.Threads))
		wg.Go(t.run)
	}
	wg.Wait()

	var sum totals
	for i := range threads {
		t := &threads[i]
		sum.records += t.totals.records
		sum.failed += t.totals.failed
		sum.bytes += t.totals.bytes
		sum.maxLag = max(sum.maxLag, t.totals.maxLag)
		if t.err != nil {
			b.outcomes.note(t.err)
		}
		if t.latency != nil {
			b.outcomes.merge(t.latency)
		}
	}
	if o.Sync {
		return sum, nil
	}
	b.reported += sum.records - sum.failed
	ctx, cancel := context.WithTimeout(context.Background(), outcomeTimeout)
	defer cancel()
	if err := b.client.Flush(ctx, b.reported); err != nil {
		return sum, fmt.Errorf("flush: %w", err)
	}
	return sum, b.outcomes.wait(ctx, b.reported)
}

// thread is one goroutine that sends.
type thread struct {
	bench   *bench
	cursor  cursor
	first   int64 // number of its first record; the others follow Threads apart
	records int64
	start   int64 // when the phase began; see Now
	stopAt  int64 // 0: no cap

	totals  totals
	err     error          // the first that Send or SendWait returned
	latency *hdr.Histogram // sync only
}

func (t *thread) run() {
	o := t.bench.options
	switch {
	case o.Sync:
		t.latency = newHistogram()
		if o.Rate > 0 {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		t.runSync()
	case o.Rate > 0:
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		t.runPaced()
	default:
		t.runFlat()
	}
}

// runFlat sends as fast as the client takes records and samples the latency of
// every 64th.
func (t *thread) runFlat() {
	client := t.bench.client
	for i := range t.records {
		sentAt := int64(0)
		if i%sampleEvery == 0 {
			sentAt = Now()
			if t.stopAt != 0 && sentAt >= t.stopAt {
				return
			}
		}
		key, value := t.cursor.next()
		t.account(len(key)+len(value), client.Send(key, value, sentAt))
	}
}

// runPaced sends record i at start + i/rate. A record that is late is sent at
// once and none is skipped, so that a stall shows in all records it delays.
func (t *thread) runPaced() {
	client := t.bench.client
	for i := range t.records {
		sentAt := t.awaitTurn(i)
		if t.stopAt != 0 && sentAt >= t.stopAt {
			return
		}
		key, value := t.cursor.next()
		t.account(len(key)+len(value), client.Send(key, value, sentAt))
	}
}

// awaitTurn sleeps until the thread's record i is due and returns the time.
func (t *thread) awaitTurn(i int64) int64 {
	o := t.bench.options
	number := float64(t.first + i*int64(o.Threads))
	due := t.start + int64(number/o.Rate*float64(time.Second))
	now := sleepUntil(due)
	t.totals.maxLag = max(t.totals.maxLag, now-due)
	return now
}

// runSync waits for each record's acknowledgement and measures every record.
func (t *thread) runSync() {
	client, paced := t.bench.client, t.bench.options.Rate > 0
	now := Now()
	for i := range t.records {
		if paced {
			now = t.awaitTurn(i)
		}
		if t.stopAt != 0 && now >= t.stopAt {
			return
		}
		key, value := t.cursor.next()
		err := client.SendWait(key, value)
		acked := Now()
		recordLatency(t.latency, acked-now)
		now = acked
		t.account(len(key)+len(value), err)
	}
}

func (t *thread) account(size int, err error) {
	t.totals.records++
	t.totals.bytes += int64(size)
	if err != nil {
		t.totals.failed++
		if t.err == nil {
			t.err = err
		}
	}
}

// startCPUProfile profiles until the returned function runs; an empty path does
// nothing.
func startCPUProfile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "cpuprofile:", err)
		}
	}, nil
}

func writeAllocProfile(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
