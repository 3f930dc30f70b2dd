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
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/load"
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

// payloadFlags say what is sent.
type payloadFlags struct {
	RecordSize       int    `name:"record-size" placeholder:"BYTES" xor:"payload" help:"Send values of so many random letters."`
	PayloadFile      string `name:"payload-file" placeholder:"FILE" xor:"payload" help:"Send values drawn from this file at random."`
	PayloadMonotonic bool   `name:"payload-monotonic" xor:"payload" help:"Send the numbers from 0 as text."`
	PayloadDelimiter string `name:"payload-delimiter" default:"\\n" placeholder:"TEXT" help:"What divides the values of --payload-file (default: ${default}, a new line)."`
}

func (c *payloadFlags) payloads() (payloads, error) {
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

// perfProducer is what perf needs of a posthaste.Producer.
type perfProducer interface {
	load.Producer
	Close(ctx context.Context) error
}

// perfRun is one run of the perf command.
type perfRun struct {
	e        *env
	cmd      *perfCmd
	producer perfProducer
	payloads payloads
	stats    *perfStats
	ended    time.Time
	cpu      time.Duration // of the process while records were sent

	txn       transactor // nil without transactions
	committed int64
}

func newPerfRun(e *env, c *perfCmd, p perfProducer, values payloads) *perfRun {
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
	r.begin(windows)
	cpu := load.ProcessCPU()
	defer func() { r.ended, r.cpu = time.Now(), load.ProcessCPU()-cpu }()
	if r.cmd.TransactionalID != "" {
		if r.txn, err = r.initTransactions(); err != nil {
			return err
		}
		r.begin(windows) // the time that it took is none of the records'
	}
	if err := r.send(); err != nil {
		if flushing := r.producer.Flush(context.Background()); flushing != nil {
			r.e.warn("%v", flushing)
		}
		return err
	}
	return r.producer.Flush(r.e.ctx)
}

func (r *perfRun) begin(windows io.Writer) {
	r.stats = newPerfStats(r.e, windows, time.Duration(r.cmd.ReportingInterval)*time.Millisecond)
	r.stats.counters = r.producer.Metrics
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
		timed := r.cmd.Throughput > 0 || i%load.SampleEvery == 0 || s.explains()
		var at time.Duration
		if timed {
			var err error
			if at, err = r.turn(i); err != nil {
				return r.abort(open, err)
			}
		}
		if r.txn != nil && !open {
			if err := r.txn.BeginTransaction(); err != nil {
				return fmt.Errorf("cannot begin a transaction: %w", err)
			}
			open, opened = true, s.since()
		}
		record.Value = r.payloads(i)
		r.sendOne(record, timed, at)
		if err := s.hopeless(); err != nil {
			return r.abort(open, err)
		}
		if open && timed && s.since()-opened >= length {
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

// turn waits until record i is due and returns when that was: not when it is
// sent, so that a stall counts for all that it delays.
func (r *perfRun) turn(i int64) (time.Duration, error) {
	if r.cmd.Throughput > 0 {
		due := time.Duration(float64(i) / r.cmd.Throughput * float64(time.Second))
		return due, load.SleepUntil(r.e.ctx, r.stats.base, due)
	}
	if r.e.ctx.Err() != nil {
		return 0, context.Cause(r.e.ctx)
	}
	return r.stats.since(), nil
}

func (r *perfRun) sendOne(record posthaste.Record, timed bool, at time.Duration) {
	s := r.stats
	s.handed++
	s.bytes += int64(len(record.Value))
	if timed {
		s.size.Store(s.bytes / s.handed)
		f := s.take()
		f.at, f.steady = at, s.steady != nil
		r.producer.SendAsync(r.e.ctx, record, f.done)
	} else if _, err := r.producer.Send(r.e.ctx, record); err != nil {
		s.refuse(err)
	}
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
