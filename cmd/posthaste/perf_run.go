package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// payloads gives the value of the i-th record. It may be used again for the next
// but one, because the producer copies it.
type payloads func(i int64) []byte

// payloadPool bounds the memory of random payloads, and how many there are.
const (
	payloadPool  = 16 << 20
	mostPayloads = 1024
)

func newPayloads(c *perfCmd) (payloads, error) {
	rng := rand.New(rand.NewPCG(0, 0)) // the same run of payloads each time
	var values [][]byte
	switch {
	case c.PayloadMonotonic:
		var buf []byte
		return func(i int64) []byte {
			buf = strconv.AppendInt(buf[:0], i, 10)
			return buf
		}, nil
	case c.PayloadFile != "":
		var err error
		if values, err = readPayloads(c.PayloadFile, c.PayloadDelimiter); err != nil {
			return nil, err
		}
	case c.RecordSize > 0:
		for range max(1, min(mostPayloads, payloadPool/c.RecordSize)) {
			v := make([]byte, c.RecordSize)
			for i := range v {
				v[i] = 'A' + byte(rng.IntN(26))
			}
			values = append(values, v)
		}
	case c.RecordSize < 0:
		return nil, usagef("--record-size %d: give a number above 0", c.RecordSize)
	default:
		return nil, usagef("what is to be sent? Give --record-size BYTES, --payload-file FILE or " +
			"--payload-monotonic")
	}
	return func(int64) []byte { return values[rng.IntN(len(values))] }, nil
}

// readPayloads divides a file at a delimiter, which may be written with \n, \r
// and \t.
func readPayloads(path, delimiter string) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, openFailure(path, err)
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("%s is empty; --payload-file needs at least one value", path)
	}
	delimiter = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t").Replace(delimiter)
	if delimiter == "" {
		return nil, usagef("--payload-delimiter is empty; what divides the values of %s?", path)
	}
	return bytes.Split(bytes.TrimSuffix(data, []byte(delimiter)), []byte(delimiter)), nil
}

// perfRun is one run of the perf command.
type perfRun struct {
	e        *env
	cmd      *perfCmd
	producer recordProducer
	payloads payloads
	stats    *perfStats
	ended    time.Time

	txn       transactor // nil without transactions
	committed int64
}

func newPerfRun(e *env, c *perfCmd, p recordProducer, values payloads) *perfRun {
	return &perfRun{e: e, cmd: c, producer: p, payloads: values}
}

// all sends every record and waits for their outcomes. The error is what stopped
// it early; failed records are counted.
func (r *perfRun) all() (err error) {
	// Windows stand between the lines of the report, or on standard error.
	windows := r.e.out
	if r.cmd.JSON {
		windows = io.Discard
		if r.e.terminal || r.cmd.Progress {
			windows = r.e.err
		}
	}
	if r.cmd.TransactionalID != "" {
		if r.txn, err = r.initTransactions(); err != nil {
			return err
		}
	}
	r.stats = newPerfStats(r.e, windows, time.Duration(r.cmd.ReportingInterval)*time.Millisecond)
	defer func() { r.ended = time.Now() }()
	if err := r.send(); err != nil {
		if flushing := r.producer.Flush(context.Background()); flushing != nil {
			r.e.warn("%v", flushing)
		}
		return err
	}
	return r.producer.Flush(r.e.ctx)
}

func (r *perfRun) initTransactions() (transactor, error) {
	txn, ok := r.producer.(transactor)
	if !ok {
		return nil, fmt.Errorf("transactional.id=%s: this producer has no transactions; leave it out",
			r.cmd.TransactionalID)
	}
	if err := txn.InitTransactions(r.e.ctx); err != nil {
		return nil, fmt.Errorf("cannot begin transactions under the id %s: %w",
			r.cmd.TransactionalID, err)
	}
	return txn, nil
}

// send sends the records, each when it is due.
func (r *perfRun) send() error {
	s := r.stats
	record := posthaste.Record{Topic: r.cmd.Topic}
	length := time.Duration(r.cmd.TransactionDurationMs) * time.Millisecond
	var open bool
	var opened time.Duration
	for i := range r.cmd.NumRecords {
		if r.cmd.WarmupRecords > 0 && i == r.cmd.WarmupRecords {
			s.beginSteady()
		}
		at := s.since()
		if r.cmd.Throughput > 0 {
			due := time.Duration(float64(i) / r.cmd.Throughput * float64(time.Second))
			if err := sleepUntil(r.e.ctx, s.base, due); err != nil {
				return r.abort(open, err)
			}
			at = due // not when it was sent: a stall counts for all that it delays
		} else if i%1024 == 0 && r.e.ctx.Err() != nil {
			return r.abort(open, context.Cause(r.e.ctx))
		}
		if r.txn != nil && !open {
			if err := r.txn.BeginTransaction(); err != nil {
				return fmt.Errorf("cannot begin a transaction: %w", err)
			}
			open, opened = true, s.since()
		}
		record.Value = r.payloads(i)
		f := s.take()
		f.at, f.steady = at, s.steady != nil
		r.producer.SendAsync(r.e.ctx, record, f.done)
		if err := s.hopeless(); err != nil {
			return r.abort(open, err)
		}
		if open && s.since()-opened >= length {
			if err := r.commit(); err != nil {
				return err
			}
			open = false
		}
	}
	if open {
		return r.commit()
	}
	return nil
}

func (r *perfRun) commit() error {
	if err := r.txn.CommitTransaction(r.e.ctx); err != nil {
		return r.abort(true, fmt.Errorf("cannot commit a transaction: %w", err))
	}
	r.committed++
	return nil
}

func (r *perfRun) abort(open bool, err error) error {
	if open {
		if aborting := r.txn.AbortTransaction(context.Background()); aborting != nil {
			r.e.warn("cannot abort the transaction: %v", aborting)
		}
	}
	return err
}

// sleepUntil returns when due has passed since base, or ctx has ended.
func sleepUntil(ctx context.Context, base time.Time, due time.Duration) error {
	for {
		left := due - time.Since(base)
		if left <= 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		pause(min(left, 50*time.Millisecond))
	}
}

// perfFigures are those of a stretch of records.
type perfFigures struct {
	begun   time.Time
	records int64
	bytes   int64
	latency *report.Latency
}

func newPerfFigures() *perfFigures {
	return &perfFigures{begun: time.Now(), latency: report.NewLatency()}
}

func (s *perfFigures) add(bytes int64, took time.Duration) {
	s.records++
	s.bytes += bytes
	s.latency.Add(took)
}

// perfStats counts outcomes, on the producer's goroutine.
//
// Locks: mu guards everything below it. No send happens under it.
type perfStats struct {
	e        *env
	base     time.Time
	windows  io.Writer
	interval time.Duration

	mine []*perfFlight // the sender's; no lock

	mu     sync.Mutex
	total  *perfFigures
	steady *perfFigures // nil until the warm-up is over
	window *perfFigures
	failed int64
	first  error // why the first record failed, if none was acknowledged before
	free   []*perfFlight
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

func (s *perfStats) beginSteady() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steady = newPerfFigures()
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
	f.done = func(md posthaste.RecordMetadata, err error) { s.complete(f, md, err) }
	return f
}

func (s *perfStats) complete(f *perfFlight, md posthaste.RecordMetadata, err error) {
	now := s.since()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		size := int64(max(md.ValueSize, 0))
		s.total.add(size, now-f.at)
		s.window.add(size, now-f.at)
		if f.steady {
			s.steady.add(size, now-f.at)
		}
		if now-s.window.begun.Sub(s.base) >= s.interval {
			s.printWindow()
		}
	} else if !isInterrupted(err) {
		s.fail(err)
	}
	s.free = append(s.free, f)
}

func (s *perfStats) fail(err error) {
	s.failed++
	if s.total.records == 0 && s.first == nil {
		s.first = err
	}
	if s.failed <= mostShown {
		s.e.note("a record failed: %v", err)
	}
}

// hopeless returns why it makes no sense to go on: no record was acknowledged,
// and one has failed.
func (s *perfStats) hopeless() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first != nil && s.total.records == 0 {
		return fmt.Errorf("gave up at the first record: %w", s.first)
	}
	return nil
}

// printWindow prints the figures since the last time and begins anew.
func (s *perfStats) printWindow() {
	r := s.window.report(time.Now())
	// Interim figures that cannot be written are no reason to stop.
	_, _ = fmt.Fprintf(s.windows, "%d records sent, %.1f records/sec (%.2f MB/sec), "+
		"%.1f ms avg latency, %.1f ms max latency.\n", r.Records, r.RecordsPerSecond, r.MBPerSecond,
		r.Latency.Avg, r.Latency.Max)
	s.window.records, s.window.bytes, s.window.begun = 0, 0, time.Now()
	s.window.latency.Reset()
}
