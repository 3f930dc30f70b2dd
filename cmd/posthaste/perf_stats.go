package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

// perfFigures are those of a stretch of records.
type perfFigures struct {
	begun   time.Time
	records int64 // acknowledged
	bytes   int64 // of their values
	latency *report.Latency
}

func newPerfFigures() *perfFigures {
	return &perfFigures{begun: time.Now(), latency: report.NewLatency()}
}

// perfStats times outcomes, on the producer's goroutine. How many there are it
// learns from the producer's counters: without --throughput only every 64th
// record has a callback, so that callbacks do not slow down what is measured.
//
// Locks: mu guards everything below it. No send happens under it.
type perfStats struct {
	e        *env
	base     time.Time
	windows  io.Writer
	interval time.Duration
	counters func() posthaste.Metrics

	// The sender's.
	mine   []*perfFlight
	handed int64 // records sent
	bytes  int64 // of their values
	warmed int64 // of bytes, those sent in the warm-up

	trouble atomic.Bool  // a record has failed
	size    atomic.Int64 // of a value, on average, bytes

	mu     sync.Mutex
	total  *perfFigures
	steady *perfFigures // nil until the warm-up is over
	window *perfFigures
	acked  uint64 // when the window began
	shown  int64  // failures shown
	cut    int64  // records that the command's interruption kept from being sent
	free   []*perfFlight
	first  error // why the first record that failed did
}

type perfFlight struct {
	at     time.Duration
	steady bool
	done   posthaste.Callback
}

func newPerfStats(e *env, windows io.Writer, interval time.Duration) *perfStats {
	total := newPerfFigures()
	return &perfStats{e: e, base: total.begun, windows: windows, interval: interval, total: total,
		window: newPerfFigures()}
}

func (s *perfStats) since() time.Duration { return time.Since(s.base) }

// beginSteady ends the warm-up. Only the sender calls it.
func (s *perfStats) beginSteady() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steady = newPerfFigures()
	s.warmed = s.bytes
}

// take returns a flight that is not in use. Only the sender calls it.
func (s *perfStats) take() *perfFlight {
	if len(s.mine) == 0 {
		s.mu.Lock()
		s.mine, s.free = s.free, s.mine
		s.mu.Unlock()
	}
	if n := len(s.mine); n > 0 {
		f := s.mine[n-1]
		s.mine = s.mine[:n-1]
		return f
	}
	f := &perfFlight{}
	f.done = func(_ posthaste.RecordMetadata, err error) { s.complete(f, err) }
	return f
}

func (s *perfStats) complete(f *perfFlight, err error) {
	now := s.since()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.total.latency.Add(now - f.at)
		s.window.latency.Add(now - f.at)
		if f.steady {
			s.steady.latency.Add(now - f.at)
		}
		if now-s.window.begun.Sub(s.base) >= s.interval {
			s.printWindow()
		}
	} else {
		s.fail(err)
	}
	s.free = append(s.free, f)
}

// refuse counts a record that Send did not take.
func (s *perfStats) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(err)
}

// fail shows why a record failed. The lock is held.
func (s *perfStats) fail(err error) {
	if isInterrupted(err) {
		s.cut++
		return
	}
	if s.first == nil {
		s.first = err
	}
	s.trouble.Store(true)
	if s.shown++; s.shown <= mostShown {
		s.e.note("a record failed: %v", err)
	}
}

// explains reports whether records have failed: from then on each has a
// callback, so that it is seen why.
func (s *perfStats) explains() bool { return s.trouble.Load() }

// hopeless returns why it makes no sense to go on: no record was acknowledged,
// and one has failed.
func (s *perfStats) hopeless() error {
	if !s.trouble.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total.latency.Count() == 0 && s.counters().RecordsSent == 0 {
		return fmt.Errorf("gave up at the first record: %w", s.first)
	}
	return nil
}

// printWindow prints the figures since the last time and begins anew. The lock
// is held.
func (s *perfStats) printWindow() {
	acked, now := s.counters().RecordsSent, time.Now()
	s.window.records = int64(acked - s.acked)
	s.window.bytes = s.window.records * s.size.Load()
	r := s.window.report(now)
	// Interim figures that cannot be written are no reason to stop.
	_, _ = fmt.Fprintf(s.windows, "%d records sent, %.1f records/sec (%.2f MB/sec), "+
		"%.1f ms avg latency, %.1f ms max latency.\n", r.Records, r.RecordsPerSecond, r.MBPerSecond,
		r.Latency.Avg, r.Latency.Max)
	s.acked, s.window.begun = acked, now
	s.window.latency.Reset()
}

// settle works out how many records there were, once each has its outcome, and
// how many of them failed. warmup is how many of them were sent first.
func (s *perfStats) settle(warmup int64) (failed int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	acked := int64(s.counters().RecordsSent)
	share := func(bytes, of int64) int64 {
		if of <= 0 {
			return 0
		}
		return int64(float64(bytes) / float64(s.handed) * float64(of))
	}
	s.total.records, s.total.bytes = acked, s.bytes
	if acked != s.handed {
		s.total.bytes = share(s.bytes, acked)
	}
	if s.steady != nil {
		s.steady.records, s.steady.bytes = max(acked-warmup, 0), s.bytes-s.warmed
		if acked != s.handed {
			s.steady.bytes = share(s.bytes, s.steady.records)
		}
	}
	return s.handed - s.cut - acked
}
