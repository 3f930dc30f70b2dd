package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/input"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

// recordProducer is what a production needs of a posthaste.Producer.
type recordProducer interface {
	SendAsync(ctx context.Context, r posthaste.Record, done posthaste.Callback)
	Flush(ctx context.Context) error
	Close(ctx context.Context) error
	Metrics() posthaste.Metrics
}

// mostShown is how many failures of one kind are shown one by one.
const mostShown = 10

// production is one run of the produce command: read, send, count.
//
// One goroutine reads and sends. Outcomes are counted on the producer's own
// goroutine, see outcomes; what both look at is atomic.
type production struct {
	e        *env
	cmd      *produceCmd
	producer recordProducer
	options  input.Options
	outcomes *outcomes
	keys     *report.Keys

	compresses bool
	encoding   *encoding     // nil leaves keys and values as they are
	txn        *transactions // nil without --transactional-id
	admin      *admin
	passOver   int64 // rows of the input that earlier runs have produced

	begun   time.Time
	n       int64 // records and broken rows of the input so far
	records int64 // handed to the producer
	bytes   int64
	skipped int64

	progress    progress
	interrupted bool
}

// progress is what the bar shows.
type progress struct {
	done, total atomic.Int64 // of all inputs, in their units; total 0: not known
	sent        atomic.Int64
}

func newProduction(e *env, c *produceCmd, p recordProducer, o input.Options) *production {
	run := &production{e: e, cmd: c, producer: p, options: o, keys: report.NewKeys(),
		outcomes: newOutcomes(e, c.DeliveryReport), txn: newTransactions(c, p), begun: time.Now()}
	if run.txn != nil {
		run.txn.read = &run.n
	}
	return run
}

// all produces every input. The error is the one that stopped it early; records
// that failed on their own are counted and are no error here.
func (p *production) all() error {
	stop := p.showProgress()
	defer stop()
	if err := p.txn.init(p.e.ctx); err != nil {
		return err
	}
	if err := p.resume(); err != nil {
		return err
	}
	for _, path := range p.cmd.inputs() {
		if err := p.one(path); err != nil {
			p.interrupted = errors.Is(err, errInterrupted)
			return p.txn.abort(p.outcomes, err)
		}
	}
	if err := p.txn.commit(p.e.ctx, p.outcomes); err != nil {
		p.interrupted = errors.Is(err, errInterrupted)
		return p.txn.abort(p.outcomes, err)
	}
	return nil
}

// one produces one input.
func (p *production) one(path string) (err error) {
	r, err := openInput(p.e, path, p.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	base, _ := p.progress.done.Load(), p.progress.total.Load()
	var rec input.Record
	for {
		err := r.Read(&rec)
		passed := err == nil && p.n < p.passOver
		if err == nil && !passed && p.encoding != nil {
			err = p.encoding.apply(&rec, nameOf(path))
		}
		switch {
		case passed:
			p.n++
		case err == nil:
			if err := p.send(nameOf(path), &rec); err != nil {
				return err
			}
		case endOfInput(err):
			p.look(r, base)
			if errors.Is(err, errInterrupted) {
				return err
			}
			return nil
		default:
			if err := p.broken(err); err != nil {
				return err
			}
		}
		if p.n%256 == 0 {
			p.look(r, base)
		}
		if p.e.ctx.Err() != nil {
			return context.Cause(p.e.ctx)
		}
	}
}

// look notes for the progress bar how far r is.
func (p *production) look(r input.Reader, base int64) {
	done, total := r.Progress()
	p.progress.sent.Store(p.records)
	if len(p.cmd.inputs()) > 1 {
		total = 0 // inputs of different units have no common total
	}
	p.progress.done.Store(base + done)
	p.progress.total.Store(total)
}

// broken deals with a row that is no record.
func (p *production) broken(err error) error {
	row, ok := errors.AsType[*input.RowError](err)
	if !ok || p.cmd.OnError == "fail" {
		if ok {
			return fmt.Errorf("%w (--on-error skip goes on without such rows); nothing behind it was "+
				"sent", row)
		}
		return err
	}
	p.n++
	if p.skipped++; p.skipped <= mostShown {
		p.e.note("skipped: %v", row)
	}
	if p.skipped == mostShown+1 {
		p.e.note("more rows are skipped; they are counted, not shown")
	}
	return nil
}

// send hands one record to the producer. An error means that it makes no sense
// to go on.
func (p *production) send(file string, rec *input.Record) error {
	if err := p.txn.begin(); err != nil {
		return err
	}
	p.keys.Add(rec.Key)
	r := posthaste.Record{Topic: p.cmd.Topic, Key: rec.Key, Value: rec.Value, Headers: rec.Headers}
	if rec.Partition != input.AutomaticPartition {
		r.Partition = posthaste.ToPartition(rec.Partition)
	}
	if rec.Timestamp != input.NoTimestamp {
		r.Timestamp = time.UnixMilli(rec.Timestamp)
	}
	f := p.outcomes.take()
	f.n, f.file, f.line = p.n, file, rec.Line
	f.at = p.outcomes.since()
	p.n++
	p.records++
	p.bytes += int64(len(rec.Key) + len(rec.Value))
	p.producer.SendAsync(p.e.ctx, r, f.done)
	if p.cmd.Sync {
		if err := p.producer.Flush(p.e.ctx); err != nil {
			return err
		}
	}
	if err := p.outcomes.hopeless(); err != nil {
		return err
	}
	return p.txn.sent(p.e.ctx, p.outcomes)
}

// finish waits for what is under way and sums up.
func (p *production) finish() *report.Summary {
	done := make(chan struct{})
	go p.explainWait(done)
	// Bounded by delivery.timeout.ms; a second signal ends the process.
	err := p.producer.Close(context.Background())
	close(done)
	if err != nil {
		p.e.warn("%v", err)
	}
	seconds := time.Since(p.begun)
	p.outcomes.close(p.e)
	o := p.outcomes
	m := p.producer.Metrics()
	p.interrupted = p.interrupted || o.unsent > 0
	s := &report.Summary{Topic: p.cmd.Topic, Records: p.records - o.unsent, Acked: o.acked,
		Failed: o.failed, Aborted: o.aborted, Skipped: p.skipped, Bytes: p.bytes - o.unsentBytes,
		Batches: int64(m.Batches), Retries: int64(m.Retries), Ratio: 1,
		Seconds: report.Seconds(seconds.Seconds()), RecordsPerSecond: report.Per(o.acked, seconds),
		BytesPerSecond: report.Per(o.bytes, seconds), Latency: o.latency.Figures(),
		Partitions: map[string]int64{}, Interrupted: p.interrupted}
	if m.Batches > 0 {
		s.RecordsPerBatch = report.Rate(float64(m.RecordsSent) / float64(m.Batches))
	}
	if m.BytesUncompressed > 0 && p.compresses {
		const header = 61 // bytes of a batch that no codec makes smaller
		s.Ratio = float64(m.BytesCompressed) / float64(m.BytesUncompressed+header*m.Batches)
	}
	for partition, n := range o.counts {
		if n > 0 {
			s.Partitions[fmt.Sprint(partition)] = n
		}
	}
	if p.txn != nil {
		s.Transaction, s.Transactions = true, p.txn.committed
	}
	return s
}

// explainWait says what the command waits for when its end takes long.
func (p *production) explainWait(done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		p.e.note("waiting for records under way; Ctrl-C gives them up")
	}
}

// warnings are what a colleague would say about the keys.
func (p *production) warnings(cfg *posthaste.Config, counts []int64) []string {
	column := "the key"
	switch {
	case p.cmd.PartitionField != "", cfg.PartitionerIgnoreKeys, cfg.PartitionerClass != "":
		return nil // keys do not choose the partition
	case p.cmd.KeyField != "":
		column = fmt.Sprintf("the key field %q", p.cmd.KeyField)
	}
	if text := p.keys.Warning(column, counts); text != "" {
		return []string{text}
	}
	return nil
}
